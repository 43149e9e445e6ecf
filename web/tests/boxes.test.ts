import assert from "node:assert/strict";
import { test } from "node:test";
import { positionsOf } from "../src/data/positions";
import { keyOf } from "../src/parts/arrangement";
import type { Arrangement } from "../src/parts/arrangement";
import { boxesOf, byHead, byPosition, HEIGHT, lay, LEFT, LOGITS, logitsAt } from "../src/parts/boxes";
import type { Box } from "../src/parts/boxes";
import { analysis, nodeRow } from "./made";

const PLAIN: Arrangement = { pins: [], labels: {}, groups: [], ticked: [] };
const ROWS = [nodeRow("embed"), nodeRow("L0H1", { effect: 1, estimate: 0.5 }), nodeRow("L1H0", { effect: -0.25 }), nodeRow("M1", { effect: 3 })];
const boxed = (arranged: Partial<Arrangement> = {}, together = new Map<string, number>(), backups = new Set<string>()) =>
  boxesOf(ROWS, backups, { ...PLAIN, ...arranged }, together, byHead(ROWS));
const group = (...nodes: string[]) => ({ groups: [{ name: "movers", nodes }] });
const box = (key: string, change: Partial<Box> = {}): Box => ({ ...LOGITS, key, text: key, kind: "head", layer: 0, ...change });

test("a node is a box of its kind, layer and effect", () => {
  const [embed, head, , mlp] = boxed();
  assert.deepEqual([embed!.kind, embed!.layer, embed!.effect, embed!.across], ["end", -1, null, 0.5]);
  assert.deepEqual([head!.kind, head!.layer, head!.effect, head!.text], ["head", 0, 1, "L0H1"]);
  assert.deepEqual([mlp!.kind, mlp!.layer, mlp!.members], ["mlp", 1, ["M1"]]);
  assert.equal(head!.title, "L0H1: effect +1.000, estimate +0.500");
  assert.equal(embed!.told, "embed: effect not measured alone");
});

test("heads stand by their number, an MLP after the last", () => {
  const across = byHead(ROWS); // two heads, and a column for MLPs
  assert.deepEqual(["L1H0", "L0H1", "M1", "embed"].map((name) => across(nodeRow(name)).at), [0.5 / 3, 1.5 / 3, 2.5 / 3, 0.5]);
  assert.equal(byHead([])(nodeRow("M0")).at, 0.75);
});

test("nodes stand where along the prompt their estimate is largest", () => {
  const across = byPosition(positionsOf(analysis())!);
  assert.deepEqual(across(nodeRow("L0H1")), { at: 0.5, words: ", largest at position 1 “ b”" });
  assert.equal(across(nodeRow("M1")).at, 2.5 / 3);
  assert.equal(logitsAt(positionsOf(analysis())).across, 2.5 / 3); // over the last token
  assert.equal(logitsAt(null).across, 0.5);
});

test("a label stands beside the name, a pin and a backup are marked", () => {
  const [, head, other] = boxed({ labels: { L0H1: "duplicate ü" }, pins: ["L0H1"] }, new Map(), new Set(["L1H0"]));
  assert.deepEqual([head!.text, head!.pinned, head!.backup], ["L0H1 · duplicate ü", true, false]);
  assert.equal(head!.told, "L0H1 (duplicate ü): effect +1.000");
  assert.deepEqual([other!.pinned, other!.backup], [false, true]);
});

test("a group is one box, whose effect is what was measured together and never a sum", () => {
  const alone = boxed(group("L0H1", "L1H0"));
  assert.deepEqual(alone.map((one) => one.key), ["embed", "group:movers", "M1"]);
  assert.deepEqual([alone[1]!.members, alone[1]!.effect, alone[1]!.text], [["L0H1", "L1H0"], null, "movers (2)"]);
  const measured = boxed(group("L0H1", "L1H0"), new Map([[keyOf(["L1H0", "L0H1"]), 0.5]]));
  assert.equal(measured[1]!.effect, 0.5);
  assert.match(measured[1]!.told, /measured together: effect \+0\.500/);
});

test("a group of which some is not shown has no effect: that was measured of the whole", () => {
  const part = boxed(group("L0H1", "L1H0", "L9H9"), new Map([[keyOf(["L0H1", "L1H0", "L9H9"]), 0.5]]))[1]!;
  assert.deepEqual([part.text, part.effect], ["movers (2 of 3)", null]);
});

test("a group is a backup where each of it is", () => {
  const marked = (...names: string[]) => boxed(group("L0H1", "L1H0"), new Map(), new Set(names))[1]!.backup;
  assert.deepEqual([marked("L0H1"), marked("L1H0"), marked("L0H1", "L1H0")], [false, false, true]);
});

test("layers lie from above to below, the logits on top, a layer's MLP over its heads", () => {
  const { placed, bands, height } = lay([...boxed(), box("L1H1", { layer: 1 }), LOGITS], 800, 8);
  const y = Object.fromEntries(placed.map((one) => [one.key, one.y]));
  assert.deepEqual(bands.map((band) => band.name), ["output", "layer 1", "layer 0", "input"]);
  assert.ok(y.logits! < y.M1! && y.M1! < y.L1H1! && y.L1H1! < y.L0H1! && y.L0H1! < y.embed!);
  assert.equal(y.L1H0, y.L1H1);
  assert.equal(bands.reduce((sum, band) => sum + band.height, 0), height);
  bands.slice(1).forEach((band, i) => assert.equal(band.y, bands[i]!.y + bands[i]!.height));
});

test("one box lies where it wants to, inside the page", () => {
  const at = (across: number) => lay([box("L0H0", { across })], 466, 8).placed[0]!;
  assert.deepEqual([at(0.5).x, at(0.5).y, at(0.5).width], [LEFT + 200 - 29, 4, 58]);
  assert.equal(at(0).x, LEFT);
  assert.equal(at(1).x, 466 - 58 - 2);
});

test("a box is as wide as its text, within limits and the page", () => {
  const width = (letters: number, page = 800) => lay([box("L0H0", { text: "x".repeat(letters) })], page, 8).placed[0]!.width;
  assert.deepEqual([width(0), width(20), width(100), width(100, 174)], [58, 20 * 6.4 + 14, 190, 100]);
});

test("two boxes share a row to the last pixel, and no further", () => {
  const rows = (page: number) => new Set(lay([box("L0H0", { across: 0 }), box("L0H1", { across: 0 })], page, 8).placed.map((one) => one.y)).size;
  assert.deepEqual([rows(LEFT + 58 + 8 + 58 + 2), rows(LEFT + 58 + 8 + 58 + 1)], [1, 2]);
});

test("the logits have no effect, for none was measured", () => {
  assert.equal(LOGITS.effect, null);
});

test("boxes of a row do not overlap, and those that do not fit are in another row", () => {
  const many = Array.from({ length: 40 }, (_, h) => box(`L0H${h}`, { across: (h + 0.5) / 40, text: "x".repeat(h) }));
  const { placed, height } = lay(many, 500, 8);
  assert.equal(placed.length, 40);
  for (const a of placed) {
    assert.ok(a.x >= LEFT && a.x + a.width <= 500 && a.y + HEIGHT <= height);
    for (const b of placed) assert.ok(a === b || a.y !== b.y || a.x + a.width < b.x || b.x + b.width < a.x, `${a.key} ${b.key}`);
  }
});

test("where nothing fits, boxes still have a size, one in a row", () => {
  const { placed } = lay([box("L0H0"), box("L0H1")], 0, 8);
  assert.ok(placed.every((one) => one.width > 0));
  assert.notEqual(placed[0]!.y, placed[1]!.y);
});

test("nothing takes no room", () => {
  assert.deepEqual(lay([], 500, 8), { placed: [], bands: [], height: 0 });
});
