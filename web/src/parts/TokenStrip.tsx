// A prompt's tokens in reading order, each on the colour of its number.
import { diverging, inkOn, sequential } from "../colour";
import type { Fields } from "../data/decode";
import { at } from "../data/tensor";
import { signed, visible } from "../format";
import type { Theme } from "../theme";
import { useLinked } from "../useLinked";
import { Legend, SizeLegend } from "./Legend";

export function TokenStrip({ found, theme }: { found: Fields<"TokenAttribution">; theme: Theme }) {
  const [{ position }, select] = useLinked();
  const tokens = found.tokens[0]!;
  const values = tokens.map((_, p) => at(found.per_example, 0, p));
  const limit = Math.max(1e-12, ...values.map(Math.abs));
  const weights = found.quantity === "weight";
  const colour = (value: number) => (weights ? sequential(value / limit, theme) : diverging(value / limit, theme));
  return (
    <>
      {weights
        ? <SizeLegend limit={signed(limit, 2)} theme={theme} label="share of attention" />
        : <Legend limit={limit} theme={theme} label={`${found.quantity}, in the metric's units`} />}
      <ol class="tokens" aria-label={`Tokens by ${found.method}`}>
        {tokens.map((token, p) => token !== "" && (
          <li>
            <button
              type="button"
              class={p === position ? "token query" : "token"}
              style={{ background: colour(values[p]!), color: inkOn(colour(values[p]!)) }}
              aria-pressed={p === position}
              title={`position ${p}: ${signed(values[p]!)}`}
              onClick={() => select({ position: p })}
            >
              <bdi>{visible(token)}</bdi>
              <small> {signed(values[p]!, 2)}</small>
            </button>
          </li>
        ))}
      </ol>
    </>
  );
}
