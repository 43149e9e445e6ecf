// Results as views read them, and the rows of nodes that are made of an analysis.
import { fieldsOf } from "./decode";
import type { Document, Fields } from "./decode";
import { nodeName } from "./names";
import type { Node } from "./names";
import type { Tensor } from "./tensor";

export type Analysis = Fields<"Analysis">;
export type Backups = Fields<"Backups">;
export type Faithfulness = Fields<"Faithfulness">;

export interface AnalysisDerived {
  estimate: Tensor;
  effect: Tensor;
  order: string[];
  /** One for each growth that was looked at. */
  backups: { node: string; effect: number; role: string }[];
}

/** One row of the table of nodes. */
export interface NodeRow extends Node {
  name: string;
  estimate: number;
  effect: number | null;
  inCircuit: boolean;
}

export function nodeRows(analysis: Analysis, derived: AnalysisDerived): NodeRow[] {
  const measured = new Map(
    analysis.patches.places.map((place, i) => [place.name, derived.effect.values[i] ?? NaN]),
  );
  const inside = new Set(analysis.circuit.nodes.map(nodeName));
  return analysis.attribution.nodes.map((node, i) => {
    const name = nodeName(node);
    return {
      ...node,
      name,
      estimate: derived.estimate.values[i] ?? NaN,
      effect: measured.get(name) ?? null,
      inCircuit: inside.has(name),
    };
  });
}

export function searched(analysis: Analysis): Faithfulness | null {
  return analysis.circuit.over === "heads" ? analysis.over_heads : analysis.over_heads_and_mlps;
}

export function asAnalysis(document: Document): [Analysis, AnalysisDerived] {
  return [fieldsOf(document, "Analysis"), document.derived as unknown as AnalysisDerived];
}

/** Names of the nodes that are backups under any ablation. */
export function backupNames(analysis: Analysis): Set<string> {
  return new Set((analysis.backups?.looked_at ?? []).filter((one) => one.found).map((one) => nodeName(one.node)));
}
