// What the model would say after each layer or sublayer (down) at each position (across).
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { diverging, inkOn, sequential } from "../colour";
import type { Fields } from "../data/decode";
import { layerOf, rowsOf } from "../data/linked";
import { at } from "../data/tensor";
import { percent, signed, visible } from "../format";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { useLinked } from "../useLinked";
import { Heatmap } from "./Heatmap";
import type { Cell } from "./Heatmap";
import { Legend, SizeLegend } from "./Legend";

type LogitLens = Fields<"LogitLens">;
type Shown = "likeliest" | "difference";
/** Points from which on whole layers are shown first. */
const MANY = 30;

/** The place of the grid that is selected, else the model's own output behind the prompt. */
export function useLensPlace(lens: LogitLens): Cell {
  const [point] = useParam("point");
  const [{ layer, position }] = useLinked();
  const named = lens.points.findIndex((one) => one.name === point && (layer === null || layerOf(one.name) === layer));
  const row = named >= 0 ? named : (rowsOf(lens.points.map((one) => one.name), layer).at(-1) ?? lens.points.length - 1);
  const column = lens.positions.indexOf(position ?? -1);
  return { row, column: column < 0 ? lens.positions.length - 1 : column };
}

/** The points that are shown: all, or the last of each layer. */
export function shownPoints(points: LogitLens["points"], whole: boolean): number[] {
  return points.flatMap((point, i) => (whole && points[i + 1]?.layer === point.layer && point.layer !== null ? [] : [i]));
}

export function LensGrid(props: { lens: LogitLens; theme: Theme; settles?: string | null; beside?: ComponentChildren }) {
  const { lens, theme } = props;
  const pair = lens.targets.length === 2;
  const [shown, show] = useState<Shown>("likeliest");
  const [whole, setWhole] = useState(lens.points.length > MANY);
  const [, setPoint] = useParam("point");
  const [{ layer, position }, choose] = useLinked();
  const place = useLensPlace(lens);
  const points = shownPoints(lens.points, whole);
  const names = points.map((p) => lens.points[p]!.name);
  const settled = points.findIndex((p) => p >= lens.points.findIndex((one) => one.name === props.settles));
  const first = props.settles ? settled : -1;
  const reading = lens.prompt;
  const difference = (p: number, c: number) => at(reading.target_logit, p, c, 0) - at(reading.target_logit, p, c, 1);
  const all = pair ? lens.points.flatMap((_, p) => lens.positions.map((_, c) => Math.abs(difference(p, c)))) : [];
  const limit = Math.max(1e-12, ...all);
  const best = (p: number, c: number) => visible(reading.top_tokens[p]?.[c]?.[0] ?? "");
  const signedView = pair && shown === "difference";
  const describe = (p: number, c: number) => {
    const where = `after ${lens.points[p]!.name}, position ${lens.positions[c]} “${visible(reading.tokens[c]!)}”`;
    const top = `“${best(p, c)}” ${percent(at(reading.top_probability, p, c, 0))}`;
    return `${where}: ${top}${pair ? `, logit difference ${signed(difference(p, c), 2)}` : ""}`;
  };
  const value = signedView ? difference : (p: number, c: number) => at(reading.top_probability, p, c, 0);
  const select = (row: number, column: number) => {
    const name = names[row]!;
    setPoint(name);
    const to = layerOf(name);
    choose(to === null ? { position: lens.positions[column]! } : { layer: to, position: lens.positions[column]! });
  };
  const isSelected = layer !== null || position !== null;
  const marked = isSelected ? points.flatMap((p, row) => (p === place.row ? [{ row, column: place.column }] : [])) : [];
  const column = lens.positions.indexOf(position ?? -1);
  return (
    <>
      <div class="fields">
        {pair && (
          <label class="field">
            Colour{" "}
            <select value={shown} onChange={(e) => show(e.currentTarget.value as Shown)}>
              <option value="likeliest">probability of the likeliest token</option>
              <option value="difference">logit of “{visible(lens.targets[0]!)}” minus “{visible(lens.targets[1]!)}”</option>
            </select>
          </label>
        )}
        <label class="field">
          Rows{" "}
          <select value={whole ? "layers" : "sublayers"} onChange={(e) => setWhole(e.currentTarget.value === "layers")}>
            <option value="layers">after each layer</option>
            <option value="sublayers">after each sublayer</option>
          </select>
        </label>
      </div>
      {signedView
        ? <Legend limit={limit} theme={theme} label="logit difference" />
        : <SizeLegend limit="100 %" theme={theme} label="probability of the token in the cell" />}
      <div class="lens-scroll">
        <Heatmap
          label={`Logit lens: ${whole ? "layers" : "sublayers"} down, positions across`}
          rows={names.map((name, row) => `${row === first ? "▸" : ""}${rowName(name, whole)}`)}
          columns={reading.tokens.map(visible)}
          value={(r, c) => value(points[r]!, c)}
          colour={(v) => (signedView ? diverging(v / limit, theme) : sequential(v, theme))}
          describe={(r, c) => describe(points[r]!, c)}
          text={(r, c) => best(points[r]!, c)}
          ink={inkOn}
          selected={marked}
          lit={{ rows: rowsOf(names, layer), columns: column < 0 ? [] : [column] }}
          onSelect={select}
          onRow={(row) => { const to = layerOf(names[row]!); if (to !== null) choose({ layer: to }); }}
          onColumn={(c) => choose({ position: lens.positions[c]! })}
          theme={theme}
          begin={{ row: first < 0 ? points.length - 1 : first, column: lens.positions.length - 1 }}
          cellHeight={16}
          minCellWidth={30}
          maxCellWidth={90}
          leftWidth={48}
        />
      </div>
      {props.beside ?? <LensCell lens={lens} {...place} />}
    </>
  );
}

/** A row of whole layers by its layer, as other views name it. */
function rowName(name: string, whole: boolean): string {
  const layer = layerOf(name);
  return whole && layer !== null ? `L${layer}` : name;
}

/** The likeliest tokens at one place of the grid. */
export function LensCell(props: { lens: LogitLens; row: number; column: number }) {
  const { lens, row, column } = props;
  const tokens = lens.prompt.top_tokens[row]?.[column] ?? [];
  return (
    <>
      <h3>After {lens.points[row]!.name}, at <bdi>“{visible(lens.prompt.tokens[column]!)}”</bdi> (position {lens.positions[column]})</h3>
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
      <p class="note">
        {lens.targets.map((target, i) => `“${visible(target)}” has rank ${at(lens.prompt.target_rank, row, column, i)} and logit ${signed(at(lens.prompt.target_logit, row, column, i), 2)}. `)}
      </p>
    </>
  );
}
