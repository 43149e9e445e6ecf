import type { Quantity, Section } from "../data/decode";
import type { Term } from "../data/glossary";
import { WithTerms } from "./Glossary";

/** Sentences; each number names the place in the data that it came from. */
export function Story(props: { section: Section; list?: boolean }) {
  const seen = new Set<Term>();
  return (
    <ul class="story">
      {props.section.sentences.map((pieces) => (
        <li class={commandIn(pieces) ? "command" : undefined}>
          {pieces.map((piece) => (typeof piece === "string" ? <WithTerms text={piece} seen={seen} /> : <Number quantity={piece} />))}
        </li>
      ))}
    </ul>
  );
}

/** Whether a sentence is what is typed or called, and nothing else: its lines are kept. */
function commandIn(pieces: readonly (string | Quantity)[]): boolean {
  const [only, ...more] = pieces;
  return more.length === 0 && only !== undefined && typeof only !== "string" && only.ref.endsWith("provenance.command");
}

function Number({ quantity }: { quantity: Quantity }) {
  const raw = String(quantity.value);
  return (
    <data
      class={typeof quantity.value === "number" ? "number" : undefined}
      value={raw}
      data-ref={quantity.ref}
      title={typeof quantity.value === "number" ? `${quantity.ref} = ${raw}` : quantity.ref}
      dir="auto"
    >
      {quantity.text}
    </data>
  );
}
