// One way to draw for the page (a canvas) and for files (SVG): the same calls make both.
import { escaped } from "../picture";

export const FONT_SIZE = 11;
const FAMILY = "system-ui, sans-serif";
const FONT = `${FONT_SIZE}px ${FAMILY}`;

export type Align = "left" | "center" | "right";
export type Segment = [x1: number, y1: number, x2: number, y2: number];

export interface Pen {
  rect: (x: number, y: number, width: number, height: number, colour: string) => void;
  frame: (x: number, y: number, width: number, height: number, colour: string) => void;
  lines: (segments: Segment[], colour: string, opacity: number) => void;
  /** Text around the middle of a line at `y`. */
  text: (text: string, x: number, y: number, colour: string, align: Align) => void;
  measure: (text: string) => number;
}

export function canvasPen(draw: CanvasRenderingContext2D): Pen {
  draw.font = FONT;
  draw.textBaseline = "middle";
  return {
    rect: (x, y, width, height, colour) => {
      draw.fillStyle = colour;
      draw.fillRect(x, y, width, height);
    },
    frame: (x, y, width, height, colour) => {
      draw.strokeStyle = colour;
      draw.lineWidth = 2;
      draw.strokeRect(x, y, width, height);
    },
    lines: (segments, colour, opacity) => {
      draw.strokeStyle = colour;
      draw.globalAlpha = opacity;
      draw.lineWidth = 1;
      draw.beginPath();
      for (const [x1, y1, x2, y2] of segments) {
        draw.moveTo(x1, y1);
        draw.lineTo(x2, y2);
      }
      draw.stroke();
      draw.globalAlpha = 1;
    },
    text: (text, x, y, colour, align) => {
      draw.fillStyle = colour;
      draw.textAlign = align;
      draw.fillText(text, x, y);
    },
    measure: (text) => draw.measureText(text).width,
  };
}

/** A pen whose strokes become the elements of an SVG file. */
export function svgPen(): { pen: Pen; file: (width: number, height: number) => string } {
  const made: string[] = [];
  const { measure } = canvasPen(document.createElement("canvas").getContext("2d")!);
  const place = (x: number, y: number, width: number, height: number) =>
    `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
  const anchors = { left: "start", center: "middle", right: "end" };
  const pen: Pen = {
    measure,
    rect: (x, y, width, height, colour) => made.push(`${place(x, y, width, height)} fill="${escaped(colour)}"/>`),
    frame: (x, y, width, height, colour) =>
      made.push(`${place(x, y, width, height)} fill="none" stroke="${escaped(colour)}" stroke-width="2"/>`),
    lines: (segments, colour, opacity) => {
      const path = segments.map(([x1, y1, x2, y2]) => `M${short(x1)} ${short(y1)}L${short(x2)} ${short(y2)}`).join("");
      made.push(`<path d="${path}" stroke="${escaped(colour)}" stroke-opacity="${opacity}"/>`);
    },
    text: (text, x, y, colour, align) =>
      made.push(
        `<text x="${short(x)}" y="${short(y)}" dy="0.35em" text-anchor="${anchors[align]}" fill="${escaped(colour)}">${escaped(text)}</text>`,
      ),
  };
  const file = (width: number, height: number) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}" height="${short(height)}" ` +
    `viewBox="0 0 ${short(width)} ${short(height)}" font-family="${FAMILY}" font-size="${FONT_SIZE}">${made.join("")}</svg>`;
  return { pen, file };
}

/** As much of a text as fits. */
export function clip(pen: Pen, text: string, room: number): string {
  if (pen.measure(text) <= room) return text;
  const letters = [...text];
  while (letters.length && pen.measure(`${letters.join("")}\u2026`) > room) letters.pop();
  return letters.length ? `${letters.join("")}\u2026` : "";
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}
