// What is selected on a page about one prompt: a part, a layer, a token. Each view lights up what
// belongs to the selection, and selecting in any view selects in all.
import { read } from "./names";

export interface Selection {
  /** A head or an MLP by its name. */
  node: string | null;
  layer: number | null;
  /** A token of the prompt, counted from the start. */
  position: number | null;
}

export type Change = { node: string } | { layer: number } | { position: number } | { layer: number; position: number };

/** The selection once something was chosen; choosing what is selected already gives it up. */
export function after(old: Selection, change: Change): Selection {
  if ("node" in change) {
    const again = change.node === old.node;
    return { ...old, node: again ? null : change.node, layer: again ? null : layerOf(change.node) };
  }
  if ("layer" in change && "position" in change) return { ...old, ...change };
  if ("layer" in change) return { ...old, layer: change.layer === old.layer ? null : change.layer };
  return { ...old, position: change.position === old.position ? null : change.position };
}

/** The layer of a head, an MLP or a place of the lens (A9, M9, B9); null for the embedding. */
export function layerOf(name: string): number | null {
  return read(name.replace(/^B(?=\d)/, "M"))?.layer ?? null;
}

/** The rows, by their names, that are of a layer. */
export function rowsOf(names: string[], layer: number | null): number[] {
  return layer === null ? [] : names.flatMap((name, i) => (layerOf(name) === layer ? [i] : []));
}

/** A whole number from the address; null for anything else. */
export function whole(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
