// What the model may say next, and which of it is the answer and the foil.

export interface Candidate {
  id: number;
  token: string;
  probability: number;
}

export interface Rival extends Candidate {
  /** Why it is offered as the foil. */
  why: string;
}

export interface Next {
  tokens: string[];
  candidates: Candidate[];
  rival: Rival;
}

export type Token = string | number | undefined;
/** Candidates that are listed before all are asked for. */
export const FIRST = 4;

/** Answer and foil: as chosen, else the likeliest token and its strongest rival. */
export function pairOf(next: Next | null, answer: string | number | undefined, foil: string | number | undefined) {
  const [first, second] = next?.candidates ?? [];
  if (!next || !first) return null;
  const chosen = answer ?? first.id;
  const offered = [next.rival.id, first.id, second?.id].find((id) => id !== undefined && id !== chosen);
  const other = foil ?? offered;
  return other === undefined ? null : { answer: chosen, foil: other };
}

/** The likeliest first, and answer and foil wherever they stand. */
export function listed(next: Next, all: boolean, answer: Token, foil: Token): Candidate[] {
  const known = next.candidates.some((one) => one.id === next.rival.id) ? next.candidates : [...next.candidates, next.rival];
  const shown = new Set<Token>([answer, foil]);
  return known.filter((one, i) => i < FIRST || all || shown.has(one.id));
}
