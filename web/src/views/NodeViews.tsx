// Numbers for nodes and other parts, each result as a page of its own: a map, and every number in a table.
import { diverging } from "../colour";
import { fieldsOf } from "../data/decode";
import type { Document } from "../data/decode";
import { nodeName, orderOf } from "../data/names";
import { at, meanOverExamples } from "../data/tensor";
import type { Tensor } from "../data/tensor";
import { signed } from "../format";
import { Card } from "../parts/Card";
import { DataTable } from "../parts/DataTable";
import type { Column } from "../parts/DataTable";
import { Heatmap } from "../parts/Heatmap";
import { LayerMap } from "../parts/LayerMap";
import type { Valued } from "../parts/LayerMap";
import { Legend } from "../parts/Legend";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Fields } from "./FieldsView";

interface ViewProps {
  document: Document;
  theme: Theme;
}

/** A part with its numbers: the first column is what the map shows where `value` is. */
interface Row extends Valued {
  numbers: Record<string, number | null>;
}

export function AttributionView(props: ViewProps) {
  const { nodes, method, by_position, measured } = fieldsOf(props.document, "Attribution");
  const estimates = meanOverExamples(by_position, nodes.length);
  const effects = measured && meanOverExamples(measured, nodes.length).map(orNull);
  const rows = nodes.map((node, i) => {
    const estimate = estimates[i]!;
    const effect = effects ? effects[i]! : null;
    return { ...node, name: nodeName(node), value: effect ?? estimate, numbers: { estimate, "effect (measured)": effect } };
  });
  const note = `From gradients: they rank, and are not measurements.${effects?.some((one) => one !== null) ? " Where an effect was measured on the way, it stands in the estimate's place." : ""}`;
  return (
    <NodeCards
      {...props} rows={rows} word="score" label={`estimate (${method}) or measured effect, in the metric's units`}
      note={note} by="estimate" without={["by_position", "measured", "nodes"]}
    />
  );
}

export function PatchEffectsView(props: ViewProps) {
  const found = fieldsOf(props.document, "PatchEffects");
  const { places, positions, per_example, direction, ablation, random_source } = found;
  const effects = byPosition(per_example, places.length);
  const random = random_source && byPosition(random_source, places.length);
  const columns = Array.from({ length: effects.shape[0]! }, (_, p) => p);
  const rows = places.map((place, i) => {
    const p = columns.reduce((most, one) => (Math.abs(at(effects, one, i)) > Math.abs(at(effects, most, i)) ? one : most), 0);
    const value = at(effects, p, i);
    const numbers: Row["numbers"] = {
      effect: value,
      ...(random ? { "random source": at(random, p, i) } : {}),
      ...(positions === null ? {} : { "at position": positions[p]! }),
    };
    return { kind: place.kind as Row["kind"], layer: place.layer, head: place.head, name: place.name, value, numbers };
  });
  const how = positions === null ? "at all positions" : "at each position; the strongest of these effects";
  return (
    <>
      {positions !== null && <PositionCard effects={effects} places={places} positions={positions} theme={props.theme} />}
      <NodeCards
        {...props} rows={rows} word="effect" by="effect" without={["per_example", "random_source", "places"]}
        label={`measured effect (${direction}, ${ablation}), in the metric's units`}
        note={`Measured: each part replaced alone, ${how}.`}
      />
    </>
  );
}

function NodeCards(props: ViewProps & { rows: Row[]; word: string; label: string; note: string; by: string; without: string[] }) {
  const [selected, setSelected] = useParam("node");
  const { document, theme, rows, word, label } = props;
  const select = (name: string) => setSelected(name === selected ? null : name);
  const inMap = rows.filter((row) => row.kind === "head" || row.kind === "mlp");
  const numbers = Object.keys(rows[0]?.numbers ?? {});
  const columns: Column<Row>[] = [
    { name: "node", title: "part", value: (row) => row.name, order: orderOf },
    { name: "kind", title: "kind", value: (row) => row.kind },
    ...numbers.map((name): Column<Row> => ({
      name, title: name, value: (row) => row.numbers[name] ?? null,
      text: (row) => shown(name, row.numbers[name] ?? null), bySize: true,
    })),
  ];
  return (
    <>
      {inMap.length > 0 && <Card title="Nodes" note={props.note} wide>
        <LayerMap label={label} word={word} absent="not measured" rows={inMap} theme={theme} selected={selected} onSelect={select} />
      </Card>}
      <Card title="Every number" note={inMap.length ? "The largest first; positive supports the answer." : props.note} wide>
        <DataTable
          folded label="Table of parts" file="parts" rows={rows} columns={columns} by={props.by}
          nameOf={(row) => row.name} words={(row) => `${row.name} ${row.kind}`} selected={selected} onSelect={select}
        />
      </Card>
      <Card title="Fields" wide><Fields fields={document.fields} without={props.without} /></Card>
    </>
  );
}

function shown(name: string, value: number | null): string {
  if (value === null) return "";
  return name === "at position" ? String(value) : signed(value);
}

/** Parts in the map of positions: those with the largest effect at any. */
const SHOWN = 32;

function PositionCard(props: { effects: Tensor; places: { name: string; layer: number }[]; positions: number[]; theme: Theme }) {
  const { effects, places, positions, theme } = props;
  const strength = (place: number) => Math.max(...positions.map((_, p) => Math.abs(at(effects, p, place))));
  const strongest = places.map((_, i) => i).sort((a, b) => strength(b) - strength(a)).slice(0, SHOWN).sort((a, b) => b - a);
  const limit = Math.max(1e-12, ...strongest.map(strength));
  const value = (r: number, c: number) => at(effects, c, strongest[r]!);
  const label = "measured effect at each position, in the metric's units";
  const note = strongest.length < places.length ? `The ${strongest.length} of ${places.length} parts with the largest effect at any position, deepest first.` : "Deepest first.";
  return (
    <Card title="Positions" note={note} wide>
      <Legend limit={limit} theme={theme} label={label} />
      <Heatmap
        label={label} rows={strongest.map((i) => places[i]!.name)} columns={positions.map(String)} value={value}
        colour={(v) => diverging(v / limit, theme)}
        describe={(r, c) => `${places[strongest[r]!]!.name} at position ${positions[c]}: effect ${signed(value(r, c))}`}
        selected={[]} theme={theme} leftWidth={56} minCellWidth={10} maxCellWidth={72}
      />
    </Card>
  );
}

/** Means over examples, position by part; one position where all were replaced together. */
function byPosition(values: Tensor, parts: number): Tensor {
  const positions = values.shape[1]!;
  return { values: Float64Array.from(meanOverExamples(values, positions * parts)), shape: [positions, parts] };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
