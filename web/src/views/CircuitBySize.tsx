// The circuit, and the highest ranked nodes at each size that was measured: graph, curve, slider.
import type { Analysis, Faithfulness, NodeRow } from "../data/results";
import { signed } from "../format";
import { Card } from "../parts/Card";
import { CircuitGraph } from "../parts/CircuitGraph";
import { Curve } from "../parts/Curve";
import { Legend } from "../parts/Legend";
import { useParam } from "../state";
import type { Theme } from "../theme";

export function CircuitBySize(props: {
  analysis: Analysis;
  found: Faithfulness;
  order: string[];
  rows: NodeRow[];
  selected: string | null;
  onSelect: (name: string) => void;
  theme: Theme;
}) {
  const { analysis, found, rows } = props;
  const [chosen, choose] = useParam("size");
  const index = chosen === null ? -1 : found.curve_sizes.indexOf(Number(chosen));
  const size = index < 0 ? null : found.curve_sizes[index]!;
  const kept = new Set(size === null ? [] : props.order.slice(0, size));
  const nodes = rows.filter((row) => (size === null ? row.inCircuit : kept.has(row.name)));
  const sufficiency = size === null ? found.sufficiency : found.curve[index]!;
  const limit = Math.max(1e-12, ...rows.map((row) => Math.abs(row.effect ?? 0)));
  const what = size === null ? `the circuit, ${found.size} nodes` : `the ${size} highest ranked`;
  return (
    <>
      <Card title="Circuit" note="Nodes in their layers. Edges between them were not measured in this analysis.">
        <div class="slider">
          <label for="size">Shown: {what}</label>
          <input
            id="size" type="range" min={-1} max={found.curve_sizes.length - 1} step={1} value={index}
            aria-valuetext={`${what}, sufficiency ${sufficiency.toFixed(3)}`}
            onInput={(e) => {
              const at = Number(e.currentTarget.value);
              choose(at < 0 ? null : String(found.curve_sizes[at]));
            }}
          />
          <output for="size">
            measured sufficiency <b class="number" data-testid="sufficiency">{signed(sufficiency)}</b>
          </output>
        </div>
        <Legend limit={limit} theme={props.theme} label="measured effect, in the metric's units · no fill: not measured alone" />
        <div class="graph-scroll">
          <CircuitGraph nodes={nodes} limit={limit} theme={props.theme} selected={props.selected} onSelect={props.onSelect} />
        </div>
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
