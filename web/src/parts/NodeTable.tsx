// The nodes of one analysis: estimate beside what was measured.
import { orderOf } from "../data/names";
import type { NodeRow } from "../data/results";
import { signed } from "../format";
import { DataTable } from "./DataTable";
import type { Column } from "./DataTable";

const COLUMNS: Column<NodeRow>[] = [
  { name: "node", title: "node", value: (row) => row.name, order: orderOf },
  { name: "kind", title: "kind", value: (row) => row.kind },
  { name: "layer", title: "layer", value: (row) => row.layer },
  { name: "head", title: "head", value: (row) => row.head },
  { name: "estimate", title: "estimate", value: (row) => row.estimate, text: (row) => signed(row.estimate), bySize: true },
  { name: "effect", title: "effect (measured)", value: (row) => row.effect, text: (row) => signed(row.effect), bySize: true },
  { name: "in_circuit", title: "in circuit", value: (row) => row.inCircuit },
];

export function NodeTable(props: { rows: NodeRow[]; selected: string | null; onSelect: (name: string) => void }) {
  return (
    <DataTable
      folded
      {...props} label="Table of nodes" file="nodes" columns={COLUMNS} by="effect"
      nameOf={(row) => row.name} words={(row) => `${row.name} ${row.kind}`}
    />
  );
}
