import { useState } from "preact/hooks";
import type { Analysis } from "../data/results";
import { percent, signed, visible } from "../format";
import { Tokens } from "../parts/Tokens";

/** The prompts token by token, answer and foil, the metric, and what the model says next. */
export function Question({ analysis }: { analysis: Analysis }) {
  const { question } = analysis;
  const [example, setExample] = useState(0);
  const count = question.clean.length;
  return (
    <>
      {count > 1 && (
        <label class="field">
          Example{" "}
          <select value={example} onChange={(e) => setExample(Number(e.currentTarget.value))}>
            {question.clean.map((prompt, i) => <option value={i}>{i + 1}: {prompt.slice(0, 60)}</option>)}
          </select>
        </label>
      )}
      <Tokens name="clean" tokens={question.clean_tokens[example] ?? []} other={question.corrupted_tokens[example] ?? []} />
      <Tokens name="corrupted" tokens={question.corrupted_tokens[example] ?? []} other={question.clean_tokens[example] ?? []} />
      <p class="note">Corrupted prompt: {question.how_corrupted}. Framed tokens are where the two part.</p>
      <dl class="facts">
        <dt>answer</dt><dd><bdi class="token">{visible(question.answer[example] ?? "")}</bdi></dd>
        <dt>foil</dt><dd><bdi class="token">{visible(question.foil[example] ?? "")}</bdi></dd>
        {question.answer_lengths.join() !== question.foil_lengths.join() && analysis.answer_probability !== null && analysis.foil_probability !== null && (
          <>
            <dt>probability of the whole answer</dt><dd class="number" data-ref="answer_probability">{analysis.answer_probability.toPrecision(2)}</dd>
            <dt>probability of the whole foil</dt><dd class="number" data-ref="foil_probability">{analysis.foil_probability.toPrecision(2)}</dd>
          </>
        )}
        <dt>metric</dt><dd>{question.metric}{count > 1 && `, mean of ${count} prompts`}</dd>
        <dt>on clean</dt><dd class="number" data-ref="metric_clean">{signed(analysis.metric_clean)}</dd>
        <dt>on corrupted</dt><dd class="number" data-ref="metric_corrupted">{signed(analysis.metric_corrupted)}</dd>
      </dl>
      <h3>What the model says next{count > 1 && " (first example)"}</h3>
      <ol class="bars">
        {analysis.top.map((top) => (
          <li>
            <bdi class="token">{visible(top.token)}</bdi>
            <meter min={0} max={1} value={top.probability} aria-hidden="true" />
            <span class="number">{percent(top.probability)}</span>
          </li>
        ))}
      </ol>
    </>
  );
}
