// The colours of figures/palette.py: blue supports the answer, orange opposes it. On a dark page the
// middle is dark and the ends are light, with the same two hues.
import type { Theme } from "./theme";

export const POSITIVE = "#2c7fb8";
export const NEGATIVE = "#c4570a";
const DIVERGING: Record<Theme, string[]> = {
  light: ["#6b2c04", NEGATIVE, "#f5b98a", "#f7f7f7", "#a6cbe6", POSITIVE, "#0f3f7a"],
  dark: ["#ffdcc0", "#f08b45", "#7d4015", "#24282e", "#1f4d70", "#4fa6de", "#cfe8fa"],
};
const SEQUENTIAL: Record<Theme, string[]> = {
  light: ["#f7f7f7", "#cbc3e3", "#8a74bd", "#4b2a86"],
  dark: ["#24282e", "#4c3a7d", "#8f7ad0", "#ded4fa"],
};
const INK = { dark: "#222222", light: "#ffffff" };

/** A colour from -1 (opposes) over 0 to 1 (supports). */
export function diverging(t: number, theme: Theme): string {
  return along(DIVERGING[theme], (Math.max(-1, Math.min(1, t)) + 1) / 2);
}

/** A colour from 0 to 1, for sizes without a sign. */
export function sequential(t: number, theme: Theme): string {
  return along(SEQUENTIAL[theme], Math.max(0, Math.min(1, t)));
}

/** Dark or light text, whichever contrasts more with the colour behind it (WCAG 2). */
export function inkOn(colour: string): string {
  const behind = luminance(colour);
  const dark = (behind + 0.05) / (luminance(INK.dark) + 0.05);
  return dark >= 1.05 / (behind + 0.05) ? INK.dark : INK.light;
}

function along(stops: string[], t: number): string {
  const place = t * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  const a = channels(stops[below]!);
  const b = channels(stops[below + 1]!);
  const mixed = a.map((value, i) => Math.round(value + (b[i]! - value) * (place - below)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function channels(hex: string): number[] {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function luminance(hex: string): number {
  const [r, g, b] = channels(hex).map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
