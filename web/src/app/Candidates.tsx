import { useState } from "preact/hooks";
import { percent, visible } from "../format";
import { ask } from "./jobs";
import type { Next } from "./Explorer";

export interface Candidate {
  id: number;
  token: string;
  probability: number;
}

type Token = string | number | undefined;

export function PromptTokens({ tokens }: { tokens: string[] }) {
  return (
    <ol class="tokens" aria-label={`${tokens.length} tokens`}>
      {tokens.map((token, i) => <li class="token" title={`position ${i}`}><bdi>{visible(token)}</bdi></li>)}
    </ol>
  );
}

/** What may come next, from which answer and foil are chosen. */
export function Candidates(props: {
  next: Next; answer: Token; foil: Token; onAnswer: (token: string | number) => void; onFoil: (token: string | number) => void;
}) {
  const { next, answer, foil } = props;
  return (
    <div>
      <h3>What comes next: choose an answer and a foil</h3>
      <ol class="bars candidates">
        {next.candidates.map((one) => (
          <li>
            <bdi class="token">{visible(one.token)}</bdi>
            <meter min={0} max={1} value={one.probability} aria-hidden="true" />
            <span class="number">{percent(one.probability)}</span>
            <button type="button" aria-pressed={answer === one.id} disabled={foil === one.id} onClick={() => props.onAnswer(one.id)}>answer</button>
            <button type="button" aria-pressed={foil === one.id} disabled={answer === one.id} onClick={() => props.onFoil(one.id)}>foil</button>
          </li>
        ))}
      </ol>
      <p class="pair" data-testid="pair">
        <bdi class="token">{spelled(answer, next)}</bdi> is held against <bdi class="token">{spelled(foil, next)}</bdi>.
        Positive supports the answer.
      </p>
      <div class="own">
        <OwnToken name="another answer" value={answer} onToken={props.onAnswer} />
        <OwnToken name="another foil" value={foil} onToken={props.onFoil} />
      </div>
    </div>
  );
}

function spelled(token: Token, next: Next): string {
  if (typeof token === "string") return visible(token);
  const known = next.candidates.find((one) => one.id === token);
  return known ? visible(known.token) : `token ${token}`;
}

/** A token that is not among the candidates; it is used once the model knows it as one token. */
function OwnToken(props: { name: string; value: Token; onToken: (token: string) => void }) {
  const [text, setText] = useState(typeof props.value === "string" ? props.value : "");
  const [problem, setProblem] = useState<string | null>(null);
  const use = () => {
    if (!text) return;
    ask({ kind: "token", answer: text }).done.then(
      () => { setProblem(null); props.onToken(text); },
      (error: unknown) => setProblem(String((error as Error).message)),
    );
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); use(); }}>
      <label>
        {props.name}{" "}
        <input
          size={10} value={text} placeholder="␣token" aria-invalid={problem !== null}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit">use</button>
      {problem && <p class="problem" role="alert">{problem}</p>}
    </form>
  );
}
