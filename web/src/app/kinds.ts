// Questions to the server in words, for what is running, waiting or stopped.

const IN_WORDS: Record<string, string> = {
  next: "the next tokens", token: "a token", lens: "the logit lens", direct: "direct effects", attention: "an attention pattern",
  off: "parts turned off", sweep: "every part turned off alone", circuit: "a circuit", edges: "edges of a circuit", together: "groups of nodes",
  pair: "two prompts", lenses: "the logit lens of two prompts", patch: "patching", patched: "one patch",
  roles: "the roles of every head", role: "a head's role", writes: "what a part writes", reads: "what a head reads", open: "a saved result",
};

export function inWords(kind: string): string {
  return IN_WORDS[kind] ?? (kind || "another question");
}

/** What a job in the queue waits for; the first of `ahead` is running. */
export function waitingFor(ahead: string[]): string {
  const [running, ...rest] = ahead;
  if (running === undefined) return "Waiting";
  const more = rest.length ? ` and ${rest.length} more` : "";
  return `Waiting for ${inWords(running)}${more}`;
}

/** What makes two questions one subject: an answer to one may stand, faded, until the other's is there. */
const SUBJECT = ["kind", "prompt", "corrupted", "answer", "foil", "direction", "sites"];

export function subjectOf(question: Record<string, unknown> | null): string | null {
  return question && JSON.stringify(SUBJECT.map((name) => question[name] ?? null));
}
