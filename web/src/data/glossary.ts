// Terms of art: the list that report/glossary.json holds, and where they stand in a text.
import terms from "./glossary.json";

export interface Term {
  term: string;
  says: string;
  /** Other forms in which it is written. */
  also: string[];
}

/** A term as it is written in a text. */
export interface Shown {
  term: Term;
  text: string;
}

export const TERMS: Term[] = terms;

/** Words of everyday use that the list explains too: looked up there, not marked in sentences. */
const PLAIN = new Set(["token", "prompt", "answer", "layer", "position", "share", "seed", "forward", "backward", "clean prompt"]);
const BY_FORM = new Map(TERMS.flatMap((one) => [one.term, ...one.also].map((form) => [form.toLowerCase(), one] as const)));
const MARKED = TERMS.filter((one) => !PLAIN.has(one.term)).flatMap((one) => [one.term, ...one.also]);
const ANY = new RegExp(`\\b(?:${[...MARKED].sort((a, b) => b.length - a.length).join("|")})\\b`, "gi");

/** A text in pieces: words as they are, and each term where it stands first. */
export function pieces(text: string, seen: Set<Term> = new Set()): (string | Shown)[] {
  const found: (string | Shown)[] = [];
  let end = 0;
  for (const { 0: written, index } of text.matchAll(ANY)) {
    const term = BY_FORM.get(written.toLowerCase())!;
    if (seen.has(term)) continue;
    seen.add(term);
    if (index > end) found.push(text.slice(end, index));
    found.push({ term, text: written });
    end = index + written.length;
  }
  if (end < text.length) found.push(text.slice(end));
  return found;
}

/** The terms that stand in any of these texts, in the order of the list. */
export function termsIn(texts: string[]): Term[] {
  const seen = new Set<Term>();
  for (const text of texts) pieces(text, seen);
  return TERMS.filter((one) => seen.has(one));
}

export function termOf(name: string | null): Term | null {
  return BY_FORM.get((name ?? "").toLowerCase()) ?? null;
}
