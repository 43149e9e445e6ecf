// Every part turned off alone, when asked for: the measured map of the model on this prompt.
import { useState } from "preact/hooks";
import { decode } from "../data/decode";
import type { Node } from "../data/names";
import type { Tensor } from "../data/tensor";
import { Card } from "../parts/Card";
import { LayerMap } from "../parts/LayerMap";
import type { Theme } from "../theme";
import type { Pair } from "./Explorer";
import { Status } from "./Status";
import { useJob } from "./useJob";

type Named = Node & { name: string };

export function Sweep(props: { pair: Pair; theme: Theme; selected: string | null; onSelect: (name: string) => void }) {
  const [wanted, want] = useState<string | null>(null);
  const key = JSON.stringify(props.pair);
  const job = useJob(wanted === key ? { kind: "sweep", ...props.pair } : null, (raw) => {
    const found = raw as { nodes: Named[]; effect: unknown };
    const effect = decode(found.effect) as Tensor;
    return found.nodes.map((node, i) => ({ ...node, value: effect.values[i] ?? null }));
  });
  const stop = job.cancel && (() => { job.cancel?.(); want(null); });
  return (
    <Card title="Every part turned off" note="The fall of the logit difference when a head or MLP alone writes zeros. Measured: one forward each.">
      {wanted !== key && <button type="button" onClick={() => want(key)}>Measure every head and MLP</button>}
      <Status job={{ ...job, cancel: stop }} />
      {job.result && (
        <LayerMap label="measured effect, in logits" word="effect" rows={job.result} selected={props.selected} onSelect={props.onSelect} theme={props.theme} />
      )}
    </Card>
  );
}
