import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, labelled, read, regrouped, toggled, ungrouped } from "../src/parts/arrangement";
import type { Arrangement, Written } from "../src/parts/arrangement";

const NOTHING: Written = { pins: null, labels: null, groups: null, ticked: null };
const made = (change: Partial<Arrangement> = {}): Arrangement => ({ ...read(NOTHING), ...change });

test("an empty address is no arrangement", () => {
  assert.deepEqual(read(NOTHING), { pins: [], labels: {}, groups: [], ticked: [] });
  assert.deepEqual(read({ pins: "", labels: "", groups: "", ticked: "" }), made());
});

test("what an address holds may be anything", () => {
  for (const bad of ["{", "[]", "1", "null", '"x"', "[[1,2]]", '[["a"]]', "[null]"]) {
    const found = read({ ...NOTHING, labels: bad, groups: bad });
    assert.deepEqual([found.labels, found.groups], [{}, []], bad);
  }
  assert.deepEqual(read({ ...NOTHING, labels: '{"M1":2,"L0H1":"kept"}' }).labels, { L0H1: "kept" });
  assert.deepEqual(read({ ...NOTHING, groups: '[["g",["M1",7,null,"M2"]],"no"]' }).groups, [{ name: "g", nodes: ["M1", "M2"] }]);
});

test("what is written is read back, whatever the letters", () => {
  const name = 'a,b "ü" [🙂] \\';
  const start = made({ ticked: ["M1", "L0H1"], labels: { M2: "old" } });
  const labels = labelled(start, "M1", name);
  const groups = regrouped(start, name);
  const pins = toggled(["M3"], "M1", true);
  assert.deepEqual(read({ labels, groups, pins, ticked: null }), made({
    labels: { M2: "old", M1: name }, groups: [{ name, nodes: ["M1", "L0H1"] }], pins: ["M3", "M1"],
  }));
});

test("a node is in a list once, and an empty list leaves the address", () => {
  assert.equal(toggled(["M1", "M2"], "M1", true), "M2,M1");
  assert.equal(toggled(["M1", "M2"], "M1", false), "M2");
  assert.equal(toggled(["M1"], "M1", false), null);
  assert.equal(toggled([], "M1", false), null);
});

test("a label of spaces is none", () => {
  assert.equal(labelled(made({ labels: { M1: "x" } }), "M1", "  "), null);
  assert.equal(labelled(made({ labels: { M1: "x", M2: "y" } }), "M1", ""), '{"M2":"y"}');
});

test("nodes leave the group that they were in, and what is left of it must be two", () => {
  const groups = [{ name: "three", nodes: ["M1", "M2", "M3"] }, { name: "two", nodes: ["M4", "M5"] }];
  const after = read({ ...NOTHING, groups: regrouped(made({ groups, ticked: ["M1", "M4"] }), "new") }).groups;
  assert.deepEqual(after, [{ name: "three", nodes: ["M2", "M3"] }, { name: "new", nodes: ["M1", "M4"] }]);
});

test("a group of a name that there is takes its place", () => {
  const groups = [{ name: "g", nodes: ["M1", "M2"] }];
  assert.equal(regrouped(made({ groups, ticked: ["M3", "M4"] }), "g"), '[["g",["M3","M4"]]]');
});

test("a group that is taken apart is gone", () => {
  const groups = [{ name: "g", nodes: ["M1", "M2"] }, { name: "h", nodes: ["M3", "M4"] }];
  assert.equal(ungrouped(made({ groups }), "g"), '[["h",["M3","M4"]]]');
  assert.equal(ungrouped(made({ groups: groups.slice(0, 1) }), "g"), null);
});

test("a set of nodes is known whatever their order", () => {
  assert.equal(keyOf(["M1", "L0H1"]), keyOf(["L0H1", "M1"]));
  assert.notEqual(keyOf(["M1", "M2"]), keyOf(["M1"]));
});
