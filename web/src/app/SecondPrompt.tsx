import type { Refusal } from "./jobs";
import { PromptBox } from "./PromptBox";

/** The prompt that the first one is held against, as many tokens long. */
export function SecondPrompt(props: { first: string; value: string; problem: Refusal | null; note: string; run: string; onAsk: (prompt: string) => void }) {
  const { first, problem, run, note, onAsk } = props;
  return (
    <PromptBox
      id="second" label="Other prompt" seen value={props.value || first} rows={2} wrong={problem?.field === "corrupted"} run={run}
      note={`${note} Enter runs.`} onAsk={(text) => onAsk(text === first ? "" : text)}
    />
  );
}
