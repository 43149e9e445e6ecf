import assert from "node:assert/strict";
import { test } from "node:test";
import table from "../../tests/models/part_names.json";
import { fedBy, nodeName, nodeOf, orderOf, placeOf, read, slotName } from "../src/data/names";
import type { Node, Slot } from "../src/data/names";

test("a name says what it names", () => {
  assert.deepEqual(read("L9H16"), { kind: "head", layer: 9, head: 16, input: null });
  assert.deepEqual(read("M0"), { kind: "mlp", layer: 0, head: null, input: null });
  assert.deepEqual(read("A31"), { kind: "attn", layer: 31, head: null, input: null });
  assert.deepEqual(read("M3N310"), { kind: "neuron", layer: 3, head: 310, input: null });
  assert.deepEqual(read("L9KV2.k"), { kind: "kv", layer: 9, head: 2, input: "k" });
  assert.deepEqual(read("L0H0.q"), { kind: "head", layer: 0, head: 0, input: "q" });
  assert.deepEqual(read("embed"), { kind: "embed", layer: null, head: null, input: null });
  assert.deepEqual(read("logits"), { kind: "logits", layer: null, head: null, input: null });
});

test("a name of the library's table says the same here", () => {
  for (const row of table) {
    const known = row.kind !== null && row.form === undefined; // kinds that a user registers are text to the page
    const input = row.kind === "q" || row.kind === "k" || row.kind === "v" ? row.kind : null;
    const kind = input === null ? row.kind : input === "q" ? "head" : "kv";
    assert.deepEqual(read(row.name), known ? { kind, layer: row.layer, head: row.index, input } : null, JSON.stringify(row.name));
  }
});

test("what is no name is none", () => {
  for (const text of ["", "L9", "H6", "L9H", "LH6", "M", "M3.q", "M3N", "MN3", "A3N1", "M3N1.q", "embed.k", "L9H6.z", "L9H6.", " L9H6", "L9H6 ", "l9h6", "L-1H0", "L9H6\n", "L1.5H2", "constructor"])
    assert.equal(read(text), null, JSON.stringify(text));
});

test("a node's name is read back as that node", () => {
  const nodes: Node[] = [{ kind: "embed", layer: null, head: null }, { kind: "head", layer: 0, head: 0 }, { kind: "head", layer: 120, head: 11 }, { kind: "mlp", layer: 7, head: null }, { kind: "neuron", layer: 7, head: 310 }, { kind: "latent", layer: 7, head: 4821 }, { kind: "error", layer: 7, head: null }];
  for (const node of nodes) assert.deepEqual(nodeOf(nodeName(node)), node);
  assert.deepEqual(nodes.map(nodeName), ["embed", "L0H0", "L120H11", "M7", "M7N310", "L7F4821", "E7"]);
});

test("a name of anything but a head or MLP is not taken for one", () => {
  for (const name of ["logits", "A3", "L9KV2", "L9H6.q", "1,2", ""]) assert.equal(nodeOf(name).kind, "embed", name);
});

test("what is drawn stands at a head or in its layer", () => {
  assert.deepEqual(placeOf("L9KV2"), { kind: "head", layer: 9, head: 2 });
  assert.deepEqual(placeOf("A9"), { kind: "head", layer: 9, head: 0 });
  assert.deepEqual(placeOf("L9H6"), nodeOf("L9H6"));
  assert.deepEqual(placeOf("M4"), nodeOf("M4"));
});

test("slots have the names of the library, and say which box they end in", () => {
  const slot = (kind: Slot["kind"], layer: number | null = 9, head: number | null = 2): Slot => ({ kind, layer, head });
  const told: [Slot, string, string, string][] = [
    [slot("q"), "L9H2.q", "L9H2", "L9H2"],
    [slot("k"), "L9KV2.k", "L9KV2", "L9H2"],
    [slot("v"), "L9KV2.v", "L9KV2", "L9H2"],
    [slot("mlp", 9, null), "M9", "M9", "M9"],
    [slot("attn", 9, null), "A9", "A9", "A9"],
    [slot("logits", null, null), "logits", "logits", "logits"],
  ];
  for (const [one, name, shared, own] of told) {
    assert.equal(slotName(one), name);
    assert.equal(fedBy(one, false), shared);
    assert.equal(fedBy(one, true), own);
    assert.notEqual(read(name), null);
  }
});

test("nodes are sorted by layer, heads by their number, then the MLP", () => {
  const names = ["M0", "L10H0", "L2H11", "M10", "embed", "L2H3", "L0H0"];
  const sorted = [...names].sort((a, b) => (orderOf(nodeOf(a)) < orderOf(nodeOf(b)) ? -1 : 1));
  assert.deepEqual(sorted, ["embed", "L0H0", "M0", "L2H3", "L2H11", "L10H0", "M10"]);
});
