// Analyses as rows: what was found of each, and how it was made where that is not the same for all.
import { useMemo } from "preact/hooks";
import { differs } from "../data/compare";
import type { Fact, FactRow } from "../data/compare";
import { DataTable } from "./DataTable";
import type { Column } from "./DataTable";

interface Row {
  name: string;
  place: number;
  facts: Fact[];
}

export function AnalysesTable(props: { names: string[]; facts: FactRow[]; selected: string | null; onSelect: (name: string) => void }) {
  const told = useMemo(() => props.facts.filter((fact) => (fact.made ? differs(fact) : fact.values.some((value) => value !== null))), [props.facts]);
  const rows = useMemo(() => props.names.map((name, i): Row => ({ name, place: i, facts: told.map((fact) => fact.values[i]!) })), [props.names, told]);
  const columns = useMemo(() => [NAME, ...told.map(columnOf)], [told]);
  return (
    <DataTable
      label="Table of analyses" file="analyses" rows={rows} columns={columns} by="analysis" onPaper="paragraphs" first="smallest" hint="a name, a word of the prompt …"
      nameOf={(row) => row.name} words={(row) => [row.name, ...row.facts].join(" ")}
      selected={props.selected} onSelect={props.onSelect}
    />
  );
}

const NAME: Column<Row> = { name: "analysis", title: "analysis", value: (row) => row.name, order: (row) => row.place };

function columnOf(fact: FactRow, i: number): Column<Row> {
  const whole = fact.values.every((value) => typeof value !== "number" || Number.isInteger(value));
  return {
    name: fact.fact, title: fact.fact,
    value: (row) => row.facts[i]!,
    text: (row) => shown(row.facts[i]!, whole),
  };
}

function shown(value: Fact, whole: boolean): string {
  if (value === null) return "not measured";
  return typeof value === "number" ? value.toFixed(whole ? 0 : 3).replace("-", "\u2212") : value;
}
