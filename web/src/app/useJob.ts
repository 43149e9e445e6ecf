import { useEffect, useState } from "preact/hooks";
import { ask, Refusal } from "./jobs";
import type { Progress } from "./jobs";

export interface Asked<T> {
  result: T | null;
  progress: Progress | null;
  problem: Refusal | null;
  cancel: (() => void) | null;
  /** Asks the same once more; only where it went wrong. */
  again: (() => void) | null;
}

const NOTHING = { result: null, progress: null, problem: null, cancel: null };

/**
 * What the server says to a question, asked again when it changes. The last result stays until the
 * next one is there; null asks nothing and clears.
 */
export function useJob<T>(question: Record<string, unknown> | null, read: (result: unknown) => T): Asked<T> {
  const key = question === null ? null : JSON.stringify(question);
  const [state, setState] = useState<Omit<Asked<T>, "again">>(NOTHING);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (key === null) {
      setState(NOTHING);
      return;
    }
    let current = true;
    const update = (change: Partial<typeof state>) => current && setState((old) => ({ ...old, ...change }));
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
  }, [key, attempt]);
  return { ...state, again: state.problem && (() => setAttempt((n) => n + 1)) };
}
