// The tokens that a head's share comes from: how much it attends, times what it moves from there.
import { signed, visible } from "../format";
import type { Pair } from "./Explorer";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

interface Sources {
  total: number;
  sources: { position: number; token: string; share: number }[];
}

export function Reads({ name, pair }: { name: string; pair: Pair }) {
  const job = useJob({ kind: "reads", ...pair, nodes: [name] }, (found) => found as Sources);
  const found = job.result;
  const largest = Math.max(1e-12, ...(found?.sources ?? []).map((one) => Math.abs(one.share)));
  return (
    <div data-testid="reads">
      <h3>Reads</h3>
      <p class="note">Its share at the last position, by the token that it comes from: attention times what is moved from there.</p>
      <Status job={job} />
      <Shown job={job}>
        {found && (
          <ol class="bars short">
            {found.sources.map((one) => (
              <li class={one.share < 0 ? "minus" : ""}>
                <span><bdi class="token">{visible(one.token)}</bdi> <small>{one.position}</small></span>
                <meter min={0} max={largest} value={Math.abs(one.share)} aria-hidden="true" />
                <span class="number">{signed(one.share)}</span>
              </li>
            ))}
          </ol>
        )}
        {found && <p class="note">All positions: <b class="number">{signed(found.total)}</b>, its share.</p>}
      </Shown>
    </div>
  );
}
