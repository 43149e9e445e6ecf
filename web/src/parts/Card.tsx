import type { ComponentChildren } from "preact";

/** A part of the page under a heading that a link can name. */
export function Card(props: { title: string; note?: string; wide?: boolean; children: ComponentChildren }) {
  const id = props.title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return (
    <section class={props.wide ? "card wide" : "card"} aria-labelledby={`h-${id}`}>
      <h2 id={`h-${id}`}>{props.title}</h2>
      {props.note && <p class="note">{props.note}</p>}
      {props.children}
    </section>
  );
}
