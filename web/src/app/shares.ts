import type { Fields } from "../data/decode";
import { nodeOf } from "../data/names";
import { row } from "../data/tensor";
import type { Valued } from "../parts/LayerMap";

/** The model's heads and MLPs with their shares, once these are known. */
export function shareRows(nodes: string[], direct: Fields<"DirectEffects"> | null): Valued[] {
  const shares = direct ? row(direct.per_example, 0).values : [];
  const known = new Map(direct?.terms.map((term, i) => [term.name, shares[i] ?? null]) ?? []);
  return nodes
    .map((name) => ({ name, ...nodeOf(name), value: known.get(name) ?? null }))
    .filter((node) => node.kind !== "embed");
}
