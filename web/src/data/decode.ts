// Reads the document that report/document.py writes.
import type * as written from "../../types/results";
import type { Numbers, Tensor } from "./tensor";

/** What `decode` makes of what was written; the type of an object is left out, for its reader knows it. */
export type Decoded<T> =
  T extends { base64: string } ? Tensor
  : T extends { tensor: unknown } | { stored: string } ? never // files have these, a page has none
  : T extends { number: string } ? number
  : T extends { mapping: infer Values } ? DecodedAll<Values>
  : T extends { type: string; fields: infer Fields } ? DecodedAll<Fields>
  : T extends object ? DecodedAll<T>
  : T;
type DecodedAll<T> = { [Name in keyof T]: Decoded<T[Name]> };

export type Quantity = Decoded<written.Quantity>;
export type Section = Decoded<written.Section>;

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

export type Kind = written.Result["type"];
export type Fields<K extends Kind> = Decoded<Extract<written.Result, { type: K }>>;

/** The fields of a result of a kind that is known; throws where it is another. */
export function fieldsOf<K extends Kind>(document: Document, kind: K): Fields<K> {
  if (document.type !== kind) throw new Error(`The document holds the kind ${document.type}, not ${kind}.`);
  return document.fields as Fields<K>;
}

type Encoded = Record<string, unknown>;

const ARRAYS: Record<string, (bytes: ArrayBuffer) => Numbers> = {
  float32: (bytes) => new Float32Array(bytes),
  float64: (bytes) => new Float64Array(bytes),
  int32: (bytes) => new Int32Array(bytes),
  uint8: (bytes) => new Uint8Array(bytes),
};

export function decodeDocument(raw: unknown): Document {
  const { type, fields, parts = [], ...beside } = raw as written.Document;
  return { type, fields: decodeAll(fields), ...besideFields(beside), parts: parts.map(besideFields) };
}

function besideFields({ derived = {}, story = [] }: Pick<written.Document, "derived" | "story">): BesideFields {
  return { derived: decodeAll(derived), story: story.map(section) };
}

function section({ title, sentences }: written.Section): Section {
  const pieceOf = (piece: string | written.Quantity) => (typeof piece === "string" ? piece : (decodeAll(piece) as unknown as Quantity));
  return { title, sentences: sentences.map((pieces) => pieces.map(pieceOf)) };
}

function decodeAll(fields: object): Record<string, unknown> {
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
