// The circuit behind the answer, found and measured when asked for, drawn as a report draws it.
import { useState } from "preact/hooks";
import { decodeDocument } from "../data/decode";
import { ARRANGED } from "../parts/useArrangement";
import { Card } from "../parts/Card";
import { setParam, useParam } from "../state";
import type { Theme } from "../theme";
import { AnalysisView } from "../views/AnalysisView";
import type { Pair } from "./Explorer";
import { SecondPrompt } from "./SecondPrompt";
import { put } from "./shelf";
import { Status } from "./Status";
import { useJob } from "./useJob";
import { useBeside } from "./Wiring";

/** What the address holds that has no meaning for another circuit. */
export const OF_A_CIRCUIT = ["size", "edges", "together", "least", "backups", "across", ...ARRANGED];

type Raw = Record<string, unknown>;
const readBoth = (result: unknown) => ({ raw: result as Raw, document: decodeDocument(result as Raw) });

export function CircuitMap({ pair, theme }: { pair: Pair; theme: Theme }) {
  const [corrupted, setCorrupted] = useParam("corrupted");
  const [found, setFound] = useParam("found");
  const [stopped, stop] = useState(false);
  const question = { kind: "circuit", ...pair, corrupted: corrupted ?? "" };
  const job = useJob(found !== null && !stopped ? question : null, readBoth);
  const beside = useBeside(pair, job.progress || !job.result ? null : job.result.document);
  const run = (text: string) => {
    setCorrupted(text || null);
    for (const name of OF_A_CIRCUIT) setParam(name, null);
    setFound("yes");
    stop(false);
  };
  const cancel = job.cancel && (() => { job.cancel?.(); stop(true); });
  return (
    <>
      <Card title="Find the circuit" note="Parts get their values on the other prompt. The smallest set found that keeps the answer is measured, beside 10 + 10 random sets." wide>
        <SecondPrompt
          first={pair.prompt} value={corrupted ?? ""} problem={job.problem} run="Find and measure" onAsk={run}
          note="Change the words that decide. Left as it is, another prompt is made here."
        />
        <Status job={{ ...job, cancel }} />
        {job.result && <PutAside key={JSON.stringify(question)} name={pair.prompt.slice(0, 40)} raw={job.result.raw} />}
      </Card>
      {job.result && <AnalysisView document={job.result.document} theme={theme} beside={beside} />}
    </>
  );
}

/** The analysis as it stands, for comparing it with others. */
function PutAside({ name, raw }: { name: string; raw: Raw }) {
  const [given, give] = useState<string | null>(null);
  if (given !== null) return <p role="status">In the comparison as “<bdi>{given}</bdi>”.</p>;
  return <button type="button" onClick={() => give(put(name, raw))}>Put into the comparison</button>;
}
