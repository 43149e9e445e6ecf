import type { ComponentChildren } from "preact";
import { waitingFor } from "./kinds";
import { blocks, cellsOf } from "./problem";
import type { Asked } from "./useJob";

/** Progress with time left and a way to stop; or what went wrong and a way to try again, unless a field shows it. */
export function Status({ job, fields = [] }: { job: Asked<unknown>; fields?: string[] }) {
  const { progress, problem, cancel, again, what } = job;
  if (problem && !fields.includes(problem.field ?? "")) {
    return (
      <div class="problem" role="alert">
        <Message text={problem.message} />{" "}
        {again && <button type="button" onClick={again} aria-label={`Try again: ${what}`}>Try again</button>}
      </div>
    );
  }
  if (!progress) return null;
  const { forwards, total, left, ahead } = progress;
  const counted = total > 0 ? `${forwards} of ${total} forwards` : "running";
  return (
    <div class="status" role="status">
      {total > 0 ? <progress max={total} value={forwards} aria-label={what} /> : <progress aria-label={what} />}
      <span>{ahead.length ? waitingFor(ahead) : counted}{left !== null && left >= 1 && `, about ${Math.ceil(left)} s left`}</span>
      {cancel && <button type="button" onClick={cancel} aria-label={`Cancel: ${what}`}>Cancel</button>}
    </div>
  );
}

/** Sentences as sentences, and what is set in columns as a table. */
export function Message({ text }: { text: string }) {
  return <>{blocks(text).map((block) => (block.columns ? <Columns text={block.text} /> : <span>{block.text}</span>))}</>;
}

function Columns({ text }: { text: string }) {
  const rows = cellsOf(text);
  return (
    <div class="table-scroll columns" tabIndex={0} role="region" aria-label="Tokens side by side">
      <table class="still">
        <tbody>{rows.map(([first, ...rest]) => <tr><th scope="row">{first}</th>{rest.map((cell) => <td><bdi>{cell}</bdi></td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

/** What an earlier question gave stays, faded, until the next answer is there. */
export function Shown({ job, children }: { job: Asked<unknown>; children: ComponentChildren }) {
  const stale = job.result !== null && (job.progress !== null || job.problem !== null);
  return <div class={stale ? "stale" : undefined} aria-busy={stale}>{children}</div>;
}
