// One number for every head and MLP: layers down, heads across, the MLP last.
import { useMemo } from "preact/hooks";
import { diverging } from "../colour";
import type { Node } from "../data/names";
import { signed } from "../format";
import type { Theme } from "../theme";
import { Heatmap } from "./Heatmap";
import { Legend } from "./Legend";

export interface Valued extends Node {
  name: string;
  /** Null where there is no value: hatched. */
  value: number | null;
}

export function LayerMap(props: {
  label: string;
  rows: Valued[];
  /** What the values are, in one word. */
  word: string;
  absent?: string;
  selected: string | null;
  onSelect: (name: string) => void;
  /** The layer that is chosen in another view. */
  layer?: number | null;
  onLayer?: (layer: number) => void;
  theme: Theme;
}) {
  const grid = useMemo(() => gridOf(props.rows), [props.rows]);
  const limit = Math.max(1e-12, ...props.rows.filter((row) => row.layer !== null).map((row) => Math.abs(row.value ?? 0)));
  const node = (r: number, c: number) => grid.cells[r]?.[c] ?? null;
  const value = (r: number, c: number) => node(r, c)?.value ?? NaN;
  const chosen = grid.cells.flatMap((cells, row) =>
    cells.flatMap((one, column) => (one && one.name === props.selected ? [{ row, column }] : [])),
  );
  const legend = { limit, theme: props.theme, label: props.label };
  return (
    <>
      <Legend {...legend} {...(props.absent ? { absent: props.absent } : {})} />
      <Heatmap
        label={props.label}
        rows={grid.cells.map((_, layer) => `L${layer}`)}
        columns={grid.columns}
        value={value}
        colour={(v) => diverging(v / limit, props.theme)}
        describe={(r, c) => describe(node(r, c), props.word, props.absent)}
        selected={chosen}
        onSelect={(r, c) => {
          const found = node(r, c);
          if (found) props.onSelect(found.name);
        }}
        lit={{ rows: props.layer === null || props.layer === undefined ? [] : [props.layer], columns: [] }}
        onRow={props.onLayer}
        theme={props.theme}
        maxCellWidth={56}
      />
    </>
  );
}

function describe(node: Valued | null, word: string, absent = "not there"): string {
  if (!node) return "There is no such part.";
  return `${node.name}: ${word} ${node.value === null ? absent : signed(node.value)}`;
}

const IN_MAP = new Set<string>(["head", "mlp"]);

/** Layers down, heads across, the MLPs in a last column where there are any; parts inside them are left out. */
export function gridOf(rows: Valued[]) {
  const inside = rows.filter((row) => row.layer !== null && IN_MAP.has(row.kind));
  const layers = 1 + Math.max(-1, ...inside.map((row) => row.layer!));
  const heads = 1 + Math.max(-1, ...inside.map((row) => row.head ?? -1));
  const mlps = inside.some((row) => row.kind === "mlp");
  const cells: (Valued | null)[][] = Array.from({ length: layers }, () =>
    new Array<Valued | null>(heads + Number(mlps)).fill(null),
  );
  for (const row of inside) cells[row.layer!]![row.head ?? heads] = row;
  const columns = Array.from({ length: heads }, (_, h) => `H${h}`);
  return { cells, columns: mlps ? [...columns, "MLP"] : columns };
}
