// Edges with a number each, as a graph draws them.
import { fedBy, nodeName, slotName } from "./names";
import type { Node, Slot } from "./names";
import type { Tensor } from "./tensor";

export interface Edge {
  sender: string;
  slot: string;
  /** The nodes that the slot feeds, of those that are drawn; a key or value may feed several heads. */
  into: string[];
  effect: number;
}

/** Edges that were measured, of `among` that there are between the parts that were asked about. */
export interface MeasuredEdges {
  edges: Edge[];
  among: number;
}

export function largest(edges: Edge[]): number {
  return Math.max(1e-12, ...edges.map((edge) => Math.abs(edge.effect)));
}

export function bySize(edges: Edge[]): Edge[] {
  return [...edges].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
}

/** The edges of a matrix [sender, slot] that are there and have a number. */
export function edgesOf(senders: Node[], slots: Slot[], values: Tensor, there: Tensor): Edge[] {
  const queries = countByLayer(slots, "q");
  const keys = countByLayer(slots, "k");
  const into = slots.map((slot) => fedBy(slot, queries.get(slot.layer) === keys.get(slot.layer)));
  const names = slots.map(slotName);
  return senders.flatMap((sender, i) =>
    slots.flatMap((_, j) => {
      const place = i * slots.length + j;
      const effect = values.values[place]!;
      const known = there.values[place] && !Number.isNaN(effect);
      return known ? [{ sender: nodeName(sender), slot: names[j]!, into: [into[j]!], effect }] : [];
    }),
  );
}

function countByLayer(slots: Slot[], kind: Slot["kind"]): Map<number | null, number> {
  const counts = new Map<number | null, number>();
  for (const slot of slots) if (slot.kind === kind) counts.set(slot.layer, (counts.get(slot.layer) ?? 0) + 1);
  return counts;
}
