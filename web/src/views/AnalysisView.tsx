// An analysis: what was asked, what was found, how it was measured. One selection for all parts.
import { useMemo } from "preact/hooks";
import type { Document } from "../data/decode";
import { termsIn } from "../data/glossary";
import { positionsOf } from "../data/positions";
import { asAnalysis, nodeRows, searched } from "../data/results";
import type { Analysis, NodeRow } from "../data/results";
import { signed } from "../format";
import { Card } from "../parts/Card";
import { Terms } from "../parts/Glossary";
import { LayerMap } from "../parts/LayerMap";
import { NodeTable } from "../parts/NodeTable";
import { PositionMap } from "../parts/PositionMap";
import { RepairTable } from "../parts/Repair";
import { SelectedBar } from "../parts/SelectedBar";
import { Story } from "../parts/Story";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { AttentionCard, DirectCard, LensCard, TokensCard } from "./LensViews";
import { CircuitBySize } from "./CircuitBySize";
import type { Beside } from "./CircuitBySize";
import { Question } from "./Question";

const REPAIR = "Self-repair";
/** The lenses that an analysis may hold, as their stories are headed. */
const LENSES = ["What the lens reads", "Direct effects", "Tokens", "Attention"];
const FIRST = ["Conclusion", "Summary"];
const WIDE = new Set([REPAIR, "How to reproduce"]);

export function AnalysisView(props: { document: Document; theme: Theme; beside?: Beside }) {
  const [analysis, derived] = useMemo(() => asAnalysis(props.document), [props.document]);
  const rows = useMemo(() => nodeRows(analysis, derived), [analysis, derived]);
  const [selected, select] = useParam("node");
  const toggle = (name: string) => select(name === selected ? null : name);
  const { story } = props.document;
  const [conclusion, summary] = FIRST.map((title) => story.find((section) => section.title === title));
  const rest = story.filter((section) => !FIRST.includes(section.title) && !LENSES.includes(section.title));
  const chosen = rows.find((row) => row.name === selected);
  const common = { rows, selected, onSelect: toggle, theme: props.theme };
  const estimates = useMemo(() => rows.map((row) => ({ ...row, value: row.estimate })), [rows]);
  const effects = useMemo(() => rows.map((row) => ({ ...row, value: row.effect })), [rows]);
  const positions = useMemo(() => positionsOf(analysis), [analysis]);
  const placed = useMemo(() => rows.filter((row) => row.inCircuit || row.effect !== null), [rows]);
  const found = searched(analysis);
  return (
    <>
      {conclusion && <Card title={conclusion.title} wide><div class="conclusion"><Story section={conclusion} /></div></Card>}
      {summary && <Card title={summary.title}><Story section={summary} /></Card>}
      <Card title="Question"><Question analysis={analysis} /></Card>
      {found && (
        <CircuitBySize analysis={analysis} found={found} order={derived.order} beside={props.beside} positions={positions} {...common} />
      )}
      <Card title="Estimates" note="From gradients. They chose what was measured; they are not measurements.">
        <LayerMap label={`estimate (${analysis.attribution.method}), in the metric's units`} word="estimate" {...common} rows={estimates} />
      </Card>
      <Card title="Measured effects" note={measuredNote(analysis, rows)}>
        <LayerMap label="effect, in the metric's units" word="effect" absent="not measured alone" {...common} rows={effects} />
      </Card>
      {positions && placed.length > 0 && (
        <Card title="Positions" note="Where along the prompt the estimates of the circuit's nodes, and of those measured alone, lie. The measurements replace a node at every position." wide>
          <PositionMap {...common} rows={placed} positions={positions} method={analysis.attribution.method} />
        </Card>
      )}
      <Card title="Nodes" wide>
        <NodeTable rows={rows} selected={selected} onSelect={toggle} />
      </Card>
      <Included analysis={analysis} document={props.document} theme={props.theme} />
      {rest.filter((section) => section.sentences.length).map((section) => (
        <Card title={section.title} wide={WIDE.has(section.title)}>
          <Story section={section} />
          {section.title === REPAIR && <RepairTable backups={analysis.backups} derived={derived.backups} selected={selected} onSelect={toggle} />}
        </Card>
      ))}
      <Card title="Words used here" wide>
        <details class="words"><summary>What the terms mean</summary><Terms terms={termsIn(textsOf(story))} /></details>
      </Card>
      {chosen && <SelectedBar node={chosen} onClear={() => select(null)} />}
    </>
  );
}

/** The lenses that the analysis holds, each as on a page of its own. */
function Included({ analysis, document, theme }: { analysis: Analysis; document: Document; theme: Theme }) {
  const { lens, direct_effects: direct, tokens, attention } = analysis;
  const [ofLens, ofDirect, ofTokens, ofAttention] = LENSES.map((title) => document.story.filter((section) => section.title === title));
  return (
    <>
      {lens && <LensCard lens={lens} derived={document.derived} story={ofLens!} theme={theme} />}
      {direct && <DirectCard direct={direct} story={ofDirect!} />}
      {tokens && <TokensCard found={tokens} story={ofTokens!} theme={theme} />}
      {attention && <AttentionCard attention={attention} story={ofAttention!} theme={theme} />}
    </>
  );
}

/** The words of a story. */
function textsOf(story: Document["story"]): string[] {
  return story.flatMap((section) => section.sentences.flat().filter((piece) => typeof piece === "string"));
}

function measuredNote(analysis: Analysis, rows: NodeRow[]): string {
  const span = `${signed(analysis.metric_clean, 2)} to ${signed(analysis.metric_corrupted, 2)}`;
  const measured = rows.filter((row) => row.effect !== null).length;
  return `Fall of the metric when a node alone gets its value on the corrupted prompt; ${measured} nodes were measured. Replacing the whole prompt moves the metric from ${span}.`;
}
