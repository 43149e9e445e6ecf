import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, differs, factsOf, overlapOf, pairRows } from "../src/data/compare";
import { nodeOf } from "../src/data/names";
import { analysis, DERIVED, documentOf, tensor } from "./made";

const first = documentOf(analysis(), { ...DERIVED, "over_heads.percentile_same_size": 95 });
const second = documentOf(
  analysis({
    metric_clean: 3,
    circuit: { nodes: ["L0H1", "L5H0"].map(nodeOf), over: "heads", target: 0.8, method: "greedy", ablation: "mean" },
    attribution: { nodes: ["L0H1", "L5H0"].map(nodeOf), method: "atp", by_position: tensor([], 0) },
    patches: { places: [{ name: "L0H1" }] },
    agreement: { spearman: NaN },
  }),
  { estimate: tensor([1.5, -2], 2), effect: tensor([0.5], 1), order: [], backups: [] },
);
const facts = factsOf([{ name: "a", document: first }, { name: "b", document: second }]);
const factOf = (name: string) => facts.find((row) => row.fact === name)!;

test("facts are read of each result, those of how it was made apart", () => {
  assert.deepEqual(factOf("metric on clean"), { fact: "metric on clean", made: false, values: [2, 3] });
  assert.deepEqual(factOf("replaced by (ablation)"), { fact: "replaced by (ablation)", made: true, values: ["corrupted", "mean"] });
  assert.deepEqual(factOf("sufficiency, over heads").values, [0.9, 0.9]);
  assert.deepEqual(factOf("percentile among random sets of its size, over heads").values, [95, null]);
});

test("every fact has its place in the result", () => {
  const told = Object.fromEntries(factsOf([{ name: "a", document: first }]).map((row) => [row.fact, row.values[0]]));
  assert.deepEqual(told, {
    model: "tiny", weights: "ab", prompts: 1, prompt: "a b c", "corrupted prompt": "a d c", answer: " x", foil: " y", metric: "logit_diff",
    "estimates by": "atp", "circuit found by": "greedy", "searched over": "heads", "replaced by (ablation)": "corrupted",
    "target of sufficiency": 0.8, dtype: "float32", seed: 0, pellucid: "1",
    "metric on clean": 2, "metric on corrupted": -1, "nodes in the circuit": 2,
    "sufficiency, over heads": 0.9, "comprehensiveness, over heads": 0.7, "F1, over heads": 0.7875,
    "percentile among random sets of its size, over heads": 95,
    "sufficiency, over heads and MLPs": null, "comprehensiveness, over heads and MLPs": null, "F1, over heads and MLPs": null,
    "percentile among random sets of its size, over heads and MLPs": null,
    "rank correlation of estimates and effects": 0.5, "forwards spent": 12,
  });
});

test("a question without prompts has none to show", () => {
  const question = { clean: [], corrupted: [], answer: [], foil: [], clean_tokens: [], corrupted_tokens: [] };
  const rows = factsOf([{ name: "a", document: documentOf(analysis({ question })) }]);
  const told = Object.fromEntries(rows.map((row) => [row.fact, row.values[0]]));
  assert.deepEqual([told.prompts, told.prompt, told["corrupted prompt"], told.answer, told.foil], [0, null, null, null, null]);
});

test("what was not measured is null, and so is what is no number", () => {
  assert.deepEqual(factOf("sufficiency, over heads and MLPs").values, [null, null]);
  assert.deepEqual(factOf("rank correlation of estimates and effects").values, [0.5, null]);
});

test("what differs is said", () => {
  assert.ok(differs(factOf("metric on clean")));
  assert.ok(!differs(factOf("seed")));
  assert.ok(!differs({ fact: "", made: true, values: [null, null] }));
  assert.ok(differs({ fact: "", made: true, values: [0, null] }));
});

test("nodes are paired by name, also those that one side does not know", () => {
  const rows = pairRows(first, second);
  assert.deepEqual(rows.map((row) => row.name), ["embed", "L0H0", "L0H1", "M0", "L1H0", "L1H1", "M1", "L5H0"]);
  const [both, alone, there] = ["L0H1", "M1", "L5H0"].map((name) => rows.find((row) => row.name === name)!);
  assert.deepEqual([both!.left!.estimate, both!.right!.estimate], [0, 1.5]);
  assert.equal(alone!.right, null);
  assert.deepEqual([there!.left, there!.kind, there!.layer, there!.head], [null, "head", 5, 0]);
});

test("a difference is the second less the first, and none where one is not known", () => {
  const rows = new Map(pairRows(first, second).map((row) => [row.name, row]));
  assert.equal(difference(rows.get("L0H1")!, "estimate"), 1.5);
  assert.equal(difference(rows.get("L0H1")!, "effect"), -0.5);
  assert.equal(difference(rows.get("M1")!, "effect"), null);
  assert.equal(difference(rows.get("L1H1")!, "effect"), null);
});

test("what circuits share", () => {
  assert.deepEqual(overlapOf(first, second), { both: ["L0H1"], left: ["M1"], right: ["L5H0"], jaccard: 1 / 3 });
  assert.equal(overlapOf(first, first).jaccard, 1);
  const empty = documentOf(analysis({ circuit: { nodes: [] } }));
  assert.equal(overlapOf(first, empty).jaccard, 0);
  assert.deepEqual(overlapOf(empty, empty), { both: [], left: [], right: [], jaccard: null });
});
