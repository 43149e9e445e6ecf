import type { ComponentChildren } from "preact";
import type { Asked } from "./useJob";

/** Progress with time left and a way to stop; or what went wrong and a way to try again, unless a field shows it. */
export function Status({ job, fields = [] }: { job: Asked<unknown>; fields?: string[] }) {
  const { progress, problem, cancel, again } = job;
  if (problem && !fields.includes(problem.field ?? "")) {
    return (
      <p class="problem" role="alert">
        {problem.message} {again && <button type="button" onClick={again}>Try again</button>}
      </p>
    );
  }
  if (!progress) return null;
  const { forwards, total, left } = progress;
  const counted = total > 0 ? `${forwards} of ${total} forwards` : "running";
  return (
    <div class="status" role="status">
      {total > 0 ? <progress max={total} value={forwards} /> : <progress />}
      <span>{counted}{left !== null && left >= 1 && `, about ${Math.ceil(left)} s left`}</span>
      {cancel && <button type="button" onClick={cancel}>Cancel</button>}
    </div>
  );
}

/** What an earlier question gave stays, faded, until the next answer is there. */
export function Shown({ job, children }: { job: Asked<unknown>; children: ComponentChildren }) {
  const stale = job.result !== null && (job.progress !== null || job.problem !== null);
  return <div class={stale ? "stale" : undefined} aria-busy={stale}>{children}</div>;
}
