// A study: its analyses side by side, how far they agree, and any one or two of them in full.
import { useMemo } from "preact/hooks";
import { diverging, sequential } from "../colour";
import { factsOf } from "../data/compare";
import type { Saved } from "../data/compare";
import type { Document } from "../data/decode";
import { analysesOf, holders, pairOf } from "../data/study";
import type { StudyDerived, StudyPair } from "../data/study";
import { AnalysesTable } from "../parts/AnalysesTable";
import { Card, idOf, Side } from "../parts/Card";
import { Heatmap } from "../parts/Heatmap";
import { Legend, SizeLegend } from "../parts/Legend";
import { OccurrenceTable } from "../parts/OccurrenceTable";
import { Story } from "../parts/Story";
import { setParam, useParam } from "../state";
import type { Theme } from "../theme";
import { AnalysisView } from "./AnalysisView";
import { CompareView } from "./CompareView";

const CHOSEN = "One or two of them";
const ABSENT = "not known, or one and the same";
const MEASURES = {
  jaccard: { title: "shared nodes (Jaccard)", label: "nodes in both circuits over nodes in either" },
  tau: { title: "order of nodes (tau-b)", label: "agreement in the order of all nodes by estimate (Kendall's tau-b)" },
};
type Measure = keyof typeof MEASURES;

export function StudyView({ document, theme }: { document: Document; theme: Theme }) {
  const derived = document.derived as unknown as StudyDerived;
  const analyses = useMemo(() => analysesOf(document), [document]);
  const facts = useMemo(() => factsOf(analyses), [analyses]);
  const inside = useMemo(() => holders(analyses), [analyses]);
  const [node, select] = useParam("node");
  const [one, setOne] = useParam("one");
  const [other, setOther] = useParam("other");
  const find = (name: string | null) => analyses.find((saved) => saved.name === name);
  const [left, right] = [find(one), find(other)];
  const [summary, circuits, ...rest] = document.story;
  const open = (first: string, second: string | null) => {
    setParam("size", null); // of the circuit that was shown
    setOne(first);
    setOther(second);
    globalThis.document.getElementById(idOf(CHOSEN))?.scrollIntoView();
  };
  const names = analyses.map((saved) => saved.name);
  return (
    <>
      {summary && <Card title={summary.title} wide><Story section={summary} /></Card>}
      {circuits && <Card title={circuits.title}><Story section={circuits} /></Card>}
      {names.length > 1 && (
        <Card title="Agreement" note="Every two analyses; a cell opens them below. On the diagonal there is nothing to compare.">
          <Agreement names={names} pairs={derived.pairs} chosen={[one, other]} theme={theme} onChoose={open} />
        </Card>
      )}
      <Card title="Analyses" note="What was found of each, and how it was made where that is not the same for all. A row opens it below." wide>
        <AnalysesTable names={names} facts={facts} selected={one} onSelect={(name) => (name === one ? setOne(null) : open(name, null))} />
      </Card>
      <Card title="Nodes of all" note="How many circuits hold a node, and its estimates (by gradient) over all analyses." wide>
        <OccurrenceTable rows={derived.occurrences} inside={inside} selected={node} onSelect={(name) => select(name === node ? null : name)} />
      </Card>
      {rest.filter((section) => section.sentences.length).map((section) => (
        <Card title={section.title} wide={section.title === "How to reproduce"}><Story section={section} /></Card>
      ))}
      <Card title={CHOSEN} wide>
        <div class="own">
          <Choice title="show" names={names} value={left?.name} onChoose={setOne} none="none" />
          <Choice title="beside" names={names.filter((name) => name !== left?.name)} value={right?.name} onChoose={setOther} none="nothing" />
        </div>
      </Card>
      <Side.Provider value="chosen-"><Chosen left={left} right={right} theme={theme} /></Side.Provider>
    </>
  );
}

function Chosen({ left, right, theme }: { left: Saved | undefined; right: Saved | undefined; theme: Theme }) {
  if (left && right && left !== right) return <CompareView left={left} right={right} theme={theme} />;
  return left ? <AnalysisView document={left.document} theme={theme} /> : null;
}

function Agreement(props: { names: string[]; pairs: StudyPair[]; chosen: (string | null)[]; theme: Theme; onChoose: (a: string, b: string) => void }) {
  const { names, pairs, theme } = props;
  const [asked, setMeasure] = useParam("agreement");
  const measure: Measure = asked === "tau" ? "tau" : "jaccard";
  const { label } = MEASURES[measure];
  const pair = (r: number, c: number) => pairOf(pairs, names[r]!, names[c]!);
  const value = (r: number, c: number) => pair(r, c)?.[measure] ?? NaN;
  const widest = Math.max(...names.map((name) => name.length));
  const selected = props.chosen.every((name) => name !== null && names.includes(name))
    ? [{ row: names.indexOf(props.chosen[0]!), column: names.indexOf(props.chosen[1]!) }]
    : [];
  return (
    <>
      <div class="own">
        <label>
          measure{" "}
          <select value={measure} onChange={(e) => setMeasure(e.currentTarget.value)}>
            {Object.entries(MEASURES).map(([name, { title }]) => <option value={name}>{title}</option>)}
          </select>
        </label>
      </div>
      {measure === "tau"
        ? <Legend limit={1} theme={theme} label={label} absent={ABSENT} ends={["the opposite order", "the same order"]} />
        : <SizeLegend limit="1" theme={theme} label={`${label} · hatched: ${ABSENT}`} />}
      <Heatmap
        label={label}
        rows={names} columns={names} value={value} selected={selected} theme={theme}
        colour={(v) => (measure === "tau" ? diverging(v, theme) : sequential(v, theme))}
        describe={(r, c) => described(names[r]!, names[c]!, pair(r, c))}
        onSelect={(r, c) => r !== c && props.onChoose(names[r]!, names[c]!)}
        leftWidth={Math.min(160, 14 + 7 * widest)} maxCellWidth={72} minCellWidth={14} cellHeight={22}
      />
    </>
  );
}

function described(a: string, b: string, pair: StudyPair | null): string {
  if (!pair) return `${a}: one and the same.`;
  const number = (value: number, digits = 2) => (Number.isNaN(value) ? "not known" : value.toFixed(digits).replace("-", "\u2212"));
  return `${a} and ${b}: Jaccard ${number(pair.jaccard)} (by chance ${number(pair.by_chance, 3)}), tau-b ${number(pair.tau)}`;
}

function Choice(props: { title: string; names: string[]; value: string | undefined; onChoose: (name: string | null) => void; none: string }) {
  return (
    <label>
      {props.title}{" "}
      <select value={props.value ?? ""} onChange={(e) => props.onChoose(e.currentTarget.value || null)}>
        <option value="">{props.none}</option>
        {props.names.map((name) => <option value={name}>{name}</option>)}
      </select>
    </label>
  );
}
