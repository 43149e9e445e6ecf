// Numbers for nodes, and faithfulness by size, each as a page of its own.
import { fieldsOf } from "../data/decode";
import type { Document } from "../data/decode";
import { nodeName, nodeOf } from "../data/names";
import type { AnalysisDerived } from "../data/results";
import { meanOverExamples } from "../data/tensor";
import { NOTHING_TO_DIVIDE_BY, share, signed } from "../format";
import { Card } from "../parts/Card";
import { Curve } from "../parts/Curve";
import { LayerMap } from "../parts/LayerMap";
import type { Valued } from "../parts/LayerMap";
import { RepairTable } from "../parts/Repair";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Fields, FieldsView } from "./FieldsView";

interface ViewProps {
  document: Document;
  theme: Theme;
}

export function FaithfulnessView({ document }: ViewProps) {
  const found = fieldsOf(document, "Faithfulness");
  const [chosen, choose] = useParam("size");
  const size = chosen === null ? null : Number(chosen);
  return (
    <>
      <Card title="Faithfulness">
        <dl class="facts">
          <dt>sufficiency</dt><dd class="number">{share(found.sufficiency)}</dd>
          <dt>comprehensiveness</dt><dd class="number">{share(found.comprehensiveness)}</dd>
          <dt>nodes kept</dt><dd class="number">{found.size} of {found.out_of}</dd>
        </dl>
        <p class="note">Sufficiency: the share of the metric's difference that is left with everything else replaced. Comprehensiveness: the share that is lost when these nodes are replaced. Neither is clipped.</p>
        {Number.isNaN(found.sufficiency) && <p class="note">{NOTHING_TO_DIVIDE_BY}</p>}
      </Card>
      {found.curve.length > 0 && (
        <Card title="Faithfulness by size" note="Measured sufficiency of the highest ranked nodes: 1 is the whole model, 0 is nothing kept.">
          <Curve found={found} size={size} onSize={(next) => choose(String(next))} />
        </Card>
      )}
      <Card title="Fields" wide><Fields fields={document.fields} without={["curve", "curve_sizes"]} /></Card>
    </>
  );
}

export function BackupsView({ document }: ViewProps) {
  const [selected, select] = useParam("node");
  const derived = document.derived as unknown as Pick<AnalysisDerived, "backups">;
  return (
    <>
      <Card title="Self-repair" note="Effects were measured: what replacing a node costs with the circuit whole, and with the circuit replaced too." wide>
        <RepairTable
          backups={fieldsOf(document, "Backups")} derived={derived.backups}
          selected={selected} onSelect={(name) => select(name === selected ? null : name)}
        />
      </Card>
      <Card title="Fields" wide><Fields fields={document.fields} without={["looked_at"]} /></Card>
    </>
  );
}

export function AttributionView(props: ViewProps) {
  const { nodes, method, by_position } = fieldsOf(props.document, "Attribution");
  const values = meanOverExamples(by_position, nodes.length);
  const rows = nodes.map((node, i) => ({ ...node, name: nodeName(node), value: values[i]! }));
  return (
    <NodeCards
      {...props} rows={rows} word="estimate" label={`estimate (${method}), in the metric's units`}
      note="From gradients: they rank, and are not measurements." without={["by_position", "nodes"]}
    />
  );
}

export function PatchEffectsView(props: ViewProps) {
  const { places, positions, per_example, direction } = fieldsOf(props.document, "PatchEffects");
  const areNodes = places.every((place) => nodeOf(place.name).kind !== "embed");
  if (positions !== null || !areNodes) return <FieldsView document={props.document} />;
  const values = meanOverExamples(per_example, places.length);
  const rows = places.map((place, i) => ({ ...nodeOf(place.name), name: place.name, value: values[i]! }));
  return (
    <NodeCards
      {...props} rows={rows} word="effect" label={`measured effect (${direction}), in the metric's units`}
      note="Measured: each node patched alone, at all positions." without={["per_example", "places"]}
    />
  );
}

function NodeCards(props: ViewProps & { rows: Valued[]; word: string; label: string; note: string; without: string[] }) {
  const [selected, select] = useParam("node");
  const { document, theme, rows, word, label } = props;
  return (
    <>
      {rows.some((row) => !isInside(row)) && <Card title="Nodes" note={props.note} wide>
        <LayerMap
          label={label} word={word} absent="not measured" rows={rows} theme={theme}
          selected={selected} onSelect={(name) => select(name === selected ? null : name)}
        />
      </Card>}
      <StrongestInside rows={rows} word={word} />
      <Card title="Fields" wide><Fields fields={document.fields} without={props.without} /></Card>
    </>
  );
}

const SHOWN = 24;

/** Neurons, and parts of kinds that a user added: those inside a head or an MLP. */
function isInside(row: Valued): boolean {
  return !["embed", "head", "mlp"].includes(row.kind);
}

/** Parts inside nodes are too many for a map: the strongest by name. */
function StrongestInside({ rows, word }: { rows: Valued[]; word: string }) {
  const inside = rows.filter(isInside);
  if (!inside.length) return null;
  const size = (row: Valued) => Math.abs(row.value ?? 0);
  const strongest = [...inside].sort((one, other) => size(other) - size(one)).slice(0, SHOWN);
  return (
    <Card title="Parts inside nodes" note={`The ${strongest.length} of ${inside.length} with the largest ${word}.`}>
      <dl class="facts">
        {strongest.map((row) => (
          <>
            <dt>{row.name}</dt>
            <dd class="number">{signed(row.value ?? NaN)}</dd>
          </>
        ))}
      </dl>
    </Card>
  );
}
