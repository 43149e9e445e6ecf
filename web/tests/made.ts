// Results made by hand, of a model with two layers of two heads.
import type { Document } from "../src/data/decode";
import { nodeOf } from "../src/data/names";
import type { Analysis, AnalysisDerived, NodeRow } from "../src/data/results";
import type { Tensor } from "../src/data/tensor";

/** Some of the fields, at any depth; a field that there is not is an error. */
type Some<T> = T extends Tensor | readonly (string | number)[] ? T : T extends readonly (infer E)[] ? Some<E>[] : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;

export function tensor(values: number[], ...shape: number[]): Tensor {
  return { values: Float64Array.from(values), shape };
}

export const NAMES = ["embed", "L0H0", "L0H1", "M0", "L1H0", "L1H1", "M1"];

/** The circuit is L0H1 and M1; patched alone were they and L1H0; L1H0 is a backup, L1H1 was looked at. */
export function analysis(change: Some<Analysis> = {}): Analysis {
  const made: Some<Analysis> = {
    question: { clean: ["a b c"], corrupted: ["a d c"], answer: [" x"], foil: [" y"], clean_tokens: [["a", " b", " c"]], corrupted_tokens: [["a", " d", " c"]], metric: "logit_diff" },
    metric_clean: 2,
    metric_corrupted: -1,
    attribution: { nodes: NAMES.map(nodeOf), method: "atp", by_position: tensor(BY_POSITION, 1, 3, 7) },
    circuit: { nodes: ["L0H1", "M1"].map(nodeOf), over: "heads", target: 0.8, method: "greedy", ablation: "corrupted" },
    over_heads: { sufficiency: 0.9, comprehensiveness: 0.7, f1: 0.7875 },
    over_heads_and_mlps: null,
    patches: { places: [{ name: "M1" }, { name: "L1H0" }, { name: "L0H1" }] },
    backups: { looked_at: [{ node: nodeOf("L1H0"), found: true }, { node: nodeOf("L1H1"), found: false }] },
    agreement: { spearman: 0.5 },
    passes: { forwards: 12 },
    provenance: { model: "tiny", weight_hash: "ab", dtype: "float32", seed: 0, pellucid: "1" },
    ...change,
  };
  return made as Analysis;
}

/** Of a node at a position: a row for each of the three positions, a column for each node. */
const BY_POSITION = [
  0, 0, 1, 0, 0, 0, 0,
  0, 0, -3, 0, 0, 0, 0,
  5, 0, 2, 0, 0, 0, 4,
];

export const DERIVED: AnalysisDerived = {
  estimate: tensor([5, 0, 0, 0, 0.5, 0, 4], 7),
  effect: tensor([3, -0.25, 1], 3),
  order: ["M1", "L0H1", "L1H0"],
  backups: [],
};

export function documentOf(fields: Analysis, derived: object = DERIVED): Document {
  return { type: "Analysis", fields: { ...fields }, derived: { ...derived }, story: [], parts: [] };
}

export function nodeRow(name: string, change: Partial<NodeRow> = {}): NodeRow {
  return { name, ...nodeOf(name), estimate: 0, effect: null, inCircuit: true, ...change };
}
