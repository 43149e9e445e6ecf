// A table that sorts, filters and is saved as CSV or JSON with the rows in the order shown.
import { useMemo, useState } from "preact/hooks";
import { csv, download } from "../download";

/** Letters from which a text needs room. */
const SENTENCE = 24;
/** Rows that a table may have without being folded, and those that are shown of one that is. */
const LONG = 24;
const FIRST = 12;

export type Value = string | number | boolean | null;

export interface Column<Row> {
  /** In files. */
  name: string;
  title: string;
  value: (row: Row) => Value;
  /** As shown; by default as it is. */
  text?: (row: Row) => string;
  /** Sorted by size whatever the sign, largest first. */
  bySize?: boolean;
  /** What the column is sorted by, where that is not the value. */
  order?: (row: Row) => string | number;
}

export interface DataTableProps<Row> {
  label: string;
  file: string;
  rows: Row[];
  columns: Column<Row>[];
  /** What the filter's field shows while it is empty. */
  hint?: string;
  /** The column that is sorted by at first. */
  by: string;
  /** On paper, where nothing scrolls: each row as a paragraph, for tables that are wider than a page. */
  onPaper?: "paragraphs";
  /** Only the first rows are shown until all are asked for, and the one that is selected. */
  folded?: boolean;
  /** By default the largest comes first. */
  first?: "smallest";
  nameOf: (row: Row) => string;
  /** What the filter looks at. */
  words: (row: Row) => string;
  selected: string | null;
  onSelect: (name: string) => void;
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { columns, rows } = props;
  const [by, setBy] = useState(props.by);
  const [down, setDown] = useState(props.first !== "smallest");
  const [filter, setFilter] = useState("");
  const column = columns.find((one) => one.name === by) ?? columns[0]!;
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return ordered(rows.filter((row) => props.words(row).toLowerCase().includes(wanted)), column, down);
  }, [rows, columns, by, down, filter]);
  const [open, setOpen] = useState(false);
  const first = folded(shown, props.folded === true && !open, (row) => props.nameOf(row) === props.selected);
  const sort = (next: Column<Row>) => {
    setDown(next.name === by ? !down : next.bySize === true);
    setBy(next.name);
  };
  const names = columns.map((one) => one.name);
  const cells = () => shown.map((row) => columns.map((one) => one.value(row)));
  const objects = () => cells().map((row) => Object.fromEntries(row.map((value, i) => [names[i], value])));
  return (
    <div class="table">
      <div class="table-tools">
        <label>
          Filter <input type="search" value={filter} placeholder={props.hint ?? "L23, mlp …"} onInput={(e) => setFilter(e.currentTarget.value)} />
        </label>
        <span aria-live="polite">{shown.length} of {rows.length} rows</span>
        <button type="button" onClick={() => download(`${props.file}.csv`, "text/csv", csv(names, cells()))}>CSV</button>
        <button type="button" onClick={() => download(`${props.file}.json`, "application/json", JSON.stringify(objects(), null, 1))}>JSON</button>
      </div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={props.label}>
        <table class={props.onPaper}>
          <thead>
            <tr>
              {columns.map((one) => (
                <th scope="col" aria-sort={one === column ? (down ? "descending" : "ascending") : "none"}>
                  <button type="button" onClick={() => sort(one)}>
                    {one.title} <span aria-hidden="true">{one === column ? (down ? "▾" : "▴") : ""}</span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{first.map((row) => <Row {...props} row={row} />)}</tbody>
        </table>
      </div>
      {first.length < shown.length && (
        <p class="note folded">The first of {shown.length} rows. <button type="button" onClick={() => setOpen(true)}>Show all {shown.length} rows</button></p>
      )}
    </div>
  );
}

function Row<T>({ row, columns, nameOf, selected, onSelect }: DataTableProps<T> & { row: T }) {
  const name = nameOf(row);
  const [first, ...rest] = columns;
  return (
    <tr class={name === selected ? "chosen" : ""} onClick={() => onSelect(name)}>
      <th scope="row"><button type="button" aria-pressed={name === selected}>{shownIn(first!, row)}</button></th>
      {rest.map((one) => <td class={classOf(one.value(row))} data-title={one.title}>{shownIn(one, row)}</td>)}
    </tr>
  );
}

function classOf(value: Value): string | undefined {
  if (typeof value === "number") return "number";
  return typeof value === "string" && value.length > SENTENCE ? "words" : undefined;
}

function shownIn<T>(column: Column<T>, row: T): string {
  if (column.text) return column.text(row);
  const value = column.value(row);
  return typeof value === "boolean" ? (value ? "yes" : "") : String(value ?? "");
}

/** The first rows of a long table, and those that are kept wherever they stand. */
export function folded<T>(rows: T[], fold: boolean, kept: (row: T) => boolean): T[] {
  return fold && rows.length > LONG ? rows.filter((row, i) => i < FIRST || kept(row)) : rows;
}

/** What has no value last, whichever way the rest goes. */
export function ordered<T>(rows: T[], column: Column<T>, down: boolean): T[] {
  const key = (row: T): number | string => {
    if (column.order) return column.order(row);
    const value = column.value(row);
    if (typeof value === "number") return column.bySize ? Math.abs(value) : value;
    return typeof value === "boolean" ? Number(value) : (value ?? "");
  };
  const there = rows.filter((row) => column.value(row) !== null);
  const absent = rows.filter((row) => column.value(row) === null);
  there.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
  });
  return [...there, ...absent];
}
