// The names and cells of a heat map, drawn with a pen: on the page, and into a file with a legend.
import { pageColour } from "../picture";
import type { HeatmapProps } from "./Heatmap";
import { canvasPen, clip, svgPen } from "./pen";
import type { Pen, Segment } from "./pen";

export const TOP = 18;
const FINE = 6;
const DENSITY = 2;
const LEGEND = { height: 40, ramp: 120, steps: 40, width: 420 };
/** Cells that an SVG file may have; a picture of more is better in pixels. */
const MOST = 60_000;

/** In pixels: room for the names, a cell's sides, the whole. */
export interface Layout {
  left: number;
  cell: number;
  height: number;
  width: number;
}

export function paint(pen: Pen, props: HeatmapProps, at: Layout, ink: string): void {
  paintNames(pen, props, at, ink);
  for (let r = 0; r < props.rows.length; r++)
    for (let c = 0; c < props.columns.length; c++) paintCell(pen, props, at, r, c, ink);
}

export function outline(pen: Pen, at: Layout, row: number, column: number, colour: string): void {
  pen.frame(at.left + column * at.cell, TOP + row * at.height, at.cell - gapOf(at), at.height - 1, colour);
}

/** The map as an SVG file; null when it has too many cells for one. */
export function svgOf(props: HeatmapProps, at: Layout): (() => string) | null {
  if (props.rows.length * props.columns.length > MOST) return null;
  return () => {
    const { pen, file } = svgPen();
    const [width, height] = paintFile(pen, props, at);
    return file(width, height);
  };
}

export function pngOf(props: HeatmapProps, at: Layout): Promise<Blob> {
  const canvas = document.createElement("canvas");
  const [width, height] = sizeOf(props, at);
  canvas.width = Math.round(width * DENSITY);
  canvas.height = Math.round(height * DENSITY);
  const draw = canvas.getContext("2d")!;
  draw.scale(DENSITY, DENSITY);
  paintFile(canvasPen(draw), props, at);
  return new Promise((made, failed) =>
    canvas.toBlob((blob) => (blob ? made(blob) : failed(new Error("The picture is too large."))), "image/png"),
  );
}

function sizeOf(props: HeatmapProps, at: Layout): [number, number] {
  return [Math.max(at.width, LEGEND.width), TOP + at.height * props.rows.length + LEGEND.height];
}

/** The map on the page's colour, what is selected, and what the colours mean. */
function paintFile(pen: Pen, props: HeatmapProps, at: Layout): [number, number] {
  const [width, height] = sizeOf(props, at);
  const ink = pageColour("--quiet");
  pen.rect(0, 0, width, height, pageColour("--card"));
  paint(pen, props, at, ink);
  for (const place of props.selected) outline(pen, at, place.row, place.column, pageColour("--ink"));
  paintLegend(pen, props, height - LEGEND.height, width, ink);
  return [width, height];
}

function paintLegend(pen: Pen, props: HeatmapProps, top: number, width: number, ink: string) {
  const [low, high] = rangeOf(props);
  const left = 54;
  for (let i = 0; i < LEGEND.steps; i++) {
    const value = low + ((high - low) * i) / (LEGEND.steps - 1);
    pen.rect(left + (i * LEGEND.ramp) / LEGEND.steps, top + 6, LEGEND.ramp / LEGEND.steps + 0.3, 10, props.colour(value));
  }
  pen.text(low.toPrecision(3), left - 5, top + 11, ink, "right");
  pen.text(high.toPrecision(3), left + LEGEND.ramp + 5, top + 11, ink, "left");
  pen.text(clip(pen, props.label, width - 12), 6, top + 29, ink, "left");
}

function rangeOf(props: HeatmapProps): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let r = 0; r < props.rows.length; r++)
    for (let c = 0; c < props.columns.length; c++) {
      const value = props.value(r, c);
      if (value < low) low = value;
      if (value > high) high = value;
    }
  return low <= high ? [low, high] : [0, 0];
}

function paintNames(pen: Pen, props: HeatmapProps, at: Layout, ink: string) {
  const every = Math.max(1, Math.ceil(13 / at.height));
  props.rows.forEach((name, r) => {
    if (r % every === 0) pen.text(clip(pen, name, at.left - 6), at.left - 5, TOP + (r + 0.5) * at.height, ink, "right");
  });
  const widest = Math.max(...props.columns.map(pen.measure), 1);
  const skip = Math.max(1, Math.ceil(Math.min(widest + 4, 60) / at.cell));
  props.columns.forEach((name, c) => {
    if (c % skip === 0) pen.text(clip(pen, name, at.cell * skip), at.left + (c + 0.5) * at.cell, TOP / 2, ink, "center");
  });
}

function paintCell(pen: Pen, props: HeatmapProps, at: Layout, r: number, c: number, ink: string) {
  const x = at.left + c * at.cell;
  const y = TOP + r * at.height;
  const width = at.cell - gapOf(at);
  const value = props.value(r, c);
  if (Number.isNaN(value)) {
    hatch(pen, x, y, width, at.height - 1, ink);
    return;
  }
  const colour = props.colour(value);
  pen.rect(x, y, width, at.height - 1, colour);
  if (!props.text || !props.ink) return;
  pen.text(clip(pen, props.text(r, c), at.cell - 4), x + at.cell / 2, y + at.height / 2, props.ink(colour), "center");
}

function gapOf(at: Layout): number {
  return at.cell > 8 ? 1 : 0;
}

/** Lines that rise to the right, cut off at the cell's sides. */
function hatch(pen: Pen, x: number, y: number, width: number, height: number, ink: string) {
  if (width < FINE || height < FINE) return; // Too small for lines: left empty.
  const segments: Segment[] = [];
  for (let step = -height; step < width; step += 5) {
    const [from, to] = [Math.max(0, step), Math.min(width, step + height)];
    segments.push([x + from, y + height - (from - step), x + to, y + height - (to - step)]);
  }
  pen.lines(segments, ink, 0.28);
}
