import assert from "node:assert/strict";
import { test } from "node:test";
import { bySize, edgesOf, largest } from "../src/data/edges";
import type { Edge } from "../src/data/edges";
import { nodeOf } from "../src/data/names";
import type { Slot } from "../src/data/names";
import { tensor } from "./made";

const edge = (effect: number): Edge => ({ sender: "embed", slot: "M0", into: ["M0"], effect });
const slot = (kind: Slot["kind"], layer: number | null = null, head: number | null = null): Slot => ({ kind, layer, head });
const SENDERS = ["embed", "M0"].map(nodeOf);

test("the largest is so whatever its sign, and never nothing to divide by", () => {
  assert.equal(largest([edge(0.5), edge(-2), edge(1)]), 2);
  assert.ok(largest([]) > 0);
  assert.ok(largest([edge(0)]) > 0);
});

test("edges are sorted by size, and the list that was given is left as it was", () => {
  const given = [edge(0.5), edge(-2), edge(1)];
  assert.deepEqual(bySize(given).map((one) => one.effect), [-2, 1, 0.5]);
  assert.deepEqual(given.map((one) => one.effect), [0.5, -2, 1]);
});

test("a matrix gives the edges that are there and have a number", () => {
  const slots = [slot("mlp", 0), slot("logits")];
  const found = edgesOf(SENDERS, slots, tensor([1, NaN, 3, -4], 2, 2), tensor([1, 1, 0, 1], 2, 2));
  assert.deepEqual(found, [
    { sender: "embed", slot: "M0", into: ["M0"], effect: 1 },
    { sender: "M0", slot: "logits", into: ["logits"], effect: -4 },
  ]);
  assert.deepEqual(edgesOf([], slots, tensor([], 0, 2), tensor([], 0, 2)), []);
  assert.deepEqual(edgesOf(SENDERS, [], tensor([], 2, 0), tensor([], 2, 0)), []);
});

test("an edge of size zero is an edge", () => {
  assert.equal(edgesOf([nodeOf("embed")], [slot("logits")], tensor([0], 1, 1), tensor([1], 1, 1)).length, 1);
});

test("a key ends in its head where that has one of its own, else in a box that heads share", () => {
  // layer 0: two queries, two keys; layer 1: two queries, one key
  const slots = [slot("q", 0, 0), slot("q", 0, 1), slot("k", 0, 0), slot("k", 0, 1), slot("q", 1, 0), slot("q", 1, 1), slot("k", 1, 0), slot("v", 1, 0)];
  const all = tensor(slots.map(() => 1), 1, 8);
  assert.deepEqual(edgesOf([nodeOf("embed")], slots, all, all).map((one) => one.into[0]), ["L0H0", "L0H1", "L0H0", "L0H1", "L1H0", "L1H1", "L1KV0", "L1KV0"]);
});
