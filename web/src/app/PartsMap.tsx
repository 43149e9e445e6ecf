// Every head and MLP: what it wrote, or, once that was measured, what turning it off alone changes.
import { useEffect, useState } from "preact/hooks";
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
  const [part, keep] = useState<{ key: string; rows: Valued[] } | null>(null);
  const [stopping, setStopping] = useState(false);
  const rows = sweep.result ?? (part?.key === key ? part.rows : null);
  const known = rows ? rows.filter((row) => row.value !== null).length : 0;
  const whole = rows !== null && known === rows.length;
  const measured = view === "measured" && rows !== null;
  const stop = sweep.cancel && (() => { sweep.cancel?.(); setStopping(true); });
  const ask = () => { want(key); show("measured"); };
  useEffect(() => {
    if (!stopping || sweep.progress) return;
    setStopping(false);
    want(null);
    if (sweep.result) keep({ key, rows: sweep.result });
    else show("direct");
  }, [stopping, sweep.progress]);
  const partly = measured && !whole ? ` Stopped after ${known} of ${rows.length}; the others are hatched.` : "";
  return (
    <Card title="Heads and MLPs" note={NOTES[measured ? "measured" : "direct"] + partly} tour="parts">
      <div class="chips">
        <button type="button" aria-pressed={!measured} onClick={() => show("direct")}>Direct effect</button>
        {rows && <button type="button" aria-pressed={measured} onClick={() => show("measured")}>Turned off alone (measured)</button>}
        {!whole && wanted !== key && <button type="button" onClick={ask}>Measure every head and MLP</button>}
      </div>
      <Status job={{ ...sweep, cancel: stop }} />
      {measured ? <Drawn rows={rows} word="effect" label="measured effect, in logits" {...(whole ? {} : { absent: "not measured" })} theme={props.theme} /> : (
        <Shown job={props.direct}><Drawn rows={props.rows} word="share" label="direct effect, in logits" absent="not known yet" theme={props.theme} /></Shown>
      )}
    </Card>
  );
}

function effectsOf(raw: unknown): Valued[] {
  const found = raw as { nodes: Named[]; effect: unknown };
  const effect = decode(found.effect) as Tensor;
  return found.nodes.map((node, i) => ({ ...node, value: finiteOr(effect.values[i]) }));
}

function finiteOr(value: number | null | undefined): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function Drawn(props: { rows: Valued[]; word: string; label: string; absent?: string; theme: Theme }) {
  const [{ node, layer }, choose] = useLinked();
  return <LayerMap {...props} selected={node} layer={layer} onSelect={(name) => choose({ node: name })} onLayer={(at) => choose({ layer: at })} />;
}
