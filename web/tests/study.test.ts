import assert from "node:assert/strict";
import { test } from "node:test";
import type { Document } from "../src/data/decode";
import { nodeOf } from "../src/data/names";
import { analysesOf, holders, pairOf } from "../src/data/study";
import { analysis } from "./made";

const beside = (title: string) => ({ derived: { order: [title] }, story: [{ title, sentences: [] }] });
const other = analysis({ circuit: { nodes: ["M1", "L1H1"].map(nodeOf) } });
const study: Document = {
  type: "Study", fields: { names: ["a", "ü / 2"], analyses: [analysis(), other] }, derived: {}, story: [], parts: [beside("a"), beside("b")],
};

test("every analysis becomes a document with what goes with it", () => {
  const [first, second] = analysesOf(study);
  assert.deepEqual([first!.name, second!.name], ["a", "ü / 2"]);
  assert.equal(second!.document.type, "Analysis");
  assert.equal(second!.document.fields, other);
  assert.deepEqual(second!.document.derived, { order: ["b"] });
  assert.equal(second!.document.story[0]!.title, "b");
  assert.deepEqual(second!.document.parts, []);
});

test("a study of nothing has no analyses", () => {
  assert.deepEqual(analysesOf({ ...study, fields: { names: [], analyses: [] }, parts: [] }), []);
});

test("only a study has analyses", () => {
  assert.throws(() => analysesOf({ ...study, type: "Analysis" }), /Analysis/);
});

test("nodes are held by the circuits that have them, in the study's order", () => {
  const found = holders(analysesOf(study));
  assert.deepEqual(Object.fromEntries(found), { L0H1: ["a"], M1: ["a", "ü / 2"], L1H1: ["ü / 2"] });
});

test("a pair is found in either order, and nothing is a pair with itself", () => {
  const pairs = [{ first: "a", second: "b", jaccard: 0.5, by_chance: 0.1, tau: NaN }, { first: "a", second: "c", jaccard: 1, by_chance: 0, tau: 1 }];
  assert.equal(pairOf(pairs, "a", "b"), pairs[0]);
  assert.equal(pairOf(pairs, "c", "a"), pairs[1]);
  assert.equal(pairOf(pairs, "a", "a"), null);
  assert.equal(pairOf(pairs, "b", "c"), null);
});
