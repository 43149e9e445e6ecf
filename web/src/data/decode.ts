// Reads the document that report/document.py writes.

export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Numbers in row-major order. */
export interface Tensor {
  values: Numbers;
  shape: number[];
}

export interface Quantity {
  ref: string;
  value: number | string | boolean | null;
  text: string;
}

export interface Section {
  title: string;
  sentences: (string | Quantity)[][];
}

/** What is computed from a result's fields, and what is said about them. */
export interface BesideFields {
  derived: Record<string, unknown>;
  story: Section[];
}

/** A result: its fields by name, and what goes with them; the same of results inside it. */
export interface Document extends BesideFields {
  type: string;
  fields: Record<string, unknown>;
  parts: BesideFields[];
}

type Encoded = Record<string, unknown>;

const ARRAYS: Record<string, (bytes: ArrayBuffer) => Numbers> = {
  float32: (bytes) => new Float32Array(bytes),
  float64: (bytes) => new Float64Array(bytes),
  int32: (bytes) => new Int32Array(bytes),
  uint8: (bytes) => new Uint8Array(bytes),
};

export function decodeDocument(raw: Encoded): Document {
  return {
    type: raw.type as string,
    fields: decodeAll(raw.fields as Encoded),
    ...besideFields(raw),
    parts: ((raw.parts ?? []) as Encoded[]).map(besideFields),
  };
}

function besideFields(raw: Encoded): BesideFields {
  return {
    derived: decodeAll((raw.derived ?? {}) as Encoded),
    story: ((raw.story ?? []) as Section[]).map((section) => ({
      title: section.title,
      sentences: section.sentences.map((pieces) =>
        pieces.map((piece) => (typeof piece === "string" ? piece : (decodeAll(piece as never) as never))),
      ),
    })),
  };
}

function decodeAll(fields: Encoded): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, decode(value)]));
}

/** Objects lose their wrapping; what is not finite becomes the number it stands for. */
export function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  const found = value as Encoded;
  if ("base64" in found) return tensor(found);
  if ("mapping" in found) return decodeAll(found.mapping as Encoded);
  if ("number" in found) return { nan: NaN, inf: Infinity, "-inf": -Infinity }[found.number as string];
  return { type: found.type, ...decodeAll(found.fields as Encoded) };
}

function tensor(found: Encoded): Tensor {
  const text = atob(found.base64 as string);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const read = ARRAYS[found.dtype as string];
  if (!read) throw new Error(`tensor of an unknown kind: ${String(found.dtype)}`);
  return { values: read(bytes.buffer), shape: found.shape as number[] };
}

/** The numbers of one row along the first axis. */
export function row(from: Tensor, index: number): Tensor {
  const shape = from.shape.slice(1);
  const size = shape.reduce((a, b) => a * b, 1);
  return { values: from.values.subarray(index * size, (index + 1) * size), shape };
}
