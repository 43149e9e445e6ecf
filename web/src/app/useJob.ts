import { useEffect, useState } from "preact/hooks";
import { ask, Refusal } from "./jobs";
import type { Progress } from "./jobs";
import { inWords, subjectOf } from "./kinds";

export interface Asked<T> {
  /** What is asked, in words. */
  what: string;
  result: T | null;
  progress: Progress | null;
  problem: Refusal | null;
  cancel: (() => void) | null;
  /** Asks the same once more; only where it went wrong. */
  again: (() => void) | null;
}

interface State<T> extends Pick<Asked<T>, "result" | "progress" | "problem" | "cancel"> {
  /** What `result` is about. */
  subject: string | null;
}

const NOTHING = { result: null, progress: null, problem: null, cancel: null, subject: null };
const BEGUN: Progress = { forwards: 0, total: 0, left: null, ahead: [] };

/**
 * What the server says to a question, asked again when it changes. The last result stays until the
 * next one is there, if it is about the same prompt and pair; null asks nothing and clears.
 */
export function useJob<T>(question: Record<string, unknown> | null, read: (result: unknown) => T): Asked<T> {
  const key = question === null ? null : JSON.stringify(question);
  const subject = subjectOf(question);
  const [state, setState] = useState<State<T>>(NOTHING);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (key === null) {
      setState(NOTHING);
      return;
    }
    let current = true;
    const update = (change: Partial<State<T>>) => current && setState((old) => ({ ...old, ...change }));
    const job = ask(JSON.parse(key) as Record<string, unknown>, (progress) => update({ progress }));
    setState((old) => ({ ...(old.subject === subject ? old : NOTHING), subject, problem: null, progress: BEGUN, cancel: job.cancel }));
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
  // The state is that of the question before until the effect has run.
  const { subject: about, ...own } = state.subject === subject || key === null ? state : { ...NOTHING, progress: BEGUN };
  const again = own.problem && (() => setAttempt((n) => n + 1));
  return { ...own, again, what: inWords(String(question?.kind ?? "")) };
}
