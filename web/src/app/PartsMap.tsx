// Every head and MLP: what it wrote, or, once that was measured, what turning it off alone changes.
import { useState } from "preact/hooks";
import { decode, type Fields } from "../data/decode";
import type { Node } from "../data/names";
import type { Tensor } from "../data/tensor";
import { Card } from "../parts/Card";
import { LayerMap } from "../parts/LayerMap";
import type { Valued } from "../parts/LayerMap";
import type { Theme } from "../theme";
import { useLinked } from "../useLinked";
import type { Pair } from "./Explorer";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";
import type { Asked } from "./useJob";

type Named = Node & { name: string };
type View = "direct" | "measured";
const NOTES: Record<View, string> = {
  direct: "What each part wrote towards the answer. Choose one to look into it.",
  measured: "Measured: the fall of the logit difference when the part alone writes zeros.",
};

export function PartsMap(props: { rows: Valued[]; direct: Asked<Fields<"DirectEffects">>; pair: Pair; theme: Theme }) {
  const [wanted, want] = useState<string | null>(null);
  const [view, show] = useState<View>("direct");
  const key = JSON.stringify(props.pair);
  const sweep = useJob(wanted === key ? { kind: "sweep", ...props.pair } : null, effectsOf);
  const measured = view === "measured" && sweep.result !== null;
  const stop = sweep.cancel && (() => { sweep.cancel?.(); want(null); show("direct"); });
  const ask = () => { want(key); show("measured"); };
  return (
    <Card title="Heads and MLPs" note={NOTES[measured ? "measured" : "direct"]} tour="parts">
      <div class="chips">
        <button type="button" aria-pressed={!measured} onClick={() => show("direct")}>Direct effect</button>
        {sweep.result
          ? <button type="button" aria-pressed={measured} onClick={() => show("measured")}>Turned off alone (measured)</button>
          : wanted !== key && <button type="button" onClick={ask}>Measure every head and MLP</button>}
      </div>
      <Status job={{ ...sweep, cancel: stop }} />
      {measured ? <Drawn rows={sweep.result!} word="effect" label="measured effect, in logits" theme={props.theme} /> : (
        <Shown job={props.direct}><Drawn rows={props.rows} word="share" label="direct effect, in logits" absent="not known yet" theme={props.theme} /></Shown>
      )}
    </Card>
  );
}

function effectsOf(raw: unknown): Valued[] {
  const found = raw as { nodes: Named[]; effect: unknown };
  const effect = decode(found.effect) as Tensor;
  return found.nodes.map((node, i) => ({ ...node, value: effect.values[i] ?? null }));
}

function Drawn(props: { rows: Valued[]; word: string; label: string; absent?: string; theme: Theme }) {
  const [{ node, layer }, choose] = useLinked();
  return <LayerMap {...props} selected={node} layer={layer} onSelect={(name) => choose({ node: name })} onLayer={(at) => choose({ layer: at })} />;
}
