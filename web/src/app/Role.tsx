// A head's scores for every role beside the null, once heads were typed; typed here when asked for.
import { useEffect, useState } from "preact/hooks";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

interface Score {
  role: string;
  score: number;
  threshold: number;
  null: number;
  holds: boolean;
}

interface Known {
  known: boolean;
  roles: Score[];
}

export function Role({ name }: { name: string }) {
  const [typed, type] = useState(0);
  return (
    <div data-testid="head-role">
      <h3>Role</h3>
      <KnownRole key={typed} name={name} onTyped={() => type((n) => n + 1)} />
    </div>
  );
}

function KnownRole({ name, onTyped }: { name: string; onTyped: () => void }) {
  const job = useJob({ kind: "role", nodes: [name] }, (found) => found as Known);
  const [wanted, want] = useState(false);
  const typing = useJob(wanted ? { kind: "roles" } : null, (found) => found);
  useEffect(() => {
    if (typing.result) onTyped();
  }, [typing.result]);
  const cancel = typing.cancel && (() => { typing.cancel?.(); want(false); });
  return (
    <>
      <Status job={job} />
      <Status job={{ ...typing, cancel }} />
      {job.result && !job.result.known && !wanted && (
        <p>
          <button type="button" onClick={() => want(true)}>Type this head</button>{" "}
          <span class="note">All heads are typed, for the null needs them: minutes for a model of some size. Other questions wait.</span>
        </p>
      )}
      {job.result?.known && <Shown job={job}><Scores name={name} scores={job.result.roles} /></Shown>}
    </>
  );
}

function Scores({ name, scores }: { name: string; scores: Score[] }) {
  const held = scores.filter((one) => one.holds).map((one) => one.role);
  const ordered = [...scores].sort((a, b) => b.score / b.threshold - a.score / a.threshold);
  return (
    <>
      <p>{name} {held.length ? <>holds: <b>{held.join(", ")}</b>.</> : "holds no role."} A role is held with a score at the threshold or above, and above every head's score where the reason for the role is gone (the null).</p>
      <div class="table-scroll whole">
        <table class="still">
          <thead><tr><th scope="col">role</th><th scope="col">score</th><th scope="col">threshold</th><th scope="col">highest null</th><th scope="col">held</th></tr></thead>
          <tbody>
            {ordered.map((one) => (
              <tr class={one.holds ? "apart" : ""}>
                <th scope="row">{one.role}</th>
                <td class="number">{one.score.toFixed(2).replace("-", "\u2212")}</td>
                <td class="number">{one.threshold.toFixed(2)}</td>
                <td class="number">{one.null.toFixed(2).replace("-", "\u2212")}</td>
                <td>{one.holds ? "yes" : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
