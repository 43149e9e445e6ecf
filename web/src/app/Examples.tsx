export interface Example {
  title: string;
  prompt: string;
  corrupted: string;
  /** Absent where the model does not know them as one token each. */
  answer?: string;
  foil?: string;
}

/** Prompts to begin with, each with an answer, a foil and the other prompt. */
export function Examples(props: { examples: Example[]; prompt: string | null; onRun: (example: Example) => void }) {
  return (
    <div class="chips examples" role="group" aria-label="Example prompts">
      <span class="note">Examples</span>
      {props.examples.map((one) => (
        <button type="button" title={one.prompt} aria-pressed={one.prompt === props.prompt} onClick={() => props.onRun(one)}>{one.title}</button>
      ))}
    </div>
  );
}
