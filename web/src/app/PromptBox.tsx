import { useEffect, useState } from "preact/hooks";

/** A prompt that is run by Enter; Shift+Enter makes a line. */
export function PromptBox(props: {
  id: string; label: string; seen?: boolean; value: string; rows: number; wrong: boolean; run: string; note: string; onAsk: (prompt: string) => void;
}) {
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  const ask = () => text && props.onAsk(text);
  return (
    <form class="ask" onSubmit={(event) => { event.preventDefault(); ask(); }}>
      <label for={props.id} class={props.seen ? undefined : "unseen"}>{props.label}</label>
      <textarea
        id={props.id} rows={props.rows} dir="auto" value={text} aria-invalid={props.wrong}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          ask();
        }}
      />
      <button type="submit" class="run">{props.run}</button>
      <span class="note">{props.note}</span>
    </form>
  );
}
