// The selection that all views of a page share, kept in the address.
import { after, whole } from "./data/linked";
import type { Change, Selection } from "./data/linked";
import { param, setParam, useParam } from "./state";

const PLACES: Record<keyof Selection, string> = { node: "node", layer: "layer", position: "at" };
/** The places of the address that hold the selection. */
export const SELECTED = Object.values(PLACES);

export function useLinked(): [Selection, (change: Change) => void] {
  const [node] = useParam(PLACES.node);
  const [layer] = useParam(PLACES.layer);
  const [position] = useParam(PLACES.position);
  return [{ node, layer: whole(layer), position: whole(position) }, choose];
}

function choose(change: Change): void {
  const old = { node: param(PLACES.node), layer: whole(param(PLACES.layer)), position: whole(param(PLACES.position)) };
  const next = after(old, change);
  for (const name of Object.keys(PLACES) as (keyof Selection)[]) {
    const value = next[name];
    if (value !== old[name]) setParam(PLACES[name], value === null ? null : String(value));
  }
}
