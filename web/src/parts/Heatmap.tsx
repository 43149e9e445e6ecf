// A matrix on a canvas: colours, a frame around what is selected, arrow keys, and a line of text
// that says the cell under the pointer or the cursor.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Theme } from "../theme";
import { useWidth } from "./width";

export interface Cell {
  row: number;
  column: number;
}

export interface HeatmapProps {
  label: string;
  rows: string[];
  columns: string[];
  /** NaN where there is nothing: hatched. */
  value: (row: number, column: number) => number;
  colour: (value: number) => string;
  describe: (row: number, column: number) => string;
  /** Written into the cell where it fits. */
  text?: (row: number, column: number) => string;
  ink?: (colour: string) => string;
  selected: Cell[];
  onSelect?: (row: number, column: number) => void;
  theme: Theme;
  cellHeight?: number;
  maxCellWidth?: number;
  minCellWidth?: number;
  leftWidth?: number;
}

const TOP = 18;
const FINE = 6;
const FONT = "11px system-ui, sans-serif";
const KEYS: Record<string, [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export function Heatmap(props: HeatmapProps) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [over, setOver] = useState<Cell | null>(null);
  const left = props.leftWidth ?? 34;
  const height = props.cellHeight ?? 16;
  const fitting = (width - left) / Math.max(1, props.columns.length);
  const cell = Math.max(props.minCellWidth ?? 4, Math.min(props.maxCellWidth ?? 44, fitting));
  const layout = { left, cell, height, width: left + cell * props.columns.length };

  const cells = useRef<HTMLCanvasElement | null>(null);
  // Cells are painted when what they show changes, not when the pointer moves.
  useEffect(() => {
    if (width > 0) cells.current = painted(props, layout, getComputedStyle(canvas.current!).getPropertyValue("--quiet"));
  }, [props, width]);
  useEffect(() => {
    if (cells.current) show(canvas.current!, cells.current, props, layout, over);
  });

  const at = (event: MouseEvent): Cell | null => {
    const box = canvas.current!.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - TOP) / height);
    const column = Math.floor((event.clientX - box.left - left) / cell);
    return row in props.rows && column in props.columns ? { row, column } : null;
  };
  const select = (place: Cell | null) => place && props.onSelect?.(place.row, place.column);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = KEYS[event.key];
    const from = over ?? props.selected[0] ?? { row: 0, column: 0 };
    if (step) {
      const to = { row: from.row + step[0], column: from.column + step[1] };
      if (to.row in props.rows && to.column in props.columns) setOver(to);
    } else if (event.key === "Enter" || event.key === " ") select(from);
    else return;
    event.preventDefault();
  };
  const shown = over ?? props.selected[0];
  return (
    <div class="heatmap">
      <div ref={frame} class="heatmap-scroll">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-roledescription="heat map"
          aria-label={`${props.label}. Arrow keys move, Enter selects.`}
          onMouseMove={(event) => setOver(at(event))}
          onMouseLeave={() => setOver(null)}
          onBlur={() => setOver(null)}
          onClick={(event) => select(at(event))}
          onKeyDown={onKeyDown}
        />
      </div>
      <p class="readout" aria-live="polite">
        {shown ? props.describe(shown.row, shown.column) : "Point at a cell, or use the arrow keys."}
      </p>
    </div>
  );
}

/** In pixels: room for the names, a cell's sides, the whole. */
interface Layout {
  left: number;
  cell: number;
  height: number;
  width: number;
}

/** Names and cells, on a canvas that is not on the page. */
function painted(props: HeatmapProps, at: Layout, ink: string): HTMLCanvasElement {
  const density = devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(at.width * density);
  canvas.height = Math.round((TOP + at.height * props.rows.length) * density);
  const draw = canvas.getContext("2d")!;
  draw.scale(density, density);
  draw.font = FONT;
  draw.textBaseline = "middle";
  paintNames(draw, props, at, ink);
  for (let r = 0; r < props.rows.length; r++)
    for (let c = 0; c < props.columns.length; c++) paintCell(draw, props, at, r, c, ink);
  return canvas;
}

/** The cells, and frames around what is selected and what is pointed at. */
function show(canvas: HTMLCanvasElement, cells: HTMLCanvasElement, props: HeatmapProps, at: Layout, over: Cell | null) {
  const style = getComputedStyle(canvas);
  const density = devicePixelRatio || 1;
  canvas.width = cells.width;
  canvas.height = cells.height;
  canvas.style.width = `${at.width}px`;
  canvas.style.height = `${TOP + at.height * props.rows.length}px`;
  const draw = canvas.getContext("2d")!;
  draw.drawImage(cells, 0, 0);
  draw.scale(density, density);
  const mark = style.getPropertyValue("--ink");
  for (const place of props.selected) outline(draw, at, place, mark, 2);
  if (over) outline(draw, at, over, style.getPropertyValue("--focus"), 2);
}

function paintNames(draw: CanvasRenderingContext2D, props: HeatmapProps, at: Layout, ink: string) {
  draw.fillStyle = ink;
  draw.textAlign = "right";
  const every = Math.max(1, Math.ceil(13 / at.height));
  props.rows.forEach((name, r) => {
    if (r % every === 0) draw.fillText(clip(draw, name, at.left - 6), at.left - 5, TOP + (r + 0.5) * at.height);
  });
  draw.textAlign = "center";
  const widest = Math.max(...props.columns.map((name) => draw.measureText(name).width), 1);
  const skip = Math.max(1, Math.ceil(Math.min(widest + 4, 60) / at.cell));
  props.columns.forEach((name, c) => {
    if (c % skip === 0) draw.fillText(clip(draw, name, at.cell * skip), at.left + (c + 0.5) * at.cell, TOP / 2);
  });
}

function paintCell(
  draw: CanvasRenderingContext2D, props: HeatmapProps, at: Layout, r: number, c: number, ink: string,
) {
  const x = at.left + c * at.cell;
  const y = TOP + r * at.height;
  const gap = at.cell > 8 ? 1 : 0;
  const value = props.value(r, c);
  if (Number.isNaN(value)) {
    hatch(draw, x, y, at.cell - gap, at.height - 1, ink);
    return;
  }
  const colour = props.colour(value);
  draw.fillStyle = colour;
  draw.fillRect(x, y, at.cell - gap, at.height - 1);
  if (!props.text || !props.ink) return;
  draw.fillStyle = props.ink(colour);
  draw.textAlign = "center";
  draw.fillText(clip(draw, props.text(r, c), at.cell - 4), x + at.cell / 2, y + at.height / 2);
}

function hatch(draw: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, ink: string) {
  if (w < FINE || h < FINE) return; // Too small for lines: left empty.
  draw.save();
  draw.beginPath();
  draw.rect(x, y, w, h);
  draw.clip();
  draw.strokeStyle = ink;
  draw.globalAlpha = 0.28;
  draw.beginPath();
  for (let step = -h; step < w; step += 5) {
    draw.moveTo(x + step, y + h);
    draw.lineTo(x + step + h, y);
  }
  draw.stroke();
  draw.restore();
}

function outline(draw: CanvasRenderingContext2D, at: Layout, place: Cell, ink: string, width: number) {
  draw.strokeStyle = ink;
  draw.lineWidth = width;
  const gap = at.cell > 8 ? 1 : 0;
  draw.strokeRect(at.left + place.column * at.cell, TOP + place.row * at.height, at.cell - gap, at.height - 1);
}

function clip(draw: CanvasRenderingContext2D, text: string, room: number): string {
  if (draw.measureText(text).width <= room) return text;
  const letters = [...text];
  while (letters.length && draw.measureText(`${letters.join("")}\u2026`).width > room) letters.pop();
  return letters.length ? `${letters.join("")}\u2026` : "";
}
