// What each sublayer adds to the logit difference at one position: the lens behind it less that before it.
import type { Fields } from "../data/decode";
import { at } from "../data/tensor";
import { visible } from "../format";
import { useLensPlace } from "./LensGrid";
import { Steps } from "./Waterfall";
import type { Step } from "./Waterfall";

type LogitLens = Fields<"LogitLens">;
const SHOWN = 16;

export function LensShifts(props: { lens: LogitLens; selected: string | null; onSelect: (name: string) => void }) {
  const { lens } = props;
  const { column } = useLensPlace(lens);
  if (lens.targets.length !== 2) return null;
  const [answer, foil] = lens.targets.map(visible);
  const values = lens.points.map((_, p) => at(lens.prompt.target_logit, p, column, 0) - at(lens.prompt.target_logit, p, column, 1));
  return (
    <>
      <h3>Change across each sublayer, at <bdi>“{visible(lens.prompt.tokens[column]!)}”</bdi> (position {lens.positions[column]})</h3>
      <p class="note">
        What the lens's logit of “{answer}” minus “{foil}” gains from before a sublayer to behind it, in the order of the model; A: attention, M: MLP. The
        {" "}{SHOWN} largest changes; the rest is summed between them.
      </p>
      <Steps {...props} name="Change of the lens across sublayers" order="in the order of the model" steps={shiftsOf(lens.points, values)} total={values.at(-1)!} />
    </>
  );
}

/** The largest changes in the model's order, and what lies between two of them as one step. */
export function shiftsOf(points: { name: string; sublayer: string }[], values: number[]): Step[] {
  const changes = values.map((value, i) => (i ? value - values[i - 1]! : value));
  const size = (i: number) => Math.abs(changes[i]!);
  const large = new Set(changes.map((_, i) => i).slice(1).sort((a, b) => size(b) - size(a)).slice(0, SHOWN));
  const steps: Step[] = [];
  let skipped: number[] = [];
  const rest = () => {
    const share = skipped.reduce((sum, i) => sum + changes[i]!, 0);
    if (skipped.length === 1) steps.push({ name: points[skipped[0]!]!.name, share, selectable: false });
    if (skipped.length > 1) steps.push({ name: `${skipped.length} others`, share, selectable: false });
    skipped = [];
  };
  for (let i = 0; i < changes.length; i++) {
    if (i && !large.has(i)) { skipped.push(i); continue; }
    rest();
    steps.push({ name: points[i]!.name, share: changes[i]!, selectable: points[i]!.sublayer === "mlp" });
  }
  rest();
  return steps;
}
