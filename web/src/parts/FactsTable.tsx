// Facts down, two results across; rows that differ are marked, and numbers are subtracted.
import { differs } from "../data/compare";
import type { Fact, FactRow } from "../data/compare";
import { csv, download } from "../download";
import { signed } from "../format";

const HASH = /^[0-9a-f]{40,}$/;

export function FactsTable({ names, rows }: { names: [string, string]; rows: FactRow[] }) {
  const objects = () => rows.map((row) => ({ fact: row.fact, ...Object.fromEntries(names.map((name, i) => [name, row.values[i]])) }));
  const cells = () => rows.map((row) => [row.fact, ...row.values]);
  return (
    <div class="table">
      <div class="table-tools">
        <button type="button" onClick={() => download("facts.csv", "text/csv", csv(["fact", ...names], cells()))}>CSV</button>
        <button type="button" onClick={() => download("facts.json", "application/json", JSON.stringify(objects(), null, 1))}>JSON</button>
      </div>
      <div class="table-scroll whole" tabIndex={0} role="region" aria-label="Facts side by side">
        <table class="still facts-table" data-testid="facts">
          <thead>
            <tr><th scope="col">fact</th>{names.map((name) => <th scope="col"><bdi>{name}</bdi></th>)}<th scope="col">second − first</th></tr>
          </thead>
          <tbody>{rows.map((row) => <FactLine row={row} />)}</tbody>
        </table>
      </div>
    </div>
  );
}

function FactLine({ row }: { row: FactRow }) {
  const apart = differs(row);
  const [x, y] = row.values;
  const numbers = !row.made && typeof x === "number" && typeof y === "number";
  const digits = row.values.every((value) => typeof value !== "number" || Number.isInteger(value)) ? 0 : 3;
  return (
    <tr class={apart ? "apart" : ""}>
      <th scope="row">{row.fact}</th>
      {row.values.map((value) => (
        <td class={typeof value === "number" ? "number" : undefined} title={String(value ?? "")}><bdi>{shown(value, digits)}</bdi></td>
      ))}
      <td class="number">{numbers ? signed(y - x, digits) : apart ? "differs" : "equal"}</td>
    </tr>
  );
}

function shown(value: Fact, digits: number): string {
  if (value === null) return "not measured";
  if (typeof value === "number") return value.toFixed(digits).replace("-", "\u2212");
  return HASH.test(value) ? `${value.slice(0, 12)}…` : value;
}
