// Any result that has no view of its own: its sentences and its fields, plainly.
import type { Document } from "../data/decode";
import { nodeName, slotName } from "../data/names";
import type { Node, Slot } from "../data/names";
import type { Tensor } from "../data/tensor";
import { Card } from "../parts/Card";
import { Story } from "../parts/Story";

const SHOWN = 12;
const IN_A_LINE = 40;

export function FieldsView({ document }: { document: Document }) {
  return (
    <>
      {document.story.map((section) => <Card title={section.title}><Story section={section} /></Card>)}
      <Card title="Fields" wide><Fields fields={document.fields} /></Card>
    </>
  );
}

export function Fields({ fields, without = [] }: { fields: Record<string, unknown>; without?: string[] }) {
  const shown = Object.entries(fields).filter(([name]) => name !== "type" && !without.includes(name));
  return (
    <dl class="facts">
      {shown.map(([name, value]) => (
        <><dt>{name.replaceAll("_", " ")}</dt><dd><Value value={value} /></dd></>
      ))}
    </dl>
  );
}

function Value({ value }: { value: unknown }) {
  const short = inWords(value);
  if (short !== null) return <bdi>{short}</bdi>;
  if (isTensor(value)) {
    const first = Array.from(value.values.slice(0, SHOWN), rounded).join(", ");
    return <code>[{value.shape.join(" × ")}] {first}{value.values.length > SHOWN && ", …"}</code>;
  }
  if (!Array.isArray(value)) return <Fields fields={value as Record<string, unknown>} />;
  const words = value.map(inWords);
  if (words.every((word) => word !== null)) {
    return <bdi>{words.slice(0, IN_A_LINE).join(", ")}{value.length > IN_A_LINE && `, … (${value.length} in all)`}</bdi>;
  }
  return (
    <ul>
      {value.slice(0, SHOWN).map((one) => <li><Value value={one} /></li>)}
      {value.length > SHOWN && <li>… {value.length} in all</li>}
    </ul>
  );
}

function isTensor(value: unknown): value is Tensor {
  return value !== null && typeof value === "object" && "values" in value && "shape" in value;
}

/** What fits into a line: numbers, text, nothing, and parts of the model by their name. */
function inWords(value: unknown): string | null {
  if (value === null || value === "") return "none";
  if (typeof value === "number") return rounded(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.length ? null : "none";
  return partName(value as Record<string, unknown>);
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

/** A node, a slot or a place; null for anything else. */
function partName(part: Record<string, unknown>): string | null {
  if (part.type === "Place") return String(part.name);
  if (part.type === "Node") return nodeName(part as unknown as Node);
  return part.type === "Slot" ? slotName(part as unknown as Slot) : null;
}
