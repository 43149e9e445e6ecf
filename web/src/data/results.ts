// The fields of results that views read; schema.json has them all.
import type { Document, Tensor } from "./decode";

export interface Node {
  kind: "embed" | "head" | "mlp";
  layer: number | null;
  head: number | null;
}

export interface Faithfulness {
  over: string;
  size: number;
  out_of: number;
  sufficiency: number;
  comprehensiveness: number;
  f1: number;
  curve_sizes: number[];
  curve: number[];
  random_same_size: number[];
  random_same_layers: number[];
}

/** What a node costs when it is replaced: with the circuit whole, and with the circuit replaced too. */
export interface Growth {
  node: Node;
  ablation: string;
  others: string[];
  effect_before: number;
  effect_after: number;
  found: boolean;
}

export interface Backups {
  looked_at: Growth[];
  repairs: { ablation: string; note: string }[];
  share: number;
}

export interface Analysis {
  question: {
    clean: string[];
    corrupted: string[];
    answer: string[];
    foil: string[];
    clean_tokens: string[][];
    corrupted_tokens: string[][];
    how_corrupted: string;
    metric: string;
  };
  metric_clean: number;
  metric_corrupted: number;
  top: { token: string; id: number; probability: number }[];
  attribution: { nodes: Node[]; method: string; by_position: Tensor };
  circuit: { nodes: Node[]; over: string; target: number; method: string; ablation: string };
  over_heads: Faithfulness | null;
  over_heads_and_mlps: Faithfulness | null;
  patches: { places: { name: string }[] };
  backups: Backups | null;
  agreement: { spearman: number };
  passes: { forwards: number };
  provenance: { model: string; weight_hash: string; created: string; dtype: string; seed: number; pellucid: string };
}

export interface AnalysisDerived {
  estimate: Tensor;
  effect: Tensor;
  order: string[];
  /** One for each growth that was looked at. */
  backups: { node: string; effect: number; role: string }[];
}

export function nodeName(node: Node): string {
  if (node.kind === "embed") return "embed";
  return node.kind === "head" ? `L${node.layer}H${node.head}` : `M${node.layer}`;
}

/** What a name says: L9H6 is a head, M3 an MLP. */
export function nodeOf(name: string): Node {
  const head = /^L(\d+)H(\d+)$/.exec(name);
  if (head) return { kind: "head", layer: Number(head[1]), head: Number(head[2]) };
  const mlp = /^M(\d+)$/.exec(name);
  return { kind: mlp ? "mlp" : "embed", layer: mlp ? Number(mlp[1]) : null, head: null };
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
  return [document.fields as unknown as Analysis, document.derived as unknown as AnalysisDerived];
}

/** Names of the nodes that are backups under any ablation. */
export function backupNames(analysis: Analysis): Set<string> {
  return new Set((analysis.backups?.looked_at ?? []).filter((one) => one.found).map((one) => nodeName(one.node)));
}

/** What nodes are sorted by: layer, heads before the MLP, number of the head. */
export function orderOf(node: Node): string {
  const padded = (value: number | null, absent: number) => String(value ?? absent).padStart(4, "0");
  return `${padded(node.layer, -1)}${node.kind}${padded(node.head, 99)}`;
}
