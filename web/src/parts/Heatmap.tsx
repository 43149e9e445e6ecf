// A matrix on a canvas: colours, a frame around what is selected, arrow keys, and a line of text
// that says the cell under the pointer or the cursor.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Theme } from "../theme";
import { outline, paint, pngOf, svgOf, TOP } from "./cells";
import type { Layout } from "./cells";
import { FigureTools } from "./FigureTools";
import { canvasPen } from "./pen";
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
  /** Rows and columns that belong to what is selected in another view: framed whole. */
  lit?: { rows: number[]; columns: number[] } | undefined;
  onSelect?: (row: number, column: number) => void;
  /** A click on a row's name, or on a column's. */
  onRow?: ((row: number) => void) | undefined;
  onColumn?: ((column: number) => void) | undefined;
  theme: Theme;
  /** The cell that is brought into sight at first, where not all of them are. */
  begin?: Cell;
  cellHeight?: number;
  maxCellWidth?: number;
  minCellWidth?: number;
  leftWidth?: number;
}

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

  const { begin } = props;
  useEffect(() => {
    if (width === 0 || !begin) return;
    const box = frame.current!;
    box.scrollLeft = left + (begin.column + 1) * cell - box.clientWidth;
    box.scrollTop = TOP + begin.row * height - box.clientHeight / 2;
  }, [width > 0, begin?.row, begin?.column]);

  const at = (event: MouseEvent): Cell | null => {
    const box = canvas.current!.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - TOP) / height);
    const column = Math.floor((event.clientX - box.left - left) / cell);
    return row in props.rows && column in props.columns ? { row, column } : null;
  };
  const select = (place: Cell | null) => place && props.onSelect?.(place.row, place.column);
  const onClick = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - TOP) / height);
    const column = Math.floor((event.clientX - box.left - left) / cell);
    if (column < 0 && row in props.rows) props.onRow?.(row);
    else if (row < 0 && column in props.columns) props.onColumn?.(column);
    else select(at(event));
  };
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
          onClick={onClick}
          onKeyDown={onKeyDown}
        />
      </div>
      <p class="readout" aria-live="polite">
        {shown ? props.describe(shown.row, shown.column) : "Point at a cell, or use the arrow keys."}
      </p>
      <FigureTools name={props.label} svg={svgOf(props, layout)} png={() => pngOf(props, layout)} />
    </div>
  );
}

/** Names and cells, on a canvas that is not on the page. */
function painted(props: HeatmapProps, at: Layout, ink: string): HTMLCanvasElement {
  const density = devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(at.width * density);
  canvas.height = Math.round((TOP + at.height * props.rows.length) * density);
  const draw = canvas.getContext("2d")!;
  draw.scale(density, density);
  paint(canvasPen(draw), props, at, ink);
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
  const pen = canvasPen(draw);
  const focus = style.getPropertyValue("--focus");
  for (const row of props.lit?.rows ?? []) pen.frame(at.left - 2, TOP + row * at.height - 1, at.width - at.left + 2, at.height + 1, focus);
  for (const column of props.lit?.columns ?? []) pen.frame(at.left + column * at.cell - 1, 1, at.cell + 1, canvas.clientHeight - 2, focus);
  for (const place of props.selected) outline(pen, at, place.row, place.column, style.getPropertyValue("--ink"));
  if (over) outline(pen, at, over.row, over.column, focus);
}
