// Edges as a table, the strongest first: the same numbers as in the graph, for every reader.
import { bySize } from "../data/edges";
import type { Edge } from "../data/edges";
import { csv, download } from "../download";
import { signed } from "../format";

const SHOWN = 300;

export function EdgeTable({ edges, word }: { edges: Edge[]; word: string }) {
  const rows = bySize(edges);
  const cells = rows.map((edge) => [edge.sender, edge.slot, edge.effect]);
  const objects = rows.map((edge) => ({ sender: edge.sender, slot: edge.slot, [word]: edge.effect }));
  return (
    <div class="table">
      <div class="table-tools">
        <span>{rows.length > SHOWN ? `the ${SHOWN} largest of ${rows.length} edges; the files hold all` : `${rows.length} edges`}</span>
        <button type="button" onClick={() => download("edges.csv", "text/csv", csv(["sender", "slot", word], cells))}>CSV</button>
        <button type="button" onClick={() => download("edges.json", "application/json", JSON.stringify(objects, null, 1))}>JSON</button>
      </div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Table of edges">
        <table data-testid="edges">
          <thead><tr><th scope="col">from</th><th scope="col">into</th><th scope="col">{word}</th></tr></thead>
          <tbody>
            {rows.slice(0, SHOWN).map((edge) => (
              <tr class="plain"><th scope="row">{edge.sender}</th><td>{edge.slot}</td><td class="number">{signed(edge.effect)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
