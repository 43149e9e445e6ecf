// One head's attention: on the tokens for one query, and as a matrix.
import { inkOn, sequential } from "../colour";
import type { Fields } from "../data/decode";
import { nodeName } from "../data/names";
import { at, row } from "../data/tensor";
import { percent, visible } from "../format";
import type { Theme } from "../theme";
import { useLinked } from "../useLinked";
import { Heatmap } from "./Heatmap";
import { SizeLegend } from "./Legend";

const LARGE = 80;

export function AttentionOnTokens(props: { attention: Fields<"AttentionPatterns">; index?: number; theme: Theme; folded?: boolean }) {
  const { attention, theme } = props;
  const head = row(attention.pattern, props.index ?? 0);
  const name = nodeName(attention.heads[props.index ?? 0]!);
  const last = attention.labels.length - 1;
  const [{ position }, select] = useLinked();
  const query = Math.min(position ?? last, last);
  const choose = (key: number) => select({ position: key });
  const tokens = attention.labels.map(visible);
  return (
    <>
      <SizeLegend limit="100 %" theme={theme} label={`from the framed token to each; choose another to look from there`} />
      <ol class="tokens" aria-label={`Attention of ${name}`}>
        {tokens.map((token, key) => {
          const share = key > query ? 0 : at(head, query, key);
          const colour = sequential(share, theme);
          return (
            <li>
              <button
                type="button"
                class={key === query ? "token query" : "token"}
                style={{ background: colour, color: inkOn(colour) }}
                aria-pressed={key === query}
                title={`position ${key}: ${percent(share)}`}
                onClick={() => choose(key)}
              >
                <bdi>{token}</bdi>
                {share >= 0.05 && <small> {percent(share)}</small>}
              </button>
            </li>
          );
        })}
      </ol>
      <details open={!props.folded && tokens.length <= LARGE}>
        <summary>Matrix: queries down, keys across</summary>
        <Heatmap
          label={`Attention of ${name}: queries down, keys across`}
          rows={tokens}
          columns={tokens}
          value={(q, k) => (k > q ? NaN : at(head, q, k))}
          colour={(v) => sequential(v, theme)}
          describe={(q, k) => (k > q ? "A token never attends to a later one." : `${tokens[q]} (${q}) attends to ${tokens[k]} (${k}): ${percent(at(head, q, k))}`)}
          selected={[]}
          lit={{ rows: [query], columns: [] }}
          onSelect={(q) => choose(q)}
          onRow={(q) => choose(q)}
          theme={theme}
          cellHeight={tokens.length > LARGE ? 4 : 15}
          minCellWidth={3}
          maxCellWidth={26}
          leftWidth={64}
        />
      </details>
    </>
  );
}
