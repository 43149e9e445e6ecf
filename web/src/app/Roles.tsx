// What every head does on random tokens, typed when asked for; it does not depend on the prompt.
import { decodeDocument, fieldsOf } from "../data/decode";
import { Card } from "../parts/Card";
import { RoleMap } from "../parts/RoleMap";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

export function Roles({ theme }: { theme: Theme }) {
  const [wanted, want] = useParam("roles");
  const [selected, select] = useParam("node");
  const job = useJob(wanted ? { kind: "roles" } : null, (found) => fieldsOf(decodeDocument(found), "HeadRoles"));
  const cancel = job.cancel && (() => { job.cancel?.(); want(null); });
  return (
    <Card title="Head roles" note="By behaviour on repeated random tokens, with the scores where the reason for a role is gone (the null)." wide>
      {!wanted && <button type="button" onClick={() => want("yes")}>Type every head</button>}
      <Status job={{ ...job, cancel }} />
      <Shown job={job}>
        {job.result && <RoleMap found={job.result} selected={selected} onSelect={select} theme={theme} />}
      </Shown>
    </Card>
  );
}
