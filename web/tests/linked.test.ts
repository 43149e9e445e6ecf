import "./page";
import assert from "node:assert/strict";
import { test } from "node:test";
import { after, layerOf, rowsOf, whole } from "../src/data/linked";
import { shownPoints } from "../src/parts/LensGrid";

const NONE = { node: null, layer: null, position: null };

test("a part brings its layer along, and takes it away when it is given up", () => {
  const chosen = after(NONE, { node: "L9H6" });
  assert.deepEqual(chosen, { node: "L9H6", layer: 9, position: null });
  assert.deepEqual(after(chosen, { node: "M3" }), { node: "M3", layer: 3, position: null });
  assert.deepEqual(after(chosen, { node: "L9H6" }), NONE);
});

test("a layer, a token and a cell are chosen without losing the part", () => {
  const chosen = after(NONE, { node: "L9H6" });
  assert.deepEqual(after(chosen, { layer: 4 }), { node: "L9H6", layer: 4, position: null });
  assert.deepEqual(after(chosen, { layer: 9 }), { node: "L9H6", layer: null, position: null });
  assert.deepEqual(after(chosen, { position: 0 }), { node: "L9H6", layer: 9, position: 0 });
  assert.deepEqual(after(after(chosen, { position: 0 }), { position: 0 }), chosen);
  const cell = { layer: 9, position: 5 };
  assert.deepEqual(after(after(chosen, cell), cell), { node: "L9H6", ...cell });
});

test("every name of a layer's parts and places says the layer", () => {
  assert.deepEqual(["L9H6", "M3", "A12", "B7", "L2KV1", "embed", "logits", "x"].map(layerOf), [9, 3, 12, 7, 2, null, null, null]);
  assert.deepEqual(rowsOf(["embed", "A0", "M0", "A1", "M1"], 1), [3, 4]);
  assert.deepEqual(rowsOf(["embed", "A0"], null), []);
});

test("an address that says no whole number selects nothing", () => {
  assert.deepEqual(["12", "0", "-1", "1.5", "", "x", null].map(whole), [12, 0, null, null, null, null, null]);
});

test("whole layers are the last place of each, whatever sublayers it has", () => {
  const points = ["embed", "A0", "M0", "B1", "A2", "M2"].map((name) => ({ name, layer: layerOf(name), sublayer: "mlp" }) as never);
  assert.deepEqual(shownPoints(points, true), [0, 2, 3, 5]);
  assert.deepEqual(shownPoints(points, false), [0, 1, 2, 3, 4, 5]);
});
