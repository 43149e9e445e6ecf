// Type a prompt, choose an answer and a foil, look at what the model does, turn parts off.
import { decodeDocument, fieldsOf } from "../data/decode";
import { Card } from "../parts/Card";
import { LayerMap } from "../parts/LayerMap";
import { LensGrid } from "../parts/LensGrid";
import { Page } from "../parts/Page";
import { Waterfall } from "../parts/Waterfall";
import { setParam, useParam } from "../state";
import type { Theme } from "../theme";
import { CircuitMap, OF_A_CIRCUIT } from "./CircuitMap";
import { Compare } from "./Compare";
import { TwoPrompts } from "./TwoPrompts";
import { Candidates, PromptTokens } from "./Candidates";
import type { Candidate } from "./Candidates";
import { useJob } from "./useJob";
import { Part } from "./Part";
import { Roles } from "./Roles";
import { PromptForm } from "./PromptForm";
import { Shown, Status } from "./Status";
import { Sweep } from "./Sweep";
import { TurnedOff } from "./TurnedOff";
import { shareRows } from "./shares";

export interface About extends Record<string, unknown> {
  model: string;
  layers: number;
  nodes: string[];
}

export interface Next {
  tokens: string[];
  candidates: Candidate[];
}

/** What every part of the page asks about. */
export interface Pair extends Record<string, unknown> {
  prompt: string;
  answer: string | number;
  foil: string | number;
}

export function Explorer({ about }: { about: About }) {
  return (
    <Page title="Pellucid" subtitle={`${about.model}: ${about.layers} layers`}>
      {(theme) => <Prompt about={about} theme={theme} />}
    </Page>
  );
}

function Prompt({ about, theme }: { about: About; theme: Theme }) {
  const [prompt, setPrompt] = useParam("prompt");
  const [answer, setAnswer] = useParam("answer");
  const [foil, setFoil] = useParam("foil");
  const [mode, modes] = useMode();
  const next = useJob(prompt ? { kind: "next", prompt } : null, (found) => found as Next);
  const first = next.progress || next.problem ? [] : (next.result?.candidates ?? []);
  const chosen = { answer: parsed(answer) ?? first[0]?.id, foil: parsed(foil) ?? first[1]?.id };
  const pair: Pair | null =
    prompt && chosen.answer !== undefined && chosen.foil !== undefined
      ? { prompt, answer: chosen.answer, foil: chosen.foil }
      : null;
  const ask = (text: string) => {
    if (text !== prompt) for (const name of OF_A_PROMPT) setParam(name, null);
    setPrompt(text);
  };
  return (
    <>
      <Card title="Prompt" wide>
        <div class="halves">
          <div>
            <PromptForm value={prompt ?? ""} onAsk={ask} problem={next.problem} />
            <Status job={next} />
            {next.result && <PromptTokens tokens={next.result.tokens} />}
          </div>
          {next.result && (
            <Candidates
              next={next.result}
              answer={chosen.answer}
              foil={chosen.foil}
              onAnswer={(value) => setAnswer(JSON.stringify(value))}
              onFoil={(value) => setFoil(JSON.stringify(value))}
            />
          )}
        </div>
      </Card>
      {modes}
      {mode === "compare" && <Compare theme={theme} />}
      {mode !== "compare" && (pair ? <Answers mode={mode} about={about} pair={pair} theme={theme} /> : <Hint />)}
    </>
  );
}

/** What the address holds that has no meaning for another prompt. */
const OF_A_PROMPT = ["answer", "foil", "cell", "corrupted", "found", "place", ...OF_A_CIRCUIT];

function Hint() {
  return (
    <Card title="What you will see" wide>
      <p class="note">
        Type a prompt and press Enter. The model's candidates for what comes next appear; choose an answer and a
        foil. Then every layer's reading, what each part writes towards the answer, and where heads look are shown,
        and any head or MLP can be turned off.
      </p>
    </Card>
  );
}

const MODES: [string, string][] = [
  ["prompt", "Prompt explorer"],
  ["pairs", "Contrast pairs"],
  ["circuit", "Circuit map"],
  ["roles", "Head roles"],
  ["compare", "Compare"],
];

/** The mode in the address, and buttons for all. */
function useMode(): [string, preact.JSX.Element] {
  const [mode, setMode] = useParam("mode");
  const chosen = MODES.some(([name]) => name === mode) ? mode! : "prompt";
  const buttons = (
    <nav class="modes wide" aria-label="Modes">
      {MODES.map(([name, title]) => (
        <button type="button" aria-pressed={name === chosen} onClick={() => setMode(name === "prompt" ? null : name)}>{title}</button>
      ))}
    </nav>
  );
  return [chosen, buttons];
}

/** One way to look at the prompt; what another mode has found stays in the address. */
function Answers(props: { mode: string; about: About; pair: Pair; theme: Theme }) {
  const { mode, pair, theme } = props;
  if (mode === "pairs") return <TwoPrompts pair={pair} theme={theme} />;
  if (mode === "circuit") return <CircuitMap pair={pair} theme={theme} />;
  if (mode === "roles") return <Roles theme={theme} />;
  return <OnePrompt {...props} />;
}

/** Everything that is asked about one prompt with an answer and a foil. */
function OnePrompt({ about, pair, theme }: { about: About; pair: Pair; theme: Theme }) {
  const [selected, select] = useParam("node");
  const direct = useJob({ kind: "direct", ...pair }, (found) => fieldsOf(decodeDocument(found), "DirectEffects"));
  const lens = useJob({ kind: "lens", ...pair }, (found) => fieldsOf(decodeDocument(found), "LogitLens"));
  const toggle = (name: string) => select(name === selected ? null : name);
  const rows = shareRows(about.nodes, direct.result);
  return (
    <>
      <TurnedOff pair={pair} nodes={about.nodes} />
      <Card title="Direct effects" note="What each part itself wrote towards the answer rather than the foil. Shares add up; a large share need not be a cause.">
        <Status job={direct} />
        <Shown job={direct}>
          {direct.result && <Waterfall direct={direct.result} selected={selected} onSelect={toggle} />}
        </Shown>
      </Card>
      <Card title="Heads and MLPs" note="Choose any part to see where it looks, and to turn it off.">
        <Shown job={direct}>
          <LayerMap
            label="direct effect, in logits" word="share" absent="not known yet"
            rows={rows} selected={selected} onSelect={toggle} theme={theme}
          />
        </Shown>
      </Card>
      {selected && about.nodes.includes(selected) && (
        <Part name={selected} pair={pair} share={rows.find((row) => row.name === selected)?.value ?? null} theme={theme} />
      )}
      <Sweep pair={pair} theme={theme} selected={selected} onSelect={toggle} />
      <Card title="Logit lens" note="What the model would say if it stopped after each sublayer, at the prompt's last positions. That a token can be read off does not say that it is used." wide>
        <Status job={lens} />
        <Shown job={lens}>
          {lens.result && <LensGrid lens={lens.result} theme={theme} />}
        </Shown>
      </Card>
    </>
  );
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
