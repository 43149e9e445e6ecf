// Two analyses beside each other: what they say, where they differ, what their circuits share.
import type { Document } from "./decode";
import { nodeName } from "./names";
import type { Node } from "./names";
import { asAnalysis, nodeRows } from "./results";
import type { Analysis, NodeRow } from "./results";

/** A saved result under the name that it has on the page. */
export interface Saved {
  name: string;
  document: Document;
}

export type Fact = string | number | null;

export interface FactRow {
  fact: string;
  values: Fact[];
  /** How it was made, which should be the same where numbers are compared. */
  made: boolean;
}

type Reader = [fact: string, read: (analysis: Analysis, derived: Record<string, Fact>) => Fact];

const MADE: Reader[] = [
  ["model", (a) => a.provenance.model],
  ["weights", (a) => a.provenance.weight_hash],
  ["prompts", (a) => a.question.clean.length],
  ["prompt", (a) => a.question.clean[0] ?? null],
  ["corrupted prompt", (a) => a.question.corrupted[0] ?? null],
  ["answer", (a) => a.question.answer[0] ?? null],
  ["foil", (a) => a.question.foil[0] ?? null],
  ["metric", (a) => a.question.metric],
  ["estimates by", (a) => a.attribution.method],
  ["circuit found by", (a) => a.circuit.method],
  ["searched over", (a) => a.circuit.over],
  ["replaced by (ablation)", (a) => a.circuit.ablation],
  ["target of sufficiency", (a) => a.circuit.target],
  ["dtype", (a) => a.provenance.dtype],
  ["seed", (a) => a.provenance.seed],
  ["pellucid", (a) => a.provenance.pellucid],
];
const FOUND: Reader[] = [
  ["metric on clean", (a) => a.metric_clean],
  ["metric on corrupted", (a) => a.metric_corrupted],
  ["nodes in the circuit", (a) => a.circuit.nodes.length],
  ...over("heads", "over_heads"),
  ...over("heads and MLPs", "over_heads_and_mlps"),
  ["rank correlation of estimates and effects", (a) => finite(a.agreement.spearman)],
  ["forwards spent", (a) => a.passes.forwards],
];

function over(name: string, key: "over_heads" | "over_heads_and_mlps"): Reader[] {
  return [
    [`sufficiency, over ${name}`, (a) => defined(a[key]?.sufficiency)],
    [`comprehensiveness, over ${name}`, (a) => defined(a[key]?.comprehensiveness)],
    [`F1, over ${name}`, (a) => defined(a[key]?.f1)],
    [`percentile among random sets of its size, over ${name}`, (_, derived) => derived[`${key}.percentile_same_size`] ?? null],
  ];
}

/** A share, and in words where there was nothing to divide by. */
function defined(value: number | undefined): Fact {
  return value === undefined ? null : Number.isNaN(value) ? "undefined" : value;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

export function factsOf(saved: Saved[]): FactRow[] {
  const rows = (readers: Reader[], made: boolean) =>
    readers.map(([fact, read]) => ({
      fact,
      made,
      values: saved.map(({ document }) => read(asAnalysis(document)[0], document.derived as Record<string, Fact>)),
    }));
  return [...rows(MADE, true), ...rows(FOUND, false)];
}

export function differs(row: FactRow): boolean {
  return row.values.some((value) => value !== row.values[0]);
}

/** A node in two analyses; a side is null where that one does not know the node. */
export interface PairRow extends Node {
  name: string;
  left: NodeRow | null;
  right: NodeRow | null;
}

export function pairRows(left: Document, right: Document): PairRow[] {
  const [a, b] = [left, right].map((one) => new Map(nodeRows(...asAnalysis(one)).map((row) => [row.name, row])));
  return [...new Set([...a!.keys(), ...b!.keys()])].map((name) => {
    const sides = { left: a!.get(name) ?? null, right: b!.get(name) ?? null };
    const { kind, layer, head } = (sides.left ?? sides.right)!;
    return { name, kind, layer, head, ...sides };
  });
}

/** Right minus left, where both are known. */
export function difference(row: PairRow, of: "estimate" | "effect"): number | null {
  const [x, y] = [row.left?.[of] ?? null, row.right?.[of] ?? null];
  return x === null || y === null ? null : y - x;
}

export interface Overlap {
  both: string[];
  left: string[];
  right: string[];
  /** Shared over all, of nodes in either circuit; null where both are empty. */
  jaccard: number | null;
}

export function overlapOf(left: Document, right: Document): Overlap {
  const [a, b] = [left, right].map((one) => asAnalysis(one)[0].circuit.nodes.map(nodeName));
  const both = a!.filter((name) => b!.includes(name));
  const either = new Set([...a!, ...b!]).size;
  return {
    both,
    left: a!.filter((name) => !b!.includes(name)),
    right: b!.filter((name) => !a!.includes(name)),
    jaccard: either ? both.length / either : null,
  };
}
