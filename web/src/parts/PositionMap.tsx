// Estimates of some nodes at every position: the highest layers on top, as in the graph.
import { diverging } from "../colour";
import type { Positions } from "../data/positions";
import { orderOf } from "../data/names";
import type { NodeRow } from "../data/results";
import { signed, visible } from "../format";
import type { Theme } from "../theme";
import { Heatmap } from "./Heatmap";
import { Legend } from "./Legend";

export function PositionMap(props: {
  rows: NodeRow[];
  positions: Positions;
  method: string;
  selected: string | null;
  onSelect: (name: string) => void;
  theme: Theme;
}) {
  const { positions, theme } = props;
  const nodes = [...props.rows].sort((a, b) => (orderOf(a) < orderOf(b) ? 1 : -1)).map((row) => row.name);
  const value = (r: number, c: number) => positions.estimate(nodes[r]!, c);
  const limit = Math.max(1e-12, ...nodes.flatMap((_, r) => positions.tokens.map((_, c) => Math.abs(value(r, c)) || 0)));
  const label = `estimate at each position (${props.method}), in the metric's units`;
  const chosen = nodes.indexOf(props.selected ?? "");
  return (
    <>
      <Legend limit={limit} theme={theme} label={label} />
      <Heatmap
        label={label} rows={nodes} columns={positions.tokens.map(visible)} value={value}
        colour={(v) => diverging(v / limit, theme)}
        describe={(r, c) => `${nodes[r]} at position ${c} “${visible(positions.tokens[c]!)}”: estimate ${signed(value(r, c))}`}
        selected={chosen < 0 ? [] : [{ row: chosen, column: positions.largest(nodes[chosen]!) }]}
        onSelect={(r) => props.onSelect(nodes[r]!)}
        theme={theme} leftWidth={48} minCellWidth={10} maxCellWidth={72}
      />
    </>
  );
}
