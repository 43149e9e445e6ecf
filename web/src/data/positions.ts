// Where along the prompt a node's estimate lies.
import { nodeName } from "./names";
import type { Analysis } from "./results";

export interface Positions {
  tokens: string[];
  /** The estimate of a node at a position; NaN for a node that is not known. */
  estimate: (name: string, position: number) => number;
  /** The position at which a node's estimate is largest, whatever its sign. */
  largest: (name: string) => number;
}

/** Null for several prompts, whose positions need not correspond. */
export function positionsOf(analysis: Analysis): Positions | null {
  const tokens = analysis.question.clean_tokens[0];
  if (!tokens || analysis.question.clean.length !== 1) return null;
  const { values } = analysis.attribution.by_position;
  const places = new Map(analysis.attribution.nodes.map((node, i) => [nodeName(node), i]));
  const estimate = (name: string, position: number) => values[position * places.size + (places.get(name) ?? NaN)] ?? NaN;
  const largest = (name: string) => {
    let best = 0;
    tokens.forEach((_, p) => {
      if (Math.abs(estimate(name, p)) > Math.abs(estimate(name, best))) best = p;
    });
    return best;
  };
  return { tokens, estimate, largest };
}
