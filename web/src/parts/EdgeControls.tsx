// From what size on edges are drawn, and what their colours mean.
import type { Edge } from "../data/edges";
import { useParam } from "../state";

const STEPS = 100;
const FIRST = 5;

/** The least size of an edge that is drawn, and in hundredths of the largest. */
export function useLeast(edges: Edge[]): [number, number, (percent: number) => void] {
  const [value, setValue] = useParam("least");
  const found = value === null ? FIRST : Number(value);
  const percent = Number.isFinite(found) ? Math.max(0, Math.min(STEPS, found)) : FIRST;
  const most = Math.max(0, ...edges.map((edge) => Math.abs(edge.effect)));
  return [(percent / STEPS) * most, percent, (next) => setValue(next === FIRST ? null : String(next))];
}

export function EdgeControls({ edges, word }: { edges: Edge[]; word: string }) {
  const [least, percent, choose] = useLeast(edges);
  const drawn = edges.filter((edge) => Math.abs(edge.effect) >= least).length;
  const told = `edges of at least ${least.toFixed(3)}: ${drawn} of ${edges.length}`;
  return (
    <div class="slider">
      <label for="least">Drawn: <span data-testid="drawn">{told}</span></label>
      <input
        id="least" type="range" min={0} max={STEPS} step={1} value={percent} aria-valuetext={told}
        onInput={(event) => choose(Number(event.currentTarget.value))}
      />
      <ul class="keys">
        <li><i class="key-edge positive" />edge that supports the answer ({word}; its width is the size)</li>
        <li><i class="key-edge negative" />edge that opposes it</li>
        <li>ends at the left: query, middle: key, right: value</li>
      </ul>
    </div>
  );
}
