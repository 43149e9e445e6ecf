import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { WithTerms } from "./Glossary";

/** What sets the names of headings apart where results stand side by side. */
export const Side = createContext("");

/** The name of a heading, for links and for scrolling to it. */
export function idOf(title: string, side = ""): string {
  return `h-${side}${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
}

/** A part of the page under a heading that a link can name. */
export function Card(props: { title: string; note?: string; wide?: boolean; tour?: string; children: ComponentChildren }) {
  const id = idOf(props.title, useContext(Side));
  return (
    <section class={props.wide ? "card wide" : "card"} aria-labelledby={id} data-tour={props.tour}>
      <h2 id={id}>{props.title}</h2>
      {props.note && <p class="note"><WithTerms text={props.note} /></p>}
      {props.children}
    </section>
  );
}
