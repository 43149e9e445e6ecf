// The tokens whose logits a part raises and lowers most by itself, at the prompt's last position.
import { signed, visible } from "../format";
import type { Pair } from "./Explorer";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

interface Moved {
  id: number;
  token: string;
  change: number;
}

interface Written {
  promotes: Moved[];
  suppresses: Moved[];
}

export function Writes({ name, pair }: { name: string; pair: Pair }) {
  const job = useJob({ kind: "writes", ...pair, nodes: [name] }, (found) => found as Written);
  const largest = Math.max(1e-12, ...[...(job.result?.promotes ?? []), ...(job.result?.suppresses ?? [])].map((one) => Math.abs(one.change)));
  return (
    <div data-testid="writes">
      <h3>Writes</h3>
      <p class="note">What it adds to each token's logit by itself at the last position, less the mean over all tokens. What later parts make of it is not in this.</p>
      <Status job={job} />
      <Shown job={job}>
        {job.result && (
          <div class="halves">
            <Tokens title="promotes" moved={job.result.promotes} largest={largest} />
            <Tokens title="suppresses" moved={job.result.suppresses} largest={largest} />
          </div>
        )}
      </Shown>
    </div>
  );
}

function Tokens({ title, moved, largest }: { title: string; moved: Moved[]; largest: number }) {
  return (
    <div>
      <h4>{title}</h4>
      <ol class="bars short">
        {moved.map((one) => (
          <li class={one.change < 0 ? "minus" : ""}>
            <bdi class="token">{visible(one.token)}</bdi>
            <meter min={0} max={largest} value={Math.abs(one.change)} aria-hidden="true" />
            <span class="number">{signed(one.change, 2)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
