// Scores of all edges, and circuits of edges: the strongest as a graph, and a table.
import { useMemo } from "preact/hooks";
import { fieldsOf } from "../data/decode";
import type { Document } from "../data/decode";
import { bySize, edgesOf } from "../data/edges";
import type { Edge } from "../data/edges";
import { placeOf } from "../data/names";
import type { NodeRow } from "../data/results";
import { Card } from "../parts/Card";
import { CircuitGraph } from "../parts/CircuitGraph";
import { boxesOf, byHead, LOGITS } from "../parts/boxes";
import { EdgeControls, useLeast } from "../parts/EdgeControls";
import { EdgeTable } from "../parts/EdgeTable";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { Fields } from "./FieldsView";

interface ViewProps {
  document: Document;
  theme: Theme;
}

const STRONGEST = 40;
const MATRICES = ["senders", "slots", "exists", "matrix", "halves", "scale", "by_position", "kept", "scores"];

export function EdgeScoresView({ document, theme }: ViewProps) {
  const { method, senders, slots, matrix, exists } = fieldsOf(document, "EdgeScores");
  const edges = useMemo(() => edgesOf(senders, slots, matrix, exists), [document]);
  const exact = method === "exact";
  const told = exact ? "Measured: each edge cut alone." : `Estimates by ${method}; they are not measurements.`;
  return <EdgeCards document={document} theme={theme} edges={edges} word={exact ? "effect" : "estimate"} note={told} />;
}

export function EdgeCircuitView({ document, theme }: ViewProps) {
  const { ranked_by, senders, slots, scores, kept } = fieldsOf(document, "EdgeCircuit");
  const edges = useMemo(() => edgesOf(senders, slots, scores, kept), [document]);
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
