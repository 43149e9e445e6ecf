// The nodes of several analyses: in how many circuits each is, and its estimates over all.
import { useMemo } from "preact/hooks";
import { nodeOf, orderOf } from "../data/names";
import type { Occurrence } from "../data/study";
import { signed } from "../format";
import { DataTable } from "./DataTable";
import type { Column } from "./DataTable";

export function OccurrenceTable(props: {
  rows: Occurrence[];
  /** A node's name to the analyses whose circuits hold it. */
  inside: Map<string, string[]>;
  selected: string | null;
  onSelect: (name: string) => void;
}) {
  const columns = useMemo(() => columnsOf(props.inside), [props.inside]);
  return (
    <DataTable
      folded
      {...props} label="Nodes of all analyses" file="study-nodes" columns={columns} by="circuits"
      nameOf={(row) => row.node} words={(row) => `${row.node} ${nodeOf(row.node).kind} ${names(props.inside, row)}`}
    />
  );
}

function columnsOf(inside: Map<string, string[]>): Column<Occurrence>[] {
  const number = (name: string, title: string, read: (row: Occurrence) => number): Column<Occurrence> => ({
    name, title, value: read, text: (row) => signed(read(row)), bySize: true,
  });
  return [
    { name: "node", title: "node", value: (row) => row.node, order: (row) => orderOf(nodeOf(row.node)) },
    { name: "kind", title: "kind", value: (row) => nodeOf(row.node).kind },
    { name: "circuits", title: "circuits", value: (row) => row.circuits },
    { name: "inside", title: "in the circuit of", value: (row) => names(inside, row) },
    number("estimate", "estimate, mean", (row) => row.estimate),
    number("low", "lowest", (row) => row.low),
    number("high", "highest", (row) => row.high),
  ];
}

function names(inside: Map<string, string[]>, row: Occurrence): string {
  return (inside.get(row.node) ?? []).join(", ");
}
