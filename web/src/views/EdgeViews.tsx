// Scores of all edges, and circuits of edges: the strongest as a graph, and a table.
import { useMemo } from "preact/hooks";
import type { Document, Tensor } from "../data/decode";
import { bySize } from "../data/edges";
import type { Edge } from "../data/edges";
import { nodeName, nodeOf } from "../data/results";
import type { Node, NodeRow } from "../data/results";
import { Card } from "../parts/Card";
import { CircuitGraph } from "../parts/CircuitGraph";
import { boxesOf, byHead, LOGITS } from "../parts/boxes";
import { EdgeControls, useLeast } from "../parts/EdgeControls";
import { EdgeTable } from "../parts/EdgeTable";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Fields, slotName } from "./FieldsView";

interface ViewProps {
  document: Document;
  theme: Theme;
}

interface Slot {
  kind: string;
  layer: number | null;
  head: number | null;
}

const STRONGEST = 40;
const MATRICES = ["senders", "slots", "exists", "matrix", "halves", "scale", "by_position", "kept", "scores"];

export function EdgeScoresView({ document, theme }: ViewProps) {
  const { method, matrix } = document.fields as { method: string; matrix: Tensor };
  const edges = useMemo(() => edgesOf(document, matrix, "exists"), [document]);
  const exact = method === "exact";
  const told = exact ? "Measured: each edge cut alone." : `Estimates by ${method}; they are not measurements.`;
  return <EdgeCards document={document} theme={theme} edges={edges} word={exact ? "effect" : "estimate"} note={told} />;
}

export function EdgeCircuitView({ document, theme }: ViewProps) {
  const { scores, ranked_by } = document.fields as { scores: Tensor; ranked_by: string };
  const edges = useMemo(() => edgesOf(document, scores, "kept"), [document]);
  const note = `The edges of the circuit. The numbers are what they were ranked by (${ranked_by || "nothing"}), not measurements.`;
  return <EdgeCards document={document} theme={theme} edges={edges} word="score" note={note} />;
}

function EdgeCards(props: ViewProps & { edges: Edge[]; word: string; note: string }) {
  const { edges, word } = props;
  const strongest = useMemo(() => bySize(edges).slice(0, STRONGEST), [edges]);
  const count = edges.length > STRONGEST ? `The ${STRONGEST} largest of ${edges.length} are drawn.` : `${edges.length} edges.`;
  return (
    <>
      <Card title="Edges" note={`${props.note} ${count}`} wide>
        <EdgeGraph edges={strongest} word={word} theme={props.theme} />
        <EdgeControls edges={strongest} word={word} />
      </Card>
      <Card title="Table"><EdgeTable edges={edges} word={word} /></Card>
      <Card title="How it was made"><Fields fields={props.document.fields} without={MATRICES} /></Card>
    </>
  );
}

function EdgeGraph({ edges, word, theme }: { edges: Edge[]; word: string; theme: Theme }) {
  const [selected, select] = useParam("node");
  const [least] = useLeast(edges);
  const names = [...new Set(edges.flatMap((edge) => [edge.sender, ...edge.into]))].filter((name) => name !== "logits");
  const rows = names.map((name): NodeRow => ({ name, ...placeOf(name), estimate: NaN, effect: null, inCircuit: true }));
  const boxes = boxesOf(rows, new Set(), { pins: [], labels: {}, groups: [], ticked: [] }, new Map(), byHead(rows))
    .map((box) => ({ ...box, told: box.key, title: box.key }));
  const ends = edges.some((edge) => edge.into.includes("logits")) ? [LOGITS] : [];
  return (
    <CircuitGraph
      boxes={[...ends, ...boxes]} edges={edges} hidden={least} word={word} axis={[]} limit={1} theme={theme}
      selected={selected} onSelect={(name) => select(name === selected ? null : name)}
    />
  );
}

/** Keys and values that several heads share have a box of their own, L9KV2; so has an attention layer, A9. */
function placeOf(name: string): Node {
  const shared = /^(?:L(\d+)KV(\d+)|A(\d+))$/.exec(name);
  if (!shared) return nodeOf(name);
  return { kind: "head", layer: Number(shared[1] ?? shared[3]), head: Number(shared[2] ?? 0) };
}

function edgesOf(document: Document, values: Tensor, mask: "exists" | "kept"): Edge[] {
  const { senders, slots } = document.fields as { senders: Node[]; slots: Slot[] };
  const there = document.fields[mask] as Tensor;
  const columns = slots.length;
  const queries = new Map<number | null, number>();
  const keys = new Map<number | null, number>();
  for (const slot of slots) {
    if (slot.kind === "q") queries.set(slot.layer, (queries.get(slot.layer) ?? 0) + 1);
    if (slot.kind === "k") keys.set(slot.layer, (keys.get(slot.layer) ?? 0) + 1);
  }
  const into = slots.map((slot) => boxOf(slot, queries.get(slot.layer) === keys.get(slot.layer)));
  const names = slots.map(slotName);
  return senders.flatMap((sender, i) =>
    slots.flatMap((_, j) => {
      const effect = values.values[i * columns + j]!;
      const known = there.values[i * columns + j] && !Number.isNaN(effect);
      return known ? [{ sender: nodeName(sender), slot: names[j]!, into: [into[j]!], effect }] : [];
    }),
  );
}

function boxOf(slot: Slot, own: boolean): string {
  if (slot.kind === "logits" || slot.kind === "attn" || slot.kind === "mlp") return slotName(slot);
  return `L${slot.layer}${slot.kind === "q" || own ? "H" : "KV"}${slot.head}`;
}
