// Edges with a number each, as a graph draws them.

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
