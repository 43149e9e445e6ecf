import { useEffect, useRef } from "preact/hooks";
import { diverging, sequential } from "../colour";
import { signed } from "../format";
import type { Theme } from "../theme";

const STEPS = 128;

const ENDS = ["opposes the answer", "supports the answer"] as const;

/** What the colours mean, in numbers and words; `ends` are those of the lowest and the highest. */
export function Legend(props: { limit: number; theme: Theme; label: string; absent?: string; ends?: readonly [string, string] }) {
  const [low, high] = props.ends ?? ENDS;
  return (
    <div class="legend">
      <span class="legend-end">{signed(-props.limit, 2)} {low}</span>
      <Ramp colour={(t) => diverging(2 * t - 1, props.theme)} theme={props.theme} />
      <span class="legend-end">{signed(props.limit, 2)} {high}</span>
      <span class="legend-label">
        {props.label}
        {props.absent && <> · hatched: {props.absent}</>}
      </span>
    </div>
  );
}

export function SizeLegend(props: { limit: string; theme: Theme; label: string }) {
  return (
    <div class="legend">
      <span class="legend-end">0</span>
      <Ramp colour={(t) => sequential(t, props.theme)} theme={props.theme} />
      <span class="legend-end">{props.limit}</span>
      <span class="legend-label">{props.label}</span>
    </div>
  );
}

function Ramp(props: { colour: (t: number) => string; theme: Theme }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = canvas.current!.getContext("2d")!;
    for (let i = 0; i < STEPS; i++) {
      draw.fillStyle = props.colour(i / (STEPS - 1));
      draw.fillRect(i, 0, 1, 1);
    }
  }, [props.theme]);
  return <canvas ref={canvas} class="ramp" width={STEPS} height={1} aria-hidden="true" />;
}
