import { useEffect, useState } from "preact/hooks";
import type { Refusal } from "./jobs";

export function PromptForm(props: { value: string; onAsk: (prompt: string) => void; problem: Refusal | null }) {
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  const wrong = props.problem?.field === "prompt" ? props.problem.message : null;
  const ask = () => text && props.onAsk(text);
  return (
    <form class="ask" onSubmit={(event) => { event.preventDefault(); ask(); }}>
      <label for="prompt" class="unseen">Prompt</label>
      <textarea
        id="prompt" rows={3} dir="auto" value={text} aria-invalid={wrong !== null}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey) return;
          event.preventDefault();
          ask();
        }}
      />
      <button type="submit">Run</button>
      <span class="note">Enter runs, Shift+Enter makes a line.</span>
    </form>
  );
}
