// The fields of lens results that views read.
import type { Tensor } from "./decode";
import type { Node } from "./results";

export interface LensReading {
  tokens: string[];
  top_tokens: string[][][];
  top_probability: Tensor;
  target_logit: Tensor;
  target_probability: Tensor;
  target_rank: Tensor;
}

export interface LogitLens {
  points: { name: string }[];
  positions: number[];
  targets: string[];
  prompt: LensReading;
  against: LensReading | null;
  error: number;
}

export interface Term {
  name: string;
  kind: "embed" | "head" | "mlp" | "bias";
}

export interface DirectEffects {
  terms: Term[];
  per_example: Tensor;
  metric: Tensor;
}

export interface AttentionPatterns {
  labels: string[];
  heads: Node[];
  pattern: Tensor;
}

/** The number at an index of a tensor, one index an axis. */
export function at(tensor: Tensor, ...index: number[]): number {
  let place = 0;
  index.forEach((i, axis) => (place = place * tensor.shape[axis]! + i));
  return tensor.values[place] ?? NaN;
}
