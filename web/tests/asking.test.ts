import "./page";
import assert from "node:assert/strict";
import { test } from "node:test";
import { listed, pairOf } from "../src/app/choices";
import { inWords, subjectOf, waitingFor } from "../src/app/kinds";
import { blocks, cellsOf } from "../src/app/problem";
import { STEPS } from "../src/app/tourSteps";

const one = (id: number, token: string) => ({ id, token, probability: 1 / (id + 1) });
const rival = { ...one(9, " John"), why: "in the prompt" };
const next = { tokens: ["a"], candidates: [" Mary", " the", " his", " a", " her"].map((token, id) => one(id, token)), rival };

test("a job in the queue says for whom it waits", () => {
  assert.equal(waitingFor(["roles"]), "Waiting for the roles of every head");
  assert.equal(waitingFor(["sweep", "writes", "reads"]), "Waiting for every part turned off alone and 2 more");
  assert.equal(waitingFor([]), "Waiting");
  assert.equal(inWords("unheard of"), "unheard of");
});

test("what was found of one prompt or pair does not stand under another", () => {
  const asked = { kind: "off", prompt: "a", answer: 1, foil: 2, nodes: ["M0"] };
  assert.equal(subjectOf({ ...asked, nodes: ["M1"], seed: 4 }), subjectOf(asked));
  for (const change of [{ prompt: "b" }, { answer: 3 }, { foil: "2" }, { corrupted: "c" }, { kind: "sweep" }, { direction: "noising" }]) {
    assert.notEqual(subjectOf({ ...asked, ...change }), subjectOf(asked));
  }
  assert.equal(subjectOf(null), null);
});

test("the answer is held against its rival unless another foil is chosen", () => {
  assert.deepEqual(pairOf(next, undefined, undefined), { answer: 0, foil: 9 });
  assert.deepEqual(pairOf(next, 9, undefined), { answer: 9, foil: 0 });
  assert.deepEqual(pairOf(next, " x", " y"), { answer: " x", foil: " y" });
  assert.equal(pairOf(null, 1, 2), null);
});

test("the first tokens are listed, and answer and foil wherever they stand", () => {
  const names = (...args: [boolean, number, number]) => listed(next, ...args).map((c) => c.id);
  assert.deepEqual(names(false, 0, 9), [0, 1, 2, 3, 9]);
  assert.deepEqual(names(false, 4, 1), [0, 1, 2, 3, 4]);
  assert.deepEqual(names(true, 0, 9), [0, 1, 2, 3, 4, 9]);
});

const MISMATCH = [
  "The clean prompt is 3 tokens and the corrupted one 4.",
  "  position   0      1       2        3",
  "  clean      'The'  ' key'  ' to'    -",
  "  corrupted  'The'  ' big'  ' keys'  ' to'",
  "                    ^",
  "Replace words only by words of as many tokens.",
].join("\n");

test("two prompts that do not align are a table between two sentences", () => {
  const found = blocks(MISMATCH);
  assert.deepEqual(found.map((block) => block.columns), [false, true, false]);
  assert.deepEqual(cellsOf(found[1]!.text), [
    ["position", "0", "1", "2", "3"], ["clean", "'The'", "' key'", "' to'", "-"], ["corrupted", "'The'", "' big'", "' keys'", "' to'"], ["", "", "^", "", ""],
  ]);
  assert.deepEqual(blocks("one line"), [{ columns: false, text: "one line" }]);
});

test("the tour is two minutes of reading at most", () => {
  const words = STEPS.map((step) => step.says.split(/\s+/).length).reduce((a, b) => a + b);
  assert.ok(words <= 400, `${words} words`); // 200 words a minute
  assert.equal(new Set(STEPS.map((step) => step.place)).size, STEPS.length);
});
