import "./page";
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeOf } from "../src/data/names";
import { ordered } from "../src/parts/DataTable";
import type { Column, Value } from "../src/parts/DataTable";
import { pathsOf, toldOf } from "../src/parts/EdgePaths";
import { LOGITS } from "../src/parts/boxes";
import type { Placed } from "../src/parts/boxes";
import { gridOf } from "../src/parts/LayerMap";
import { stepsOf } from "../src/parts/Waterfall";

const column: Column<Value> = { name: "v", title: "v", value: (row) => row };

test("rows are sorted by value, or by size where that is asked for", () => {
  assert.deepEqual(ordered([1, -3, 2], column, true), [2, 1, -3]);
  assert.deepEqual(ordered([1, -3, 2], column, false), [-3, 1, 2]);
  assert.deepEqual(ordered([1, -3, 2], { ...column, bySize: true }, true), [-3, 2, 1]);
  assert.deepEqual(ordered([false, true], column, true), [true, false]);
});

test("what has no value is last, whichever way the rest goes", () => {
  assert.deepEqual(ordered([null, 1, null, 2], column, true), [2, 1, null, null]);
  assert.deepEqual(ordered([null, 1, null, 2], column, false), [1, 2, null, null]);
});

test("names are sorted by what the column says, not as text", () => {
  const byLayer = { ...column, order: (row: Value) => Number(String(row).slice(1)) };
  assert.deepEqual(ordered(["M10", "M9", "M2"], byLayer, false), ["M2", "M9", "M10"]);
});

test("nodes lie in a grid: layers down, heads across, the MLP last", () => {
  const row = (name: string, value = 1) => ({ name, ...nodeOf(name), value });
  const { cells, columns } = gridOf([row("embed"), row("L0H0"), row("L2H1"), row("M2")]);
  assert.deepEqual(columns, ["H0", "H1", "MLP"]);
  assert.deepEqual(cells.map((line) => line.map((one) => one?.name ?? null)), [["L0H0", null, null], [null, null, null], [null, "L2H1", "M2"]]);
});

test("a grid of one layer, of MLPs alone, of nothing", () => {
  const row = (name: string) => ({ name, ...nodeOf(name), value: null });
  assert.deepEqual(gridOf([row("L0H0")]).columns, ["H0"]);
  assert.deepEqual(gridOf([row("M0")]).columns, ["MLP"]);
  assert.deepEqual(gridOf([row("embed")]), { cells: [], columns: [] });
  assert.deepEqual(gridOf([]), { cells: [], columns: [] });
});

test("the largest shares are steps, and everything else is one more, so that they add up", () => {
  const term = (i: number) => ({ name: `t${i}`, kind: "bias" as const, layer: null, head: null });
  const shares = Array.from({ length: 20 }, (_, i) => (i % 2 ? -1 : 1) * (i + 1));
  const steps = stepsOf(shares.map((_, i) => term(i)), shares);
  assert.equal(steps.length, 17);
  assert.deepEqual([steps[0]!.name, steps[0]!.share, steps[0]!.selectable], ["t19", -20, false]);
  assert.deepEqual([steps.at(-1)!.name, steps.at(-1)!.share], ["4 others", 1 - 2 + 3 - 4]);
  assert.equal(steps.reduce((sum, step) => sum + step.share, 0), shares.reduce((a, b) => a + b, 0));
  assert.deepEqual(stepsOf([{ ...term(0), kind: "head" }], [0.5]), [{ name: "t0", share: 0.5, selectable: true }]);
  assert.deepEqual(stepsOf([], []), []);
});

test("an edge is drawn once for each box that it ends in, and not inside a group", () => {
  const box = (key: string, members = [key]): Placed => ({ ...LOGITS, key, members, x: 0, y: 0, width: 1 });
  const placed = [box("embed"), box("group:g", ["L0H0", "L0H1"]), box("L0H2")];
  const edge = { sender: "embed", slot: "L0KV0.k", into: ["L0H0", "L0H1", "L0H2", "L9H9"], effect: -1 };
  assert.deepEqual(pathsOf([edge], placed).map(({ from, to }) => [from.key, to.key]), [["embed", "group:g"], ["embed", "L0H2"]]);
  assert.deepEqual(pathsOf([{ ...edge, sender: "L0H0", into: ["L0H1"] }], placed), []);
  assert.deepEqual(pathsOf([{ ...edge, sender: "M9" }], placed), []);
  assert.equal(toldOf(edge, "effect"), "embed → L0KV0.k: effect −1.000");
});
