import "./page";
import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces, TERMS, termOf, termsIn } from "../src/data/glossary";
import { folded } from "../src/parts/DataTable";

const shown = (text: string) => pieces(text).map((piece) => (typeof piece === "string" ? piece : [piece.term.term, piece.text]));

test("a term is found in any of its forms, the longest first, once, as a whole word", () => {
  assert.deepEqual(shown("Direct effects, and a direct effect."), [["direct effect", "Direct effects"], ", and a direct effect."]);
  assert.deepEqual(shown("Ahead, the overhead"), ["Ahead, the overhead"]);
  assert.deepEqual(shown("The logit difference of two logits"), ["The ", ["logit difference", "logit difference"], " of two ", ["logit", "logits"]]);
  assert.deepEqual(shown(""), []);
});

test("no letter of a text is lost", () => {
  for (const { says } of TERMS) assert.equal(pieces(says).map((piece) => (typeof piece === "string" ? piece : piece.text)).join(""), says);
});

test("what is written in one way is one term, and each has a sentence", () => {
  const forms = TERMS.flatMap((one) => [one.term, ...one.also]).map((form) => form.toLowerCase());
  assert.equal(new Set(forms).size, forms.length);
  assert.ok(TERMS.every((one) => one.says.endsWith(".")));
  assert.equal(termOf("MLPS")?.term, "MLP");
  assert.equal(termOf(null), null);
});

test("the terms of several texts come once, in the order of the list", () => {
  assert.deepEqual(termsIn(["sufficiency of a circuit", "circuits and heads"]).map((one) => one.term), ["circuit", "head", "sufficiency"]);
});

test("a long table is folded to its first rows and the one that is selected", () => {
  const rows = Array.from({ length: 301 }, (_, i) => i);
  assert.deepEqual(folded(rows, true, (row) => row === 200), [...rows.slice(0, 12), 200]);
  assert.equal(folded(rows, false, () => false).length, 301);
  assert.equal(folded(rows.slice(0, 24), true, () => false).length, 24);
});
