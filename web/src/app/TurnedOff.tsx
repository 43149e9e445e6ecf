// Parts turned off together, and the answer with and without them; beside it, random parts.
import type { Choices } from "../../types/results";
import { Card } from "../parts/Card";
import { setParam, useParam } from "../state";
import type { Pair } from "./Explorer";
import { SideBySide } from "./SideBySide";
import type { Told } from "./SideBySide";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

interface Off {
  nodes: string[];
  drawn: string[] | null;
  plain: Told;
  off: Told;
  random: Told | null;
}

/** The parts of the address that are turned off. */
export function useOff(): [string[], (name: string) => void] {
  const [value, set] = useParam("off");
  const names = value ? value.split(",") : [];
  const toggle = (name: string) => {
    const kept = names.includes(name) ? names.filter((one) => one !== name) : [...names, name];
    set(kept.length ? kept.join(",") : null);
  };
  return [names, toggle];
}

/** What a part that is turned off gives instead. */
const INSTEAD: Record<Choices["AppAblation"], string> = { zero: "zeros", mean: "its mean over the prompt" };

export function TurnedOff({ pair, nodes }: { pair: Pair; nodes: string[] }) {
  const [names, toggle] = useOff();
  const [instead, setInstead] = useParam("instead");
  const [seed, setSeed] = useParam("seed");
  const off = names.filter((name) => nodes.includes(name));
  const asked = { kind: "off", ...pair, nodes: off, instead: instead !== null && Object.hasOwn(INSTEAD, instead) ? instead : "zero", seed: Number(seed) || 0 };
  const job = useJob(off.length ? asked : null, (found) => found as Off);
  if (off.length === 0) return null;
  return (
    <Card title="Turned off" note="What a part writes is replaced, at every position; everything after it is computed again.">
      <div class="chips">
        {off.map((name) => <button type="button" onClick={() => toggle(name)} aria-label={`Turn ${name} on again`}>{name} ✕</button>)}
        <button type="button" onClick={() => setParam("off", null)}>all on</button>
      </div>
      <label class="field">
        Replaced by{" "}
        <select value={asked.instead} onChange={(e) => setInstead(e.currentTarget.value)}>
          {Object.entries(INSTEAD).map(([name, said]) => <option value={name}>{said}</option>)}
        </select>
      </label>
      <Status job={job} />
      <Shown job={job}>{job.result && <Compared found={job.result} />}</Shown>
      {job.result && (
        <button type="button" onClick={() => setSeed(String(asked.seed + 1))}>Draw other random parts (seed {asked.seed})</button>
      )}
    </Card>
  );
}

function Compared({ found }: { found: Off }) {
  const random = found.drawn ? `without ${found.drawn.join(", ")} (random)` : "random: too few others";
  return (
    <SideBySide
      base={found.plain}
      columns={[["the model", found.plain], [`without ${found.nodes.join(", ")}`, found.off], [random, found.random]]}
    />
  );
}
