// A study: analyses under names, how far each two of them agree, and how many circuits hold a node.
import type { Saved } from "./compare";
import { fieldsOf } from "./decode";
import type { Document } from "./decode";
import { nodeName } from "./names";
import { asAnalysis } from "./results";

export interface StudyPair {
  first: string;
  second: string;
  /** Shared over all, of nodes in either circuit; NaN where one of them is empty. */
  jaccard: number;
  by_chance: number;
  /** Kendall's tau-b of the estimates; NaN for models of different shape. */
  tau: number;
}

export interface Occurrence {
  node: string;
  circuits: number;
  estimate: number;
  low: number;
  high: number;
}

export interface StudyDerived {
  pairs: StudyPair[];
  occurrences: Occurrence[];
}

/** Every analysis of a study, as a result of its own. */
export function analysesOf(study: Document): Saved[] {
  const { names, analyses } = fieldsOf(study, "Study");
  return names.map((name, i) => ({ name, document: { type: "Analysis", fields: analyses[i]!, ...study.parts[i]!, parts: [] } }));
}

/** The pair of two names, in whichever order it was made; null for one and the same. */
export function pairOf(pairs: StudyPair[], a: string, b: string): StudyPair | null {
  return pairs.find((one) => (one.first === a && one.second === b) || (one.first === b && one.second === a)) ?? null;
}

/** A node's name to the names of the analyses whose circuits hold it. */
export function holders(analyses: Saved[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { name, document } of analyses)
    for (const node of asAnalysis(document)[0].circuit.nodes) found.set(nodeName(node), [...(found.get(nodeName(node)) ?? []), name]);
  return found;
}
