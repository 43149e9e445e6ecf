// Two results side by side: analyses number by number, everything else each in its own view.
import { useMemo } from "preact/hooks";
import { differs, factsOf, overlapOf, pairRows } from "../data/compare";
import type { FactRow, Overlap, Saved } from "../data/compare";
import { Card, Side } from "../parts/Card";
import { FactsTable } from "../parts/FactsTable";
import { PairTable } from "../parts/PairTable";
import { useParam } from "../state";
import type { Theme } from "../theme";
import { viewOf } from "./byKind";

export function CompareView({ left, right, theme }: { left: Saved; right: Saved; theme: Theme }) {
  const analyses = left.document.type === "Analysis" && right.document.type === "Analysis";
  return analyses ? <Analyses left={left} right={right} /> : <Views left={left} right={right} theme={theme} />;
}

function Analyses({ left, right }: { left: Saved; right: Saved }) {
  const [selected, select] = useParam("node");
  const facts = useMemo(() => factsOf([left, right]), [left, right]);
  const rows = useMemo(() => pairRows(left.document, right.document), [left, right]);
  const overlap = useMemo(() => overlapOf(left.document, right.document), [left, right]);
  return (
    <>
      <Card title="Side by side" wide>
        <Made facts={facts} />
        <FactsTable names={[left.name, right.name]} rows={facts} />
      </Card>
      <Card title="Circuits" note="Nodes that the searches chose, by name." wide><Shared overlap={overlap} names={[left.name, right.name]} /></Card>
      <Card title="Nodes of both" note="Estimates are gradients; effects were measured. Empty: not measured alone, or no such node. Filter by a name, a kind, or “both”, “first”, “second”." wide>
        <PairTable rows={rows} selected={selected} onSelect={(name) => select(name === selected ? null : name)} />
      </Card>
    </>
  );
}

/** Whether the numbers may be held against each other at all. */
function Made({ facts }: { facts: FactRow[] }) {
  const apart = facts.filter((row) => row.made && differs(row)).map((row) => row.fact);
  if (!apart.length) return <p data-testid="made">Both were made in the same way: the same model, prompts, metric, ablation and search.</p>;
  const models = apart.includes("model") || apart.includes("weights");
  return (
    <p data-testid="made">
      They were made differently: <b>{apart.join(", ")}</b>. Differences between their numbers come from all of these together.
      {models && " Nodes of different models are matched by name; the name says a place, not what the part does."}
    </p>
  );
}

function Shared({ overlap, names }: { overlap: Overlap; names: [string, string] }) {
  const parts: [string, string[]][] = [["in both", overlap.both], [`only in “${names[0]}”`, overlap.left], [`only in “${names[1]}”`, overlap.right]];
  return (
    <>
      <p>
        {overlap.jaccard === null
          ? "Both circuits are empty."
          : <>Shared: <b class="number">{overlap.both.length}</b> of <b class="number">{overlap.both.length + overlap.left.length + overlap.right.length}</b> nodes in either (Jaccard index <b class="number">{overlap.jaccard.toFixed(2)}</b>).</>}
      </p>
      <dl class="facts" data-testid="overlap">
        {parts.map(([title, nodes]) => <><dt><bdi>{title}</bdi> ({nodes.length})</dt><dd>{nodes.join(" ") || "none"}</dd></>)}
      </dl>
    </>
  );
}

function Views({ left, right, theme }: { left: Saved; right: Saved; theme: Theme }) {
  return (
    <>
      {[left, right].map((one, i) => {
        const View = viewOf(one.document.type);
        return (
          <section class="beside" aria-label={one.name}>
            <h2><bdi>{one.name}</bdi>: {one.document.type}</h2>
            <Side.Provider value={`side${i}-`}><View document={one.document} theme={theme} /></Side.Provider>
          </section>
        );
      })}
    </>
  );
}
