// Faithfulness by size and self-repair, each as a page of its own.
import { fieldsOf } from "../data/decode";
import type { Document } from "../data/decode";
import type { AnalysisDerived } from "../data/results";
import { NOTHING_TO_DIVIDE_BY, share } from "../format";
import { Card } from "../parts/Card";
import { Curve } from "../parts/Curve";
import { RepairTable } from "../parts/Repair";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Fields } from "./FieldsView";

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
