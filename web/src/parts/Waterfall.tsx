// Shares of the largest components, one after the other, and their sum against the logit difference.
import { scaleLinear } from "d3-scale";
import type { Fields } from "../data/decode";
import { layerOf } from "../data/linked";
import { row } from "../data/tensor";
import { signed } from "../format";
import { SvgFigure } from "./FigureTools";
import { useWidth } from "./width";

const SHOWN = 16;
const ROW = 19;
const LEFT = 96;
const RIGHT = 64;

export interface Step {
  name: string;
  share: number;
  selectable: boolean;
}

type DirectEffects = Fields<"DirectEffects">;

interface Choice {
  selected: string | null;
  layer?: number | null;
  onSelect: (name: string) => void;
}

export function Waterfall(props: Choice & { direct: DirectEffects }) {
  const shares = Array.from(row(props.direct.per_example, 0).values);
  const metric = props.direct.metric.values[0]!;
  const total = shares.reduce((a, b) => a + b, 0);
  return (
    <>
      <Steps {...props} name="Shares of the logit difference" order="largest first" steps={stepsOf(props.direct.terms, shares)} total={total} />
      <p class="sum-check" data-testid="sum-check">
        Sum of all {shares.length} shares <b class="number">{signed(total, 4)}</b>; the model's logit difference{" "}
        <b class="number">{signed(metric, 4)}</b>; they differ by <b class="number">{Math.abs(total - metric).toExponential(1)}</b>.
      </p>
    </>
  );
}

/** Steps from nothing to their sum, each beginning where the one above it ends. */
export function Steps(props: Choice & { name: string; order: string; steps: Step[]; total: number }) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const { name, order, steps, total, ...choice } = props;
  const ends = steps.map((_, i) => steps.slice(0, i + 1).reduce((sum, step) => sum + step.share, 0));
  const x = scaleLinear([Math.min(0, ...ends), Math.max(0, ...ends)], [LEFT + 4, Math.max(LEFT + 40, width - RIGHT)]);
  const height = ROW * (steps.length + 1) + 6;
  return (
    <div ref={frame}>
      <SvgFigure name={name}>
        <svg class="waterfall" width={width} height={height} role="group" aria-label={`${name}, ${order}`}>
          <line class="axis" x1={x(0)} x2={x(0)} y1={0} y2={height} />
          {steps.map((step, i) => (
            <Bar {...choice} step={step} from={ends[i]! - step.share} to={ends[i]!} y={i * ROW} x={x} width={width} />
          ))}
          <Bar {...choice} step={{ name: "sum", share: total, selectable: false }} from={0} to={total} y={steps.length * ROW + 3} x={x} width={width} />
        </svg>
      </SvgFigure>
    </div>
  );
}

function Bar(props: Choice & { step: Step; from: number; to: number; y: number; width: number; x: (value: number) => number }) {
  const { step, from, to, x, y } = props;
  const [low, high] = [Math.min(x(from), x(to)), Math.max(x(from), x(to))];
  const choose = () => step.selectable && props.onSelect(step.name);
  const role = step.selectable ? { role: "button" as const, tabIndex: 0, "aria-pressed": step.name === props.selected } : {};
  return (
    <g
      class={`step ${step.selectable ? "selectable" : ""} ${step.name === props.selected ? "chosen" : ""} ${step.selectable && layerOf(step.name) === (props.layer ?? -1) ? "lit" : ""}`}
      aria-label={`${step.name}: ${signed(step.share)}`}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose();
      }}
      {...role}
    >
      <rect class="hit" x={1} y={y + 0.5} width={Math.max(0, props.width - 2)} height={ROW - 1} />
      <text x={LEFT - 6} y={y + ROW / 2} dy="0.35em" text-anchor="end">{step.name}</text>
      <rect class={step.share < 0 ? "share negative" : "share positive"} x={low} y={y + 3} width={Math.max(1, high - low)} height={ROW - 6} />
      <text x={props.width - 4} y={y + ROW / 2} dy="0.35em" text-anchor="end">{signed(step.share)}</text>
    </g>
  );
}

/** The largest shares by size, then everything else as one step. */
export function stepsOf(terms: DirectEffects["terms"], shares: number[]): Step[] {
  const order = shares.map((_, i) => i).sort((a, b) => Math.abs(shares[b]!) - Math.abs(shares[a]!));
  const first = order.slice(0, SHOWN).map((i) => ({
    name: terms[i]!.name,
    share: shares[i]!,
    selectable: terms[i]!.kind === "head" || terms[i]!.kind === "mlp",
  }));
  const rest = order.slice(SHOWN);
  if (!rest.length) return first;
  const share = rest.reduce((sum, i) => sum + shares[i]!, 0);
  return [...first, { name: `${rest.length} others`, share, selectable: false }];
}
