// Where answer and foil stand in several runs, one run a column.
import { percent, signed, visible } from "../format";
import type { Candidate } from "./choices";

export interface Told {
  difference: number;
  answer: number;
  foil: number;
  candidates: Candidate[];
}

/** `base` is the run that the others are compared with; null is a run that could not be made. */
export function SideBySide({ base, columns }: { base: Told; columns: [string, Told | null][] }) {
  const cell = (read: (told: Told) => string) => columns.map(([, told]) => <td class="number">{told ? read(told) : ""}</td>);
  const first = (told: Told) => `“${visible(told.candidates[0]?.token ?? "")}” ${percent(told.candidates[0]?.probability ?? 0)}`;
  return (
    <div class="table-scroll compared">
      <table data-testid="compared">
        <thead><tr><td />{columns.map(([name]) => <th scope="col">{name}</th>)}</tr></thead>
        <tbody>
          <tr><th scope="row">logit difference</th>{cell((told) => signed(told.difference))}</tr>
          <tr><th scope="row">moved by</th>{cell((told) => (told === base ? "" : signed(told.difference - base.difference)))}</tr>
          <tr><th scope="row">answer</th>{cell((told) => percent(told.answer))}</tr>
          <tr><th scope="row">foil</th>{cell((told) => percent(told.foil))}</tr>
          <tr><th scope="row">says next</th>{cell(first)}</tr>
        </tbody>
      </table>
    </div>
  );
}
