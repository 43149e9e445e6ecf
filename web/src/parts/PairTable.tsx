// The nodes of two analyses: estimate, effect and membership of each beside the other's.
import { useMemo } from "preact/hooks";
import { difference } from "../data/compare";
import type { PairRow } from "../data/compare";
import { orderOf } from "../data/names";
import { signed } from "../format";
import { DataTable } from "./DataTable";
import type { Column, Value } from "./DataTable";

export function PairTable(props: { rows: PairRow[]; selected: string | null; onSelect: (name: string) => void }) {
  const columns = useMemo(columnsOf, []);
  return (
    <DataTable
      folded
      {...props} label="Nodes of both analyses" file="compared-nodes" columns={columns} by="effect_difference"
      nameOf={(row) => row.name} words={(row) => `${row.name} ${row.kind} ${membership(row)}`}
    />
  );
}

function columnsOf(): Column<PairRow>[] {
  const number = (name: string, title: string, read: (row: PairRow) => number | null): Column<PairRow> => ({
    name, title, value: read, text: (row) => signed(read(row)), bySize: true,
  });
  return [
    { name: "node", title: "node", value: (row): Value => row.name, order: orderOf },
    { name: "kind", title: "kind", value: (row) => row.kind },
    number("estimate_left", "estimate, first", (row) => row.left?.estimate ?? null),
    number("estimate_right", "second", (row) => row.right?.estimate ?? null),
    number("estimate_difference", "second − first", (row) => difference(row, "estimate")),
    number("effect_left", "effect, first", (row) => row.left?.effect ?? null),
    number("effect_right", "second", (row) => row.right?.effect ?? null),
    number("effect_difference", "second − first", (row) => difference(row, "effect")),
    { name: "in_circuit", title: "in circuit", value: membership },
  ];
}

/** Whose circuit holds the node. */
function membership(row: PairRow): string {
  const [left, right] = [row.left?.inCircuit, row.right?.inCircuit];
  return left && right ? "both" : left ? "first" : right ? "second" : "";
}
