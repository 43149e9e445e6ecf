import { useEffect, useState } from "preact/hooks";
import { ask, Refusal } from "./jobs";
import type { Progress } from "./jobs";

export interface Asked<T> {
  result: T | null;
  progress: Progress | null;
  problem: Refusal | null;
  cancel: (() => void) | null;
}

/**
 * What the server says to a question, asked again when it changes. The last result stays until the
 * next one is there; null asks nothing and clears.
 */
export function useJob<T>(question: Record<string, unknown> | null, read: (result: unknown) => T): Asked<T> {
  const key = question === null ? null : JSON.stringify(question);
  const [state, setState] = useState<Asked<T>>({ result: null, progress: null, problem: null, cancel: null });
  useEffect(() => {
    if (key === null) {
      setState({ result: null, progress: null, problem: null, cancel: null });
      return;
    }
    let current = true;
    const update = (change: Partial<Asked<T>>) => current && setState((old) => ({ ...old, ...change }));
    const job = ask(JSON.parse(key) as Record<string, unknown>, (progress) => update({ progress }));
    update({ problem: null, progress: { forwards: 0, total: 0, left: null }, cancel: job.cancel });
    job.done
      .then((result) => update({ progress: null, cancel: null, ...(result === null ? {} : { result: read(result) }) }))
      .catch((problem: unknown) => {
        const told = problem instanceof Refusal ? problem : new Refusal(null, String(problem));
        update({ progress: null, cancel: null, problem: told });
      });
    return () => {
      current = false;
      job.cancel();
    };
  }, [key]);
  return state;
}
