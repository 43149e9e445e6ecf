import { useMemo, useState } from "preact/hooks";
import type { NodeRow } from "../data/results";
import { csv, download } from "../download";
import { signed } from "../format";

type Column = "name" | "kind" | "layer" | "head" | "estimate" | "effect" | "inCircuit";
const COLUMNS: [Column, string][] = [
  ["name", "node"],
  ["kind", "kind"],
  ["layer", "layer"],
  ["head", "head"],
  ["estimate", "estimate"],
  ["effect", "effect (measured)"],
  ["inCircuit", "in circuit"],
];
const SIGNED = new Set<Column>(["estimate", "effect"]);

export function NodeTable(props: { rows: NodeRow[]; selected: string | null; onSelect: (name: string) => void }) {
  const [by, setBy] = useState<Column>("effect");
  const [down, setDown] = useState(true);
  const [filter, setFilter] = useState("");
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    const kept = props.rows.filter((row) => `${row.name} ${row.kind}`.toLowerCase().includes(wanted));
    return ordered(kept, by, down);
  }, [props.rows, by, down, filter]);
  const sort = (column: Column) => {
    setDown(column === by ? !down : SIGNED.has(column));
    setBy(column);
  };
  const cells = () => shown.map((row) => COLUMNS.map(([column]) => row[column]));
  const names = ["node", "kind", "layer", "head", "estimate", "effect", "in_circuit"];
  const objects = () => cells().map((row) => Object.fromEntries(row.map((value, i) => [names[i], value])));
  return (
    <div class="table">
      <div class="table-tools">
        <label>
          Filter <input type="search" value={filter} placeholder="L23, mlp …" onInput={(e) => setFilter(e.currentTarget.value)} />
        </label>
        <span aria-live="polite">{shown.length} of {props.rows.length} rows</span>
        <button type="button" onClick={() => download("nodes.csv", "text/csv", csv(names, cells()))}>CSV</button>
        <button type="button" onClick={() => download("nodes.json", "application/json", JSON.stringify(objects(), null, 1))}>JSON</button>
      </div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Table of nodes">
        <table>
          <thead>
            <tr>
              {COLUMNS.map(([column, title]) => (
                <th scope="col" aria-sort={by === column ? (down ? "descending" : "ascending") : "none"}>
                  <button type="button" onClick={() => sort(column)}>
                    {title} <span aria-hidden="true">{by === column ? (down ? "▾" : "▴") : ""}</span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr class={row.name === props.selected ? "chosen" : ""} onClick={() => props.onSelect(row.name)}>
                <th scope="row"><button type="button" aria-pressed={row.name === props.selected}>{row.name}</button></th>
                <td>{row.kind}</td>
                <td class="number">{row.layer ?? ""}</td>
                <td class="number">{row.head ?? ""}</td>
                <td class="number">{signed(row.estimate)}</td>
                <td class="number">{signed(row.effect)}</td>
                <td>{row.inCircuit ? "yes" : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** Signed numbers by size, what is not there last; everything else in its own order. */
function ordered(rows: NodeRow[], by: Column, down: boolean): NodeRow[] {
  const key = (row: NodeRow): number | string => {
    const value = row[by];
    if (by === "name") return `${String(row.layer ?? -1).padStart(4, "0")}${row.kind}${String(row.head ?? 99).padStart(4, "0")}`;
    if (typeof value === "boolean") return Number(value);
    return typeof value === "number" && SIGNED.has(by) ? Math.abs(value) : (value ?? "");
  };
  const there = rows.filter((row) => row[by] !== null);
  const absent = rows.filter((row) => row[by] === null);
  there.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
  });
  return [...there, ...absent];
}
