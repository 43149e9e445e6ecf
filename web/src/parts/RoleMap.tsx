// What heads do, one role at a time: scores of all heads, the threshold, and the highest null score.
import { useMemo, useState } from "preact/hooks";
import { sequential } from "../colour";
import type { Fields } from "../data/decode";
import { nodeName } from "../data/names";
import { at } from "../data/tensor";
import type { Tensor } from "../data/tensor";
import type { Theme } from "../theme";
import { Heatmap } from "./Heatmap";
import { SizeLegend } from "./Legend";

export function RoleMap(props: { found: Fields<"HeadRoles">; selected: string | null; onSelect: (name: string) => void; theme: Theme }) {
  const { found, theme } = props;
  const [role, setRole] = useState(Math.max(0, found.roles.indexOf("induction")));
  const highest = useMemo(() => found.roles.map((_, r) => highestNull(found.null, r)), [found]);
  const threshold = found.thresholds.values[role]!;
  const places = new Map(found.heads.map((node, i) => [`${node.layer},${node.head}`, i]));
  const layers = 1 + Math.max(...found.heads.map((node) => node.layer ?? 0));
  const across = 1 + Math.max(...found.heads.map((node) => node.head ?? 0));
  const score = (r: number, c: number) => {
    const i = places.get(`${r},${c}`);
    return i === undefined ? NaN : at(found.score, i, role);
  };
  const holds = (value: number) => value >= threshold && value > highest[role]!;
  const holders = found.heads.filter((_, i) => holds(at(found.score, i, role)));
  const name = found.roles[role]!;
  const missing = found.unmeasured[name];
  return (
    <>
      <label class="field">
        Role{" "}
        <select value={role} onChange={(e) => setRole(Number(e.currentTarget.value))}>
          {found.roles.map((one, i) => <option value={i}>{one}</option>)}
        </select>
      </label>
      {missing && <p class="problem">Not measured: {missing}</p>}
      <p data-testid="role">
        {holders.length} of {found.heads.length} heads hold the role <b>{name}</b>: score at least {threshold.toFixed(2)} and above
        the highest null score of any head, {highest[role]!.toFixed(3)}. They are framed.
      </p>
      <SizeLegend limit="1" theme={theme} label={`score for ${name}, on ${found.sequences} sequences of 2 × ${found.length} random tokens (seed ${found.seed})`} />
      <Heatmap
        label={`Scores of all heads for ${name}`}
        rows={Array.from({ length: layers }, (_, l) => `L${l}`)}
        columns={Array.from({ length: across }, (_, h) => `H${h}`)}
        value={score}
        colour={(v) => sequential(v, theme)}
        describe={(r, c) => `L${r}H${c}: score ${score(r, c).toFixed(3)}, ${holds(score(r, c)) ? "holds the role" : "does not hold the role"}`}
        selected={holders.map((node) => ({ row: node.layer!, column: node.head! }))}
        onSelect={(r, c) => props.onSelect(`L${r}H${c}`)}
        theme={theme}
        maxCellWidth={56}
      />
      <p class="note">{holders.map(nodeName).join(" ")}</p>
    </>
  );
}

/** The highest score of any head in any null draw, for one role. */
function highestNull(scores: Tensor, role: number): number {
  const roles = scores.shape.at(-1)!;
  let highest = -Infinity;
  for (let i = role; i < scores.values.length; i += roles) if (scores.values[i]! > highest) highest = scores.values[i]!;
  return highest;
}
