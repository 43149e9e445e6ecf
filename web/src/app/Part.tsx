// The part that is selected: its share, where it looks, and the switch that turns it off.
import { decodeDocument } from "../data/decode";
import type { AttentionPatterns } from "../data/lenses";
import { nodeOf } from "../data/results";
import { signed } from "../format";
import { AttentionOnTokens } from "../parts/AttentionOnTokens";
import { Card } from "../parts/Card";
import type { Theme } from "../theme";
import { Shown, Status } from "./Status";
import { useOff } from "./TurnedOff";
import { useJob } from "./useJob";

export function Part(props: { name: string; prompt: string; share: number | null; theme: Theme }) {
  const { name, prompt } = props;
  const [off, toggle] = useOff();
  const isHead = nodeOf(name).kind === "head";
  const job = useJob(isHead ? { kind: "attention", prompt, nodes: [name] } : null, (found) => decodeDocument(found as never));
  const attention = job.result?.fields as unknown as AttentionPatterns | undefined;
  return (
    <Card title={isHead ? "Head" : "MLP"}>
      <p>
        <strong>{name}</strong>
        {props.share !== null && <>: wrote <b class="number">{signed(props.share)}</b> towards the answer, directly</>}
      </p>
      <button type="button" class="switch" aria-pressed={off.includes(name)} onClick={() => toggle(name)}>
        {off.includes(name) ? `Turn ${name} on` : `Turn ${name} off`}
      </button>
      <Status job={job} />
      <Shown job={job}>{attention && <AttentionOnTokens attention={attention} theme={props.theme} />}</Shown>
    </Card>
  );
}
