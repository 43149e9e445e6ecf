import "./page";
import assert from "node:assert/strict";
import { test } from "node:test";
import { outline, paint, svgOf, TOP } from "../src/parts/cells";
import type { Layout } from "../src/parts/cells";
import type { HeatmapProps } from "../src/parts/Heatmap";
import type { Pen } from "../src/parts/pen";

Object.assign(globalThis, { getComputedStyle: () => ({ getPropertyValue: (name: string) => ` ${name} ` }) });
globalThis.document = { ...document, documentElement: {} } as never;

const AT: Layout = { left: 30, cell: 20, height: 10, width: 70 };
const map = (values: number[][], change: Partial<HeatmapProps> = {}): HeatmapProps => ({
  label: "a map", rows: values.map((_, r) => `r${r}`), columns: (values[0] ?? []).map((_, c) => `c${c}`),
  value: (r, c) => values[r]![c]!, colour: (v) => `colour ${v}`, describe: () => "", selected: [], theme: "light", ...change,
});

/** A pen that notes what it draws. */
function noting() {
  const drawn: unknown[][] = [];
  const noted = (name: string) => (...args: unknown[]) => void drawn.push([name, ...args]);
  const pen = { measure: (text: string) => 10 * [...text].length, rect: noted("rect"), frame: noted("frame"), lines: noted("lines"), text: noted("text") } as Pen;
  return { pen, of: (name: string) => drawn.filter(([kind]) => kind === name).map(([, ...args]) => args) };
}

test("every cell is where its row and column are, in the colour of its value", () => {
  const { pen, of } = noting();
  paint(pen, map([[1, -2], [0, 3]]), AT, "ink");
  assert.deepEqual(of("rect"), [
    [30, TOP, 19, 9, "colour 1"], [50, TOP, 19, 9, "colour -2"],
    [30, TOP + 10, 19, 9, "colour 0"], [50, TOP + 10, 19, 9, "colour 3"],
  ]);
});

test("what has no value is hatched inside its cell, and has no colour", () => {
  const { pen, of } = noting();
  paint(pen, map([[NaN]]), AT, "ink");
  assert.deepEqual(of("rect"), []);
  const segments = of("lines")[0]![0] as number[][];
  assert.ok(segments.length > 3);
  for (const [x1, y1, x2, y2] of segments as [number, number, number, number][]) {
    assert.ok(x1 >= 30 && x2 <= 49 && y1 <= TOP + 9 && y2 >= TOP && x1 <= x2);
    assert.equal(x2 - x1, y1 - y2); // rising to the right, at 45 degrees
  }
});

test("an infinite value is a value", () => {
  const { pen, of } = noting();
  paint(pen, map([[Infinity]]), AT, "ink");
  assert.deepEqual(of("rect")[0]![4], "colour Infinity");
});

test("cells too small for lines are left empty, and small ones have no gap", () => {
  const { pen, of } = noting();
  paint(pen, map([[NaN, 1]]), { ...AT, cell: 5 }, "ink");
  assert.deepEqual(of("lines"), []);
  assert.deepEqual(of("rect"), [[35, TOP, 5, 9, "colour 1"]]);
});

test("names stand at the middle of their rows and columns, and are left out where they would lie on each other", () => {
  const { pen, of } = noting();
  paint(pen, map([[1, 2, 3], [4, 5, 6]], { columns: ["aaa", "b", "c"] }), AT, "ink"); // 34 wide and 13 high: every second
  assert.deepEqual(of("text"), [["r0", 25, TOP + 5, "ink", "right"], ["aaa", 40, TOP / 2, "ink", "center"], ["c", 80, TOP / 2, "ink", "center"]]);
  const wide = noting();
  paint(wide.pen, map([[1, 2], [3, 4]], { rows: ["a long name", "r"] }), { ...AT, cell: 26, height: 14 }, "ink");
  const [row, column] = [["r", 25, TOP + 21, "ink", "right"], ["c1", 69, TOP / 2, "ink", "center"]];
  assert.deepEqual(wide.of("text"), [["a…", 25, TOP + 7, "ink", "right"], row, ["c0", 43, TOP / 2, "ink", "center"], column]);
});

test("text is written into a cell where it fits, in the ink for its colour", () => {
  const { pen, of } = noting();
  const props = map([[1, NaN]], { text: (_, c) => (c ? "never" : "🙂🙂"), ink: (colour) => `ink on ${colour}` });
  paint(pen, props, AT, "ink");
  assert.deepEqual(of("text").at(-1), ["", 40, TOP + 5, "ink on colour 1", "center"]); // 16 of 20 wide
  paint(pen, props, { ...AT, cell: 24 }, "ink");
  assert.deepEqual(of("text").at(-1), ["🙂🙂", 42, TOP + 5, "ink on colour 1", "center"]);
});

test("a frame goes around its cell", () => {
  const { pen, of } = noting();
  outline(pen, AT, 1, 2, "ink");
  assert.deepEqual(of("frame"), [[70, TOP + 10, 19, 9, "ink"]]);
});

test("a map without rows or columns draws nothing", () => {
  const { pen, of } = noting();
  paint(pen, map([]), AT, "ink");
  assert.deepEqual([...of("rect"), ...of("text")], []);
});

test("the file has the cells, what is selected, and under them the range as a legend", () => {
  const svg = svgOf(map([[1, NaN], [-0.5, 4]], { selected: [{ row: 0, column: 1 }], label: "a < b" }), AT)!();
  const top = TOP + 2 * AT.height;
  assert.ok(svg.includes(`width="420" height="${top + 40}"`)); // no narrower than the legend
  assert.ok(svg.includes('fill="colour 1"'));
  assert.equal(svg.match(/stroke-width="2"/g)!.length, 1);
  const ramp = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="3.3" height="10" fill="colour ([-\d.]+)"/g)].map((found) => found.slice(1).map(Number));
  assert.equal(ramp.length, 40);
  assert.deepEqual([ramp[0], ramp[39]], [[54, top + 6, -0.5], [171, top + 6, 4]]);
  assert.ok(ramp.every(([, , value], i) => Math.abs(value! - (-0.5 + (4.5 * i) / 39)) < 1e-9));
  const text = (x: number, y: number, anchor: string) => `<text x="${x}" y="${y}" dy="0.35em" text-anchor="${anchor}"`;
  assert.ok(svg.includes(`${text(49, top + 11, "end")} fill="--quiet">-0.500</text>`));
  assert.ok(svg.includes(`${text(179, top + 11, "start")} fill="--quiet">4.00</text>`));
  assert.ok(svg.includes(`${text(6, top + 29, "start")} fill="--quiet">a &lt; b</text>`));
});

test("a wide map makes a wide file, and a long label is cut to it", () => {
  const svg = svgOf(map([[1]], { label: "x".repeat(60) }), { ...AT, width: 500 })!();
  assert.ok(svg.includes('width="500"') && svg.includes(`>${"x".repeat(47)}…</text>`));
});

test("a legend of nothing is from zero to zero", () => {
  assert.equal(svgOf(map([[NaN]]), AT)!().match(/>0\.00<\/text>/g)!.length, 2);
});

test("a map of very many cells is no SVG file", () => {
  const many = { ...map([[0]]), rows: new Array<string>(301).fill("") };
  assert.equal(svgOf({ ...many, columns: new Array<string>(200).fill("") }, AT), null);
  assert.notEqual(svgOf({ ...many, columns: new Array<string>(199).fill("") }, AT), null);
});
