import assert from "node:assert/strict";
import { test } from "node:test";
import { positionsOf } from "../src/data/positions";
import { analysis } from "./made";

test("an estimate is that of its node and position", () => {
  const found = positionsOf(analysis())!;
  assert.deepEqual(found.tokens, ["a", " b", " c"]);
  assert.equal(found.estimate("L0H1", 0), 1);
  assert.equal(found.estimate("L0H1", 1), -3);
  assert.equal(found.estimate("embed", 2), 5);
  assert.equal(found.estimate("M1", 2), 4);
});

test("the largest counts whatever its sign, and is the first where none is larger", () => {
  const found = positionsOf(analysis())!;
  assert.equal(found.largest("L0H1"), 1);
  assert.equal(found.largest("M1"), 2);
  assert.equal(found.largest("L0H0"), 0);
});

test("a node that is not known has no estimate", () => {
  const found = positionsOf(analysis())!;
  assert.equal(found.estimate("L7H7", 0), NaN);
  assert.equal(found.estimate("L0H1", 3), NaN);
  assert.equal(found.largest("L7H7"), 0);
});

test("several prompts, or none, have no positions in common", () => {
  const asked = analysis().question;
  const ask = (clean: string[], clean_tokens: string[][]) => analysis({ question: { ...asked, clean, clean_tokens } });
  assert.equal(positionsOf(ask(["a", "b"], [["a"], ["b"]])), null);
  assert.equal(positionsOf(ask([], [])), null);
});
