// Measures, when asked for, the edges of a circuit and the groups that the reader made of its nodes.
import { useMemo } from "preact/hooks";
import type { Document } from "../data/decode";
import type { MeasuredEdges } from "../data/edges";
import { nodeName } from "../data/names";
import { asAnalysis, backupNames } from "../data/results";
import { keyOf } from "../parts/arrangement";
import { useArrangement } from "../parts/useArrangement";
import { useParam } from "../state";
import type { Beside } from "../views/CircuitBySize";
import type { Pair } from "./Explorer";
import { Status } from "./Status";
import { useJob } from "./useJob";
import type { Asked } from "./useJob";

export function useBeside(pair: Pair, found: Document | null): Beside {
  const analysis = found && asAnalysis(found)[0];
  const circuit = analysis?.circuit.nodes.map(nodeName) ?? [];
  const nodes = analysis && circuit.length ? [...new Set([...circuit, ...backupNames(analysis)])] : [];
  const question = { ...pair, corrupted: analysis?.question.corrupted[0] };
  const [edgesWanted, wantEdges] = useParam("edges");
  const [groupsWanted, wantGroups] = useParam("together");
  const groups = useArrangement().groups.map((group) => group.nodes);
  const ready = nodes.length > 0;
  const edges = useJob(ready && edgesWanted !== null ? { kind: "edges", ...question, nodes } : null, (result) => result as MeasuredEdges);
  const together = useJob(
    ready && groupsWanted !== null && groups.length ? { kind: "together", ...question, groups } : null,
    (result) => (result as { effect: number[] }).effect.map((effect, i) => [keyOf(groups[i]!), effect] as const),
  );
  const measured = useMemo(() => new Map(settled(together) ?? []), [together.result, together.progress, together.problem]);
  return {
    edges: settled(edges),
    together: measured,
    askEdges: (
      <Asking
        wanted={edgesWanted !== null} job={edges} title="Measure the edges among these nodes"
        onAsk={() => wantEdges("yes")} onStop={() => wantEdges(null)}
      />
    ),
    askTogether: (
      <Asking
        wanted={groupsWanted !== null} job={together} title="Measure each group together"
        onAsk={() => wantGroups("yes")} onStop={() => wantGroups(null)}
      />
    ),
  };
}

function Asking(props: {
  wanted: boolean; job: Asked<unknown>; title: string; onAsk: () => void; onStop: () => void;
}) {
  const { job } = props;
  const cancel = job.cancel && (() => { job.cancel?.(); props.onStop(); });
  return (
    <>
      {!props.wanted && <p><button type="button" onClick={props.onAsk}>{props.title}</button></p>}
      <Status job={{ ...job, cancel }} />
    </>
  );
}

/** A result, unless it is that of an earlier question. */
function settled<T>(job: Asked<T>): T | null {
  return job.progress || job.problem ? null : job.result;
}
