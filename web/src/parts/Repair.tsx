// What does more once the circuit is replaced: every growth that was measured, backups first.
import { nodeName } from "../data/names";
import type { AnalysisDerived, Backups } from "../data/results";
import { signed } from "../format";

export function RepairTable(props: {
  backups: Backups | null; derived: AnalysisDerived["backups"]; selected: string | null; onSelect: (name: string) => void;
}) {
  const { backups } = props;
  if (!backups?.looked_at.length) return null;
  const rows = backups.looked_at
    .map((growth, i) => ({ ...growth, ...props.derived[i]!, name: nodeName(growth.node) }))
    .sort((a, b) => Number(b.found) - Number(a.found) || b.effect - a.effect);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Growth of nodes once the circuit is replaced">
      <table data-testid="backups">
        <thead>
          <tr>
            <th scope="col">node</th><th scope="col">circuit replaced by</th><th scope="col">effect, circuit whole</th>
            <th scope="col">effect, circuit replaced</th><th scope="col">growth</th><th scope="col">backup</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr class={row.name === props.selected ? "chosen" : ""} onClick={() => props.onSelect(row.name)}>
              <th scope="row"><button type="button" aria-pressed={row.name === props.selected}>{row.name}</button></th>
              <td>{row.ablation}{row.others.length > 0 && `, ${row.others.length} others too`}</td>
              <td class="number">{signed(row.effect_before)}</td>
              <td class="number">{signed(row.effect_after)}</td>
              <td class="number">{signed(row.effect)}</td>
              <td>{row.found ? row.role : row.grew && row.by_chance === null ? "not compared" : "no"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
