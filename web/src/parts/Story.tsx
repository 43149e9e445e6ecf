import type { Quantity, Section } from "../data/decode";
import type { Term } from "../data/glossary";
import { WithTerms } from "./Glossary";

/** Sentences; each number names the place in the data that it came from. */
export function Story(props: { section: Section; list?: boolean }) {
  const seen = new Set<Term>();
  return (
    <ul class="story">
      {props.section.sentences.map((pieces) => (
        <li>
          {pieces.map((piece) => (typeof piece === "string" ? <WithTerms text={piece} seen={seen} /> : <Number quantity={piece} />))}
        </li>
      ))}
    </ul>
  );
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
