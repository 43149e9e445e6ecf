// Any result that has no view of its own: its sentences and its fields, plainly.
import type { Document, Tensor } from "../data/decode";
import { Card } from "../parts/Card";
import { Story } from "../parts/Story";

const SHOWN = 12;

export function FieldsView({ document }: { document: Document }) {
  return (
    <>
      {document.story.map((section) => <Card title={section.title}><Story section={section} /></Card>)}
      <Card title="Fields" wide><Fields fields={document.fields} /></Card>
    </>
  );
}

function Fields({ fields }: { fields: Record<string, unknown> }) {
  return (
    <dl class="facts">
      {Object.entries(fields).filter(([name]) => name !== "type").map(([name, value]) => (
        <><dt>{name}</dt><dd><Value value={value} /></dd></>
      ))}
    </dl>
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null || typeof value !== "object") return <bdi>{String(value)}</bdi>;
  if ("values" in value && "shape" in value) {
    const { values, shape } = value as Tensor;
    const first = Array.from(values.slice(0, SHOWN), (v) => v.toPrecision(4)).join(", ");
    return <code>[{shape.join(" × ")}] {first}{values.length > SHOWN && ", …"}</code>;
  }
  if (!Array.isArray(value)) return <Fields fields={value as Record<string, unknown>} />;
  return (
    <ul>
      {value.slice(0, SHOWN).map((one) => <li><Value value={one} /></li>)}
      {value.length > SHOWN && <li>… {value.length} in all</li>}
    </ul>
  );
}
