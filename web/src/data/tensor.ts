// Tensors as the page holds them.

export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Numbers in row-major order. */
export interface Tensor {
  values: Numbers;
  shape: number[];
}

/** The numbers of one row along the first axis. */
export function row(from: Tensor, index: number): Tensor {
  const shape = from.shape.slice(1);
  const size = shape.reduce((a, b) => a * b, 1);
  return { values: from.values.subarray(index * size, (index + 1) * size), shape };
}

/** The number at an index of a tensor, one index an axis. */
export function at(tensor: Tensor, ...index: number[]): number {
  let place = 0;
  index.forEach((i, axis) => (place = place * tensor.shape[axis]! + i));
  return tensor.values[place] ?? NaN;
}

/** The last axis is the columns, the first the examples; what lies between is added up. */
export function meanOverExamples({ values, shape }: Tensor, columns: number): number[] {
  const sums = new Array<number>(columns).fill(0);
  values.forEach((value, i) => (sums[i % columns]! += value / shape[0]!));
  return sums;
}
