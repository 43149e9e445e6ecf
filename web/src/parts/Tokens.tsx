import { visible } from "../format";

/** A prompt token by token; those where two prompts part are marked, by more than colour. */
export function Tokens(props: { name: string; tokens: string[]; other: string[] }) {
  return (
    <div class="prompt">
      <span class="prompt-name">{props.name}</span>
      <ol class="tokens" aria-label={`${props.name} prompt, ${props.tokens.length} tokens`}>
        {props.tokens.map((token, i) => {
          const parts = token !== props.other[i];
          return (
            <li
              class={parts ? "token parts" : "token"}
              title={`position ${i}${parts ? ": here the prompts part" : ""}`}
            >
              <bdi>{visible(token)}</bdi>
              {parts && <span class="unseen"> (differs)</span>}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
