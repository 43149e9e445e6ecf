import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, decodeDocument, fieldsOf } from "../src/data/decode";
import type { Tensor } from "../src/data/tensor";

const written = (base64: string, dtype: string, shape: number[]) => decode({ base64, dtype, shape }) as Tensor;

test("tensors are the little-endian numbers that Python packs", () => {
  // struct.pack("<4f", 1, -2.5, nan, inf) and so on
  const floats = written("AACAPwAAIMAAAMB/AACAfw==", "float32", [2, 2]);
  assert.deepEqual([...floats.values], [1, -2.5, NaN, Infinity]);
  assert.deepEqual(floats.shape, [2, 2]);
  assert.deepEqual([...written("mpmZmZmZuT+cdQCIPOQ3/g==", "float64", [2]).values], [0.1, -1e300]);
  assert.deepEqual([...written("/////////38AAAAA", "int32", [3]).values], [-1, 2147483647, 0]);
  assert.deepEqual([...written("AP8B", "uint8", [3]).values], [0, 255, 1]);
});

test("a tensor without entries keeps its shape", () => {
  const empty = written("", "float32", [0, 7]);
  assert.equal(empty.values.length, 0);
  assert.deepEqual(empty.shape, [0, 7]);
});

test("a tensor of an unknown kind is refused", () => {
  assert.throws(() => written("AAA=", "bfloat16", [1]), /unknown kind: bfloat16/);
});

test("what is not finite becomes the number that it stands for", () => {
  assert.deepEqual(decode([{ number: "nan" }, { number: "inf" }, { number: "-inf" }, 1.5]), [NaN, Infinity, -Infinity, 1.5]);
});

test("nothing, false, zero and text stay what they are", () => {
  const plain = [null, false, 0, "", "🙂 \u0000 </script>", -0];
  assert.deepEqual(decode(plain), plain);
});

test("objects lose their wrapping at every depth, and mappings may have any key", () => {
  const node = { type: "Node", fields: { kind: "head", layer: 0, head: 1 } };
  const raw = { mapping: { type: node, "": [{ type: "Growth", fields: { node, effect: { number: "nan" } } }] } };
  const read = { type: "Node", kind: "head", layer: 0, head: 1 };
  assert.deepEqual(decode(raw), { type: read, "": [{ type: "Growth", node: read, effect: NaN }] });
});

test("a document has its fields, what is derived, the story, and the same of its parts", () => {
  const quantity = { ref: "metric_clean", value: { number: "inf" }, text: "∞" };
  const story = [{ title: "Summary", sentences: [["The metric is ", quantity, "."]] }];
  const beside = { derived: { order: ["M1"], share: { number: "nan" } }, story };
  const found = decodeDocument({ schema: 1, type: "Study", fields: { names: ["a"] }, ...beside, parts: [beside] });
  const read = { derived: { order: ["M1"], share: NaN }, story: [{ title: "Summary", sentences: [["The metric is ", { ...quantity, value: Infinity }, "."]] }] };
  assert.deepEqual(found, { type: "Study", fields: { names: ["a"] }, ...read, parts: [read] });
});

test("a document without derived, story and parts has none", () => {
  assert.deepEqual(decodeDocument({ schema: 1, type: "Circuit", fields: {} }), { type: "Circuit", fields: {}, derived: {}, story: [], parts: [] });
});

test("fields are given for the kind that a document has, and for no other", () => {
  const found = decodeDocument({ schema: 1, type: "Study", fields: { names: ["a"], analyses: [] } });
  assert.deepEqual(fieldsOf(found, "Study").names, ["a"]);
  assert.throws(() => fieldsOf(found, "Analysis"), /kind Study, not Analysis/);
});
