// Measured sufficiency by size, on a log axis, beside the random sets of the circuit's size.
import { scaleLinear, scaleLog } from "d3-scale";
import { line } from "d3-shape";
import type { Faithfulness } from "../data/results";
import { NOTHING_TO_DIVIDE_BY } from "../format";
import { SvgFigure } from "./FigureTools";
import { useWidth } from "./width";

const HEIGHT = 260;
/** The height of a line that says what a mark means; part of the figure, so that a saved one has it. */
const KEY = 18;
const SIDE = { left: 40, right: 12, top: 12, bottom: 34 };

export function Curve(props: { found: Faithfulness; target?: number; size: number | null; onSize: (size: number) => void }) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const { found } = props;
  if (Number.isNaN(found.sufficiency)) return <p class="note">{NOTHING_TO_DIVIDE_BY}</p>;
  const drawn = [...found.curve, ...found.random_same_size, ...found.random_same_layers, found.sufficiency, 0, 1];
  const x = scaleLog([1, Math.max(found.out_of, 2)], [SIDE.left, Math.max(width - SIDE.right, SIDE.left + 10)]);
  const y = scaleLinear([Math.min(...drawn), Math.max(...drawn)], [HEIGHT - SIDE.bottom, SIDE.top]).nice(5);
  const points = found.curve_sizes.map((size, i) => [size, found.curve[i]!] as [number, number]);
  const path = line<[number, number]>((p) => x(p[0]), (p) => y(p[1]))(points) ?? "";
  const text = found.curve_sizes.map((size, i) => `${size}: ${found.curve[i]!.toFixed(2)}`).join(", ");
  const [first, second] = [band(found.random_same_size), band(found.random_same_layers)];
  const keys: [mark: string, text: string][] = [["point", "measured: the highest ranked nodes"], ["found", "measured: the circuit"]];
  if (first) keys.push(["band same-size", "random sets of its size, 5–95 %"]);
  if (second) keys.push(["band same-layers", "random, as many in each layer, 5–95 %"]);
  return (
    <div ref={frame} class="curve">
      <SvgFigure name="Sufficiency by size">
        <svg width={width} height={HEIGHT + KEY * keys.length + 4} role="img" aria-label={`Measured sufficiency by number of nodes. ${text}`}>
          {y.ticks(5).map((tick) => (
            <g>
              <line class={tick === 0 || tick === 1 ? "axis" : "grid"} x1={SIDE.left} x2={width - SIDE.right} y1={y(tick)} y2={y(tick)} />
              <text class="tick" x={SIDE.left - 6} y={y(tick)} dy="0.32em" text-anchor="end">{tick}</text>
            </g>
          ))}
          {props.target !== undefined && (
            <>
              <line class="target" x1={SIDE.left} x2={width - SIDE.right} y1={y(props.target)} y2={y(props.target)} />
              <text class="tick" x={width - SIDE.right} y={y(props.target) - 5} text-anchor="end">target {props.target}</text>
            </>
          )}
          {first && <Band at={x(found.size) - 7} range={first} y={y} name="same-size" />}
          {second && <Band at={x(found.size) + 7} range={second} y={y} name="same-layers" />}
          <path class="measured" d={path} />
          {points.map(([size, value]) => (
            <circle
              class={size === props.size ? "point chosen" : "point"}
              cx={x(size)} cy={y(value)} r={size === props.size ? 7 : 4.5}
              onClick={() => props.onSize(size)}
            >
              <title>{`${size} nodes: ${value.toFixed(3)}`}</title>
            </circle>
          ))}
          <rect class="found" x={x(found.size) - 5} y={y(found.sufficiency) - 5} width={10} height={10}>
            <title>{`the circuit, ${found.size} nodes: ${found.sufficiency.toFixed(3)}`}</title>
          </rect>
          {sizesShown(found.curve_sizes, x).map((size) => (
            <text class="tick" x={x(size)} y={HEIGHT - SIDE.bottom + 16} text-anchor="middle">{size}</text>
          ))}
          <text class="tick" x={(SIDE.left + width) / 2} y={HEIGHT - 3} text-anchor="middle">nodes kept, the rest replaced</text>
          {keys.map(([mark, text], i) => (
            <g transform={`translate(${SIDE.left},${HEIGHT + KEY * (i + 0.5) + 4})`}>
              {mark === "point" ? <circle class="point" r={4.5} /> : <rect class={mark} x={-5} y={-5} width={10} height={10} />}
              <text class="tick" x={14} dy="0.32em">{text}</text>
            </g>
          ))}
        </svg>
      </SvgFigure>
    </div>
  );
}

function Band(props: { at: number; range: [number, number]; y: (value: number) => number; name: string }) {
  const [low, high] = props.range;
  const top = props.y(high);
  return (
    <rect class={`band ${props.name}`} x={props.at - 5} width={10} y={top - 1.5} height={Math.max(3, props.y(low) - top + 3)}>
      <title>{`${low.toFixed(3)} to ${high.toFixed(3)}`}</title>
    </rect>
  );
}

/** The middle 90 % of a sample, by linear interpolation between its values. */
export function band(sample: number[]): [number, number] | null {
  if (!sample.length) return null;
  const ordered = [...sample].sort((a, b) => a - b);
  const at = (q: number) => {
    const place = q * (ordered.length - 1);
    const below = Math.floor(place);
    const a = ordered[below]!;
    return a + ((ordered[below + 1] ?? a) - a) * (place - below);
  };
  return [at(0.05), at(0.95)];
}

function sizesShown(sizes: number[], x: (size: number) => number): number[] {
  const shown: number[] = [];
  for (const size of sizes) {
    const last = shown.at(-1);
    if (last === undefined || x(size) - x(last) > 26) shown.push(size);
  }
  return shown;
}
