import type { Quantity, Section } from "../data/decode";

/** Sentences; each number names the place in the data that it came from. */
export function Story(props: { section: Section; list?: boolean }) {
  return (
    <ul class="story">
      {props.section.sentences.map((pieces) => (
        <li>
          {pieces.map((piece) => (typeof piece === "string" ? piece : <Number quantity={piece} />))}
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
