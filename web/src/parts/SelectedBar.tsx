import type { NodeRow } from "../data/results";
import { signed } from "../format";

/** What is known of the node that is selected, wherever on the page one is. */
export function SelectedBar(props: { node: NodeRow; onClear: () => void }) {
  const { node } = props;
  return (
    <aside class="selected" aria-label="Selected node" aria-live="polite">
      <strong>{node.name}</strong>
      <span>estimate <b class="number">{signed(node.estimate)}</b></span>
      <span>
        effect <b class="number">{node.effect === null ? "not measured alone" : signed(node.effect)}</b>
      </span>
      <span>{node.inCircuit ? "in the circuit" : "not in the circuit"}</span>
      <button type="button" onClick={props.onClear} aria-label="Clear the selection">✕</button>
    </aside>
  );
}
