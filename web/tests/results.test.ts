import assert from "node:assert/strict";
import { test } from "node:test";
import { asAnalysis, backupNames, nodeRows, searched } from "../src/data/results";
import { analysis, DERIVED, documentOf, NAMES, tensor } from "./made";

test("every node has its estimate, and an effect where it was measured alone", () => {
  const rows = nodeRows(analysis(), DERIVED);
  assert.deepEqual(rows.map((row) => row.name), NAMES);
  assert.deepEqual(rows.map((row) => row.estimate), [5, 0, 0, 0, 0.5, 0, 4]);
  assert.deepEqual(rows.map((row) => row.effect), [null, null, 1, null, -0.25, null, 3]); // places are in another order
  assert.deepEqual(rows.filter((row) => row.inCircuit).map((row) => row.name), ["L0H1", "M1"]);
});

test("a node without a number has NaN, which is not the same as not measured", () => {
  const rows = nodeRows(analysis(), { ...DERIVED, estimate: tensor([], 0), effect: tensor([NaN, 0], 2) });
  assert.ok(rows.every((row) => Number.isNaN(row.estimate)));
  const effects = Object.fromEntries(rows.map((row) => [row.name, row.effect]));
  assert.deepEqual([effects.M1, effects.L1H0, effects.L0H1, effects.M0], [NaN, 0, NaN, null]);
});

test("an analysis of nothing has no rows", () => {
  const none = analysis({ attribution: { nodes: [] }, circuit: { nodes: [] }, patches: { places: [] } });
  assert.deepEqual(nodeRows(none, DERIVED), []);
});

test("the faithfulness shown is that of the parts that were searched over", () => {
  const [heads, both] = [{ sufficiency: 0.1 }, { sufficiency: 0.2 }];
  const over = (over: "heads" | "heads+mlps") => searched(analysis({ circuit: { over }, over_heads: heads, over_heads_and_mlps: both }));
  assert.equal(over("heads")!.sufficiency, 0.1);
  assert.equal(over("heads+mlps")!.sufficiency, 0.2);
  assert.equal(searched(analysis({ circuit: { over: "heads+mlps" } })), null);
});

test("backups are those that were found, not all that were looked at", () => {
  assert.deepEqual([...backupNames(analysis())], ["L1H0"]);
  assert.deepEqual([...backupNames(analysis({ backups: null }))], []);
});

test("a document of another kind is no analysis", () => {
  assert.throws(() => asAnalysis({ ...documentOf(analysis()), type: "Circuit" }), /Circuit/);
});
