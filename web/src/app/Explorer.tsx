// Type a prompt, choose an answer and a foil, look at what the model does, turn parts off.
import { Page } from "../parts/Page";
import { setParam, useParam } from "../state";
import type { Theme } from "../theme";
import { SELECTED } from "../useLinked";
import { Candidates, PromptTokens } from "./Candidates";
import { pairOf } from "./choices";
import type { Next } from "./choices";
import { CircuitMap, OF_A_CIRCUIT } from "./CircuitMap";
import { Compare } from "./Compare";
import { Examples } from "./Examples";
import type { Example } from "./Examples";
import { OnePrompt } from "./OnePrompt";
import { PromptBox } from "./PromptBox";
import { Roles } from "./Roles";
import { Status } from "./Status";
import { Tour } from "./Tour";
import { TwoPrompts } from "./TwoPrompts";
import { useJob } from "./useJob";

export interface About extends Record<string, unknown> {
  model: string;
  layers: number;
  nodes: string[];
  examples: Example[];
}

/** What every part of the page asks about. */
export interface Pair extends Record<string, unknown> {
  prompt: string;
  answer: string | number;
  foil: string | number;
}

/** What the address holds that has no meaning for another prompt. */
const OF_A_PROMPT = ["answer", "foil", "point", "corrupted", "found", "place", ...SELECTED, ...OF_A_CIRCUIT];

export function Explorer({ about }: { about: About }) {
  return (
    <Page title="Pellucid" subtitle={`${about.model}, ${about.layers} layers`} middle={<Modes />} tools={<Tour />} wide>
      {(theme) => <Prompt about={about} theme={theme} />}
    </Page>
  );
}

function Prompt({ about, theme }: { about: About; theme: Theme }) {
  const [prompt, setPrompt] = useParam("prompt");
  const [answer, setAnswer] = useParam("answer");
  const [foil, setFoil] = useParam("foil");
  const mode = useMode();
  const next = useJob(prompt ? { kind: "next", prompt } : null, (found) => found as Next);
  const chosen = pairOf(next.result, parsed(answer), parsed(foil));
  const pair: Pair | null = prompt && chosen ? { prompt, ...chosen } : null;
  const ask = (text: string) => {
    if (text !== prompt) for (const name of OF_A_PROMPT) setParam(name, null);
    setPrompt(text);
  };
  const run = (example: Example) => {
    ask(example.prompt);
    setParam("corrupted", example.corrupted);
    if (example.answer === undefined) return;
    setAnswer(JSON.stringify(example.answer));
    setFoil(JSON.stringify(example.foil));
  };
  if (mode === "compare") return <Compare theme={theme} />;
  return (
    <>
      <section class="card wide question" aria-label="Prompt and answer">
        <div data-tour="prompt">
          <PromptBox
            id="prompt" label="Prompt" seen value={prompt ?? ""} rows={2} wrong={next.problem?.field === "prompt"} run="Run"
            note="Enter runs, Shift+Enter makes a line." onAsk={ask}
          />
          <Status job={next} />
          {next.result && <PromptTokens tokens={next.result.tokens} />}
          <Examples examples={about.examples} prompt={prompt} onRun={run} />
        </div>
        {next.result && chosen && (
          <Candidates
            next={next.result} {...chosen}
            onAnswer={(value) => setAnswer(JSON.stringify(value))} onFoil={(value) => setFoil(JSON.stringify(value))}
          />
        )}
        {!prompt && <Hint />}
      </section>
      {pair && <Answers mode={mode} about={about} pair={pair} theme={theme} />}
    </>
  );
}

function Hint() {
  return (
    <div class="hint">
      <h2>What you will see</h2>
      <ol>
        <li>what the model says next, and what it might have said instead;</li>
        <li>layer by layer, where that answer appears;</li>
        <li>which heads and MLPs wrote it, what each reads and writes;</li>
        <li>what is left of it when you turn them off.</li>
      </ol>
      <p class="note">Type a prompt and press Enter, or take an example.</p>
    </div>
  );
}

const MODES: [string, string][] = [
  ["prompt", "Prompt explorer"],
  ["pairs", "Contrast pairs"],
  ["circuit", "Circuit map"],
  ["roles", "Head roles"],
  ["compare", "Compare"],
];

function useMode(): string {
  const [mode] = useParam("mode");
  return MODES.some(([name]) => name === mode) ? mode! : "prompt";
}

function Modes() {
  const chosen = useMode();
  return (
    <nav class="modes" aria-label="Modes" data-tour="modes">
      {MODES.map(([name, title]) => (
        <button type="button" aria-pressed={name === chosen} onClick={() => setParam("mode", name === "prompt" ? null : name)}>{title}</button>
      ))}
    </nav>
  );
}

/** One way to look at the prompt; what another mode has found stays in the address. */
function Answers(props: { mode: string; about: About; pair: Pair; theme: Theme }) {
  const { mode, pair, theme } = props;
  if (mode === "pairs") return <TwoPrompts pair={pair} theme={theme} />;
  if (mode === "circuit") return <CircuitMap pair={pair} theme={theme} />;
  if (mode === "roles") return <Roles theme={theme} />;
  return <OnePrompt nodes={props.about.nodes} pair={pair} theme={theme} />;
}

/** A token of the address: its id, or text in quotes. */
function parsed(value: string | null): string | number | undefined {
  try {
    const found: unknown = JSON.parse(value ?? "");
    return typeof found === "string" || typeof found === "number" ? found : undefined;
  } catch {
    return undefined;
  }
}
