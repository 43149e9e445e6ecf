// The answer and what it is held against, and the tokens from which both are chosen.
import { useState } from "preact/hooks";
import { percent, visible } from "../format";
import { useLinked } from "../useLinked";
import { FIRST, listed } from "./choices";
import type { Candidate, Next, Token } from "./choices";
import { ask } from "./jobs";

/** The prompt's tokens; the one that is chosen is framed here and in every view. */
export function PromptTokens({ tokens }: { tokens: string[] }) {
  const [{ position }, choose] = useLinked();
  return (
    <ol class="tokens" aria-label={`${tokens.length} tokens`}>
      {tokens.map((token, i) => (
        <li>
          <button
            type="button" class={i === position ? "token query" : "token"} title={`position ${i}`} aria-pressed={i === position}
            aria-label={`Token ${i}: ${visible(token)}`} onClick={() => choose({ position: i })}
          >
            <bdi>{visible(token)}</bdi>
          </button>
        </li>
      ))}
    </ol>
  );
}

interface PairProps {
  next: Next;
  answer: Token;
  foil: Token;
  onAnswer: (token: string | number) => void;
  onFoil: (token: string | number) => void;
}

/** What may come next, from which answer and foil are chosen. */
export function Candidates(props: PairProps) {
  const { next, answer, foil } = props;
  const [all, showAll] = useState(false);
  const { rival } = next;
  return (
    <div class="answer" data-tour="answer">
      <Headline {...props} />
      <ol class="bars candidates">
        {listed(next, all, answer, foil).map((one) => <Choice {...props} one={one} />)}
      </ol>
      <div class="own">
        {next.candidates.length > FIRST && (
          <button type="button" aria-expanded={all} onClick={() => showAll(!all)}>{all ? "Fewer tokens" : `All ${next.candidates.length} likeliest`}</button>
        )}
        <OwnToken name="another answer" value={answer} onToken={props.onAnswer} />
        <OwnToken name="another foil" value={foil} onToken={props.onFoil} />
      </div>
      {foil === rival.id && <p class="note">The foil “{visible(rival.token)}” is offered as the strongest rival: {rival.why}.</p>}
    </div>
  );
}

function Headline({ next, answer, foil }: PairProps) {
  return (
    <p class="headline" data-testid="pair">
      <Large token={answer} next={next} role="answer" /> <span class="against">against</span> <Large token={foil} next={next} role="foil" />
    </p>
  );
}

function Large({ token, next, role }: { token: Token; next: Next; role: "answer" | "foil" }) {
  const known = knownAs(token, next);
  return (
    <span class={`large ${role}`}>
      <small>{role}</small> <bdi class="token">{typeof token === "string" ? visible(token) : visible(known?.token ?? "")}</bdi>{" "}
      {known && <b class="number">{percent(known.probability)}</b>}
    </span>
  );
}

function knownAs(token: Token, next: Next): Candidate | undefined {
  return [...next.candidates, next.rival].find((one) => one.id === token || one.token === token);
}

function Choice({ one, answer, foil, onAnswer, onFoil }: PairProps & { one: Candidate }) {
  const name = visible(one.token);
  const is = (token: Token) => token === one.id || token === one.token;
  return (
    <li>
      <bdi class="token">{name}</bdi>
      <meter class={is(answer) ? "is-answer" : is(foil) ? "is-foil" : ""} min={0} max={1} value={one.probability} aria-hidden="true" />
      <span class="number">{percent(one.probability)}</span>
      <button type="button" class="as-answer" aria-label={`Make “${name}” the answer`} aria-pressed={is(answer)} disabled={is(foil)} onClick={() => onAnswer(one.id)}>answer</button>
      <button type="button" class="as-foil" aria-label={`Make “${name}” the foil`} aria-pressed={is(foil)} disabled={is(answer)} onClick={() => onFoil(one.id)}>foil</button>
    </li>
  );
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
          size={8} value={text} placeholder="␣token" aria-invalid={problem !== null}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" aria-label={`Use ${props.name}`}>use</button>
      {problem && <p class="problem" role="alert">{problem}</p>}
    </form>
  );
}
