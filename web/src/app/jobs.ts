// Asks the server for work and follows it through server-sent events. The browser sends the token's
// cookie with every request.

const HEADERS = { "content-type": "application/json" };

export interface Progress {
  forwards: number;
  total: number;
  left: number | null;
  /** The kinds of the questions that it waits for, the running one first. */
  ahead: string[];
}

export interface JobEvent extends Progress {
  event: "waiting" | "running" | "done" | "failed" | "cancelled";
  result: unknown;
  field: string | null;
  message: string;
  seconds: number;
}

/** What a field got wrong, or (without a field) what went wrong altogether. */
export class Refusal extends Error {
  constructor(readonly field: string | null, message: string) {
    super(message);
  }
}

export interface Running {
  done: Promise<unknown>;
  cancel: () => void;
}

/** Ask; `done` is the result, a `Refusal`, or, of a job that was cancelled, what there was of it or null. */
export function ask(question: Record<string, unknown>, onProgress?: (progress: Progress) => void): Running {
  let id: string | null = null;
  let stopped = false;
  const stop = () => {
    if (id !== null) void send(`/api/jobs/${id}/cancel`, "POST").catch(() => undefined);
  };
  const done = (async () => {
    const added = await send(question.kind === "open" ? "/api/files" : "/api/jobs", "POST", question);
    id = ((await added.json()) as { id: string }).id;
    if (stopped) stop();
    return await follow(await send(`/api/jobs/${id}/events`, "GET"), onProgress);
  })();
  return {
    done,
    cancel: () => {
      stopped = true;
      stop();
    },
  };
}

async function send(path: string, method: string, body?: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { method, headers: HEADERS, ...(body ? { body: JSON.stringify(body) } : {}) });
  } catch {
    throw new Refusal(null, "The app does not answer. Start `pellucid app` again and open the address it prints.");
  }
  if (response.ok) return response;
  const text = await response.text();
  let told: { field?: string; message?: string } = {};
  try {
    told = JSON.parse(text) as typeof told;
  } catch {
    told = { message: text };
  }
  throw new Refusal(told.field ?? null, told.message ?? `The app answered ${response.status}.`);
}

async function follow(response: Response, onProgress?: (progress: Progress) => void): Promise<unknown> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
    if (done) throw new Refusal(null, "The app stopped before it had answered.");
    text += value;
    const messages = text.split("\n\n");
    text = messages.pop()!;
    for (const message of messages) {
      const event = JSON.parse(message.replace(/^data: /, "")) as JobEvent;
      if (event.event === "running") onProgress?.({ ...event, ahead: [] });
      else if (event.event === "waiting") onProgress?.({ forwards: 0, total: 0, left: null, ahead: event.ahead });
      else if (event.event === "done") return event.result;
      else if (event.event === "cancelled") return event.result ?? null;
      else throw new Refusal(event.field, event.message);
    }
  }
}
