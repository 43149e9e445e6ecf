// What the model would say after each sublayer (down) at each position (across).
import { useState } from "preact/hooks";
import { diverging, inkOn, sequential } from "../colour";
import type { Fields } from "../data/decode";
import { at } from "../data/tensor";
import { percent, signed, visible } from "../format";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Heatmap } from "./Heatmap";
import { Legend, SizeLegend } from "./Legend";

type LogitLens = Fields<"LogitLens">;
type Shown = "likeliest" | "difference";

export function LensGrid(props: { lens: LogitLens; theme: Theme }) {
  const { lens, theme } = props;
  const pair = lens.targets.length === 2;
  const [shown, show] = useState<Shown>("likeliest");
  const [cell, setCell] = useParam("cell");
  const chosen = parse(cell, lens);
  const reading = lens.prompt;
  const difference = (r: number, c: number) => at(reading.target_logit, r, c, 0) - at(reading.target_logit, r, c, 1);
  const all = pair ? lens.points.flatMap((_, r) => lens.positions.map((_, c) => Math.abs(difference(r, c)))) : [];
  const limit = Math.max(1e-12, ...all);
  const best = (r: number, c: number) => visible(reading.top_tokens[r]?.[c]?.[0] ?? "");
  const signedView = pair && shown === "difference";
  const describe = (r: number, c: number) => {
    const where = `after ${lens.points[r]!.name}, position ${lens.positions[c]} “${visible(reading.tokens[c]!)}”`;
    const top = `“${best(r, c)}” ${percent(at(reading.top_probability, r, c, 0))}`;
    return `${where}: ${top}${pair ? `, logit difference ${signed(difference(r, c), 2)}` : ""}`;
  };
  return (
    <>
      {pair && (
        <label class="field">
          Colour{" "}
          <select value={shown} onChange={(e) => show(e.currentTarget.value as Shown)}>
            <option value="likeliest">probability of the likeliest token</option>
            <option value="difference">logit of “{visible(lens.targets[0]!)}” minus “{visible(lens.targets[1]!)}”</option>
          </select>
        </label>
      )}
      {signedView
        ? <Legend limit={limit} theme={theme} label="logit difference after each sublayer" />
        : <SizeLegend limit="100 %" theme={theme} label="probability of the likeliest token, which is written in the cell" />}
      <div class="lens-scroll">
        <Heatmap
          label="Logit lens: sublayers down, positions across"
          rows={lens.points.map((point) => point.name)}
          columns={reading.tokens.map(visible)}
          value={signedView ? difference : (r, c) => at(reading.top_probability, r, c, 0)}
          colour={(v) => (signedView ? diverging(v / limit, theme) : sequential(v, theme))}
          describe={describe}
          text={best}
          ink={inkOn}
          selected={chosen ? [chosen] : []}
          onSelect={(r, c) => setCell(`${r},${c}`)}
          theme={theme}
          cellHeight={16}
          minCellWidth={38}
          maxCellWidth={90}
          leftWidth={48}
        />
      </div>
      <LensCell lens={lens} row={chosen?.row ?? lens.points.length - 1} column={chosen?.column ?? lens.positions.length - 1} />
    </>
  );
}

/** The likeliest tokens at one place of the grid. */
function LensCell(props: { lens: LogitLens; row: number; column: number }) {
  const { lens, row, column } = props;
  const tokens = lens.prompt.top_tokens[row]?.[column] ?? [];
  return (
    <>
      <h3>After {lens.points[row]!.name} at position {lens.positions[column]}</h3>
      <ol class="bars">
        {tokens.map((token, i) => {
          const probability = at(lens.prompt.top_probability, row, column, i);
          return (
            <li>
              <bdi class="token">{visible(token)}</bdi>
              <meter min={0} max={1} value={probability} aria-hidden="true" />
              <span class="number">{percent(probability)}</span>
            </li>
          );
        })}
      </ol>
      {lens.targets.map((target, i) => (
        <p class="note">
          “{visible(target)}”: rank {at(lens.prompt.target_rank, row, column, i)}, logit {signed(at(lens.prompt.target_logit, row, column, i), 2)}
        </p>
      ))}
    </>
  );
}

function parse(cell: string | null, lens: LogitLens) {
  const [row, column] = (cell ?? "").split(",").map(Number);
  if (row === undefined || column === undefined) return null;
  return row in lens.points && column in lens.positions ? { row, column } : null;
}
