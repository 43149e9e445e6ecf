// The part that is selected: its share, the switch that turns it off, where it looks, what it reads
// and writes, and its role.
import { decodeDocument, fieldsOf } from "../data/decode";
import { nodeOf } from "../data/names";
import { signed } from "../format";
import { AttentionOnTokens } from "../parts/AttentionOnTokens";
import { Card } from "../parts/Card";
import type { Theme } from "../theme";
import type { Pair } from "./Explorer";
import { Reads } from "./Reads";
import { Role } from "./Role";
import { Shown, Status } from "./Status";
import { useOff } from "./TurnedOff";
import { useJob } from "./useJob";
import { Writes } from "./Writes";

export function Part(props: { name: string; chosen: boolean; pair: Pair; share: number | null; theme: Theme }) {
  const { name, pair } = props;
  const [off, toggle] = useOff();
  const isHead = nodeOf(name).kind === "head";
  const question = { kind: "attention", prompt: pair.prompt, nodes: [name] };
  const job = useJob(isHead ? question : null, (found) => fieldsOf(decodeDocument(found), "AttentionPatterns"));
  return (
    <Card title={`${isHead ? "Head" : "MLP"} ${name}`} tour="part">
      <p class="share-line">
        {props.share !== null && <>Wrote <b class={`number ${props.share < 0 ? "against-it" : "for-it"}`}>{signed(props.share)}</b> {props.share < 0 ? "against" : "towards"} the answer, directly. </>}
        {!props.chosen && <span class="note">Shown first, as no head wrote more towards it; choose any other in the map.</span>}
      </p>
      <button type="button" class="switch" aria-pressed={off.includes(name)} onClick={() => toggle(name)}>
        {off.includes(name) ? `Turn ${name} on` : `Turn ${name} off`}
      </button>
      {isHead && <h3>Attends to</h3>}
      <Status job={job} />
      <Shown job={job}>{job.result && <AttentionOnTokens attention={job.result} theme={props.theme} folded />}</Shown>
      <Writes name={name} pair={pair} />
      {isHead ? <Reads name={name} pair={pair} /> : <p class="note">An MLP reads the stream at its own position only.</p>}
      {isHead && <Role name={name} />}
    </Card>
  );
}
