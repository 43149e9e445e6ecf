// The glossary: terms in sentences open it, at their place.
import { useEffect, useRef } from "preact/hooks";
import { pieces, TERMS, termOf } from "../data/glossary";
import type { Term } from "../data/glossary";
import { setParam, useParam } from "../state";

const PLACE = "word";
/** What the address says for the list from its beginning. */
const ALL = "all";

/** A text in which each term, where it stands first, opens the glossary. */
export function WithTerms({ text, seen }: { text: string; seen?: Set<Term> }) {
  return (
    <>
      {pieces(text, seen).map((piece) => (typeof piece === "string" ? piece : (
        <button type="button" class="term" title={piece.term.says} aria-haspopup="dialog" onClick={() => setParam(PLACE, piece.term.term)}>{piece.text}</button>
      )))}
    </>
  );
}

/** The button in the heading of a page. */
export function GlossaryButton() {
  const [word, open] = useParam(PLACE);
  return <button type="button" aria-expanded={word !== null} onClick={() => open(word === null ? ALL : null)}>Glossary</button>;
}

/** The list at the side of the page, while a word is looked up. */
export function Glossary() {
  const [word, open] = useParam(PLACE);
  const box = useRef<HTMLElement>(null);
  const chosen = termOf(word);
  useEffect(() => {
    if (word === null) return;
    box.current?.focus();
    box.current?.querySelector(".looked-up")?.scrollIntoView({ block: "center" });
  }, [word]);
  if (word === null) return null;
  return (
    <section ref={box} class="glossary" role="dialog" aria-label="Glossary" tabIndex={-1} onKeyDown={(event) => event.key === "Escape" && open(null)}>
      <header><h2>Glossary</h2><button type="button" aria-label="Close the glossary" onClick={() => open(null)}>✕</button></header>
      <Terms terms={TERMS} chosen={chosen} />
    </section>
  );
}

export function Terms({ terms, chosen = null }: { terms: Term[]; chosen?: Term | null }) {
  return (
    <dl class="terms">
      {terms.map((one) => <div class={one === chosen ? "looked-up" : undefined}><dt>{one.term}</dt><dd>{one.says}</dd></div>)}
    </dl>
  );
}
