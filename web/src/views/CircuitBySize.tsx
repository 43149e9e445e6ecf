// The circuit, and the highest ranked nodes at each size that was measured: graph, curve, slider.
import type { ComponentChildren } from "preact";
import type { MeasuredEdges } from "../data/edges";
import type { Positions } from "../data/positions";
import { backupNames } from "../data/results";
import type { Analysis, Faithfulness, NodeRow } from "../data/results";
import { share, visible } from "../format";
import { Arrange } from "../parts/Arrange";
import { boxesOf, byHead, byPosition, logitsAt } from "../parts/boxes";
import { Card } from "../parts/Card";
import { CircuitGraph } from "../parts/CircuitGraph";
import { Curve } from "../parts/Curve";
import { EdgeControls, useLeast } from "../parts/EdgeControls";
import { EdgeTable } from "../parts/EdgeTable";
import { Legend } from "../parts/Legend";
import { useArrangement } from "../parts/useArrangement";
import { useParam } from "../state";
import type { Theme } from "../theme";

/** What the app measures beside an analysis, and the controls that ask for it. */
export interface Beside {
  edges: MeasuredEdges | null;
  /** Measured effect of groups, by `keyOf` of their nodes. */
  together: Map<string, number>;
  askEdges: ComponentChildren;
  askTogether: ComponentChildren;
}

const NOTHING: Beside = { edges: null, together: new Map(), askEdges: null, askTogether: null };

export function CircuitBySize(props: {
  analysis: Analysis;
  found: Faithfulness;
  order: string[];
  rows: NodeRow[];
  selected: string | null;
  onSelect: (name: string) => void;
  theme: Theme;
  beside?: Beside | undefined;
  positions: Positions | null;
}) {
  const { analysis, found, rows } = props;
  const [chosen, choose] = useParam("size");
  const index = chosen === null ? -1 : found.curve_sizes.indexOf(Number(chosen));
  const size = index < 0 ? null : found.curve_sizes[index]!;
  const sufficiency = size === null ? found.sufficiency : found.curve[index]!;
  const what = size === null ? `the circuit, ${found.size} nodes` : `the ${size} highest ranked`;
  return (
    <>
      <Card title="Circuit" note={noteOf(props.beside?.edges ?? null)}>
        <div class="slider">
          <label for="size">Shown: {what}</label>
          <input
            id="size" type="range" min={-1} max={found.curve_sizes.length - 1} step={1} value={index}
            aria-valuetext={`${what}, sufficiency ${share(sufficiency)}`}
            onInput={(e) => {
              const at = Number(e.currentTarget.value);
              choose(at < 0 ? null : String(found.curve_sizes[at]));
            }}
          />
          <output for="size">
            measured sufficiency <b class="number" data-testid="sufficiency">{share(sufficiency)}</b>
          </output>
        </div>
        <Graph {...props} shown={size === null ? null : props.order.slice(0, size)} beside={props.beside ?? NOTHING} rows={rows} />
      </Card>
      <Card
        title="Faithfulness by size"
        note={`Sufficiency measured over ${found.over.replace("+", " and ")}: 1 is the whole model, 0 is nothing kept; never clipped.`}
      >
        <Curve found={found} target={analysis.circuit.target} size={size} onSize={(next) => choose(String(next))} />
      </Card>
    </>
  );
}

function noteOf(edges: MeasuredEdges | null): string {
  if (!edges) return "Nodes in their layers. Edges between them were not measured in this analysis.";
  const some = edges.edges.length < edges.among
    ? `the ${edges.edges.length} of ${edges.among} with the largest estimates were measured, each cut alone; the others were not`
    : `all ${edges.among} were measured, each cut alone`;
  return `Nodes in their layers. Edges among the circuit's nodes, its backups, the embedding and the logits: ${some}. Edges of other nodes were not measured.`;
}

function Graph(props: {
  analysis: Analysis; rows: NodeRow[]; shown: string[] | null; selected: string | null; onSelect: (name: string) => void; theme: Theme; beside: Beside;
  positions: Positions | null;
}) {
  const { analysis, rows, beside } = props;
  const [hidden, hide] = useParam("backups");
  const [across, putAcross] = useParam("across");
  const along = across === "positions" ? props.positions : null;
  const arranging = useArrangement();
  const backups = backupNames(analysis);
  const edges = beside.edges?.edges ?? [];
  const [least] = useLeast(edges);
  const kept = props.shown && new Set(props.shown);
  const isShown = (row: NodeRow) =>
    (kept ? kept.has(row.name) : row.inCircuit)
    || arranging.pins.includes(row.name)
    || (hidden === null && backups.has(row.name))
    || (edges.length > 0 && row.kind === "embed");
  const nodes = rows.filter(isShown);
  const limit = Math.max(1e-12, ...rows.map((row) => Math.abs(row.effect ?? 0)), ...[...beside.together.values()].map(Math.abs));
  const boxes = boxesOf(nodes, backups, arranging, beside.together, along ? byPosition(along) : byHead(rows));
  const toArrange = nodes.filter((row) => row.kind !== "embed").map((row) => row.name);
  return (
    <>
      {beside.askEdges}
      <Legend limit={limit} theme={props.theme} label="measured effect, in the metric's units · no fill: not measured alone" />
      <ul class="keys">
        {backups.size > 0 && (
          <li>
            <i class="key-backup" />backup: does more once the circuit is replaced{" "}
            <label><input type="checkbox" checked={hidden === null} onChange={(event) => hide(event.currentTarget.checked ? null : "hidden")} /> shown</label>
          </li>
        )}
        {props.positions && (
          <li>
            <label>
              across:{" "}
              <select value={along ? "positions" : "heads"} onChange={(event) => putAcross(event.currentTarget.value === "positions" ? "positions" : null)}>
                <option value="heads">number of the head</option>
                <option value="positions">position of the largest estimate</option>
              </select>
            </label>
          </li>
        )}
        {arranging.pins.length > 0 && <li><i class="key-pin" />pinned: shown at every size, and not counted in it</li>}
      </ul>
      <CircuitGraph
        boxes={edges.length ? [logitsAt(along), ...boxes] : boxes} edges={edges} hidden={least} word="effect" axis={along?.tokens.map(visible) ?? []}
        limit={limit} theme={props.theme} selected={props.selected} onSelect={props.onSelect}
      />
      {edges.length > 0 && (
        <>
          <EdgeControls edges={edges} word="measured effect" />
          <details><summary>Measured edges as a table</summary><EdgeTable edges={edges} word="effect" /></details>
        </>
      )}
      <Arrange names={toArrange} arranging={arranging} together={beside.together}>{beside.askTogether}</Arrange>
    </>
  );
}
