import { useEffect, useState } from "preact/hooks";
import type { Refusal } from "./jobs";

/** The prompt that the first one is held against, as many tokens long. */
export function SecondPrompt(props: { first: string; value: string; problem: Refusal | null; note: string; run: string; onAsk: (prompt: string) => void }) {
  const [text, setText] = useState(props.value || props.first);
  useEffect(() => setText(props.value || props.first), [props.value, props.first]);
  const wrong = props.problem?.field === "corrupted";
  return (
    <form class="ask" onSubmit={(event) => { event.preventDefault(); props.onAsk(text === props.first ? "" : text); }}>
      <label for="second">Other prompt</label>
      <textarea id="second" rows={2} dir="auto" value={text} aria-invalid={wrong} onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit">{props.run}</button>
      <span class="note">{props.note}</span>
    </form>
  );
}
