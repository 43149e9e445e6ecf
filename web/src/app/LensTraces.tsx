// Both prompts read after every sublayer: whether the answer, the foil or neither is the likeliest.
import { decodeDocument, fieldsOf } from "../data/decode";
import type { Fields } from "../data/decode";
import { at } from "../data/tensor";
import { percent, signed, visible } from "../format";
import { Card } from "../parts/Card";
import { SvgFigure } from "../parts/FigureTools";
import { useWidth } from "../parts/width";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

type LogitLens = Fields<"LogitLens">;
type LensReading = LogitLens["prompt"];
type Level = "answer" | "foil" | "neither";
const MARKS: Record<Level, string> = { answer: "A", foil: "F", neither: "\u00b7" };
const ROW = 12;
const TOP = 20;
const NAMES = 42;
const MARK = 14;
const TOKEN = 84;

interface Traces {
  lens: LogitLens;
  parted: Record<"kl" | "difference", string | null>;
}

export function LensTraces({ question }: { question: Record<string, unknown> }) {
  const job = useJob({ kind: "lenses", ...question }, (raw) => {
    const { lens, parted } = raw as { lens: unknown; parted: Traces["parted"] };
    return { lens: fieldsOf(decodeDocument(lens), "LogitLens"), parted };
  });
  return (
    <Card title="Sublayer by sublayer" note="What the model would say at the last position if it stopped there, for both prompts. That a token can be read off does not say that it is used." wide>
      <Status job={job} />
      <Shown job={job}>{job.result && <Both {...job.result} />}</Shown>
    </Card>
  );
}

function Both({ lens, parted }: Traces) {
  const [answer, foil] = lens.targets.map(visible);
  return (
    <>
      <p data-testid="parted">
        {parted.kl ? <>From <b>{parted.kl}</b> on the two say different things</> : "The two never say different things for good"} (KL divergence
        above 0.1 nats to the end);{" "}
        {parted.difference ? <>from <b>{parted.difference}</b> on</> : "nowhere"} their logit differences are more than half of the last difference apart.
      </p>
      <ul class="keys levels" aria-label="Colours">
        <li><i class="level answer" /><b>A</b>: the answer “{answer}” is the likeliest token of all (rank 1)</li>
        <li><i class="level foil" /><b>F</b>: the foil “{foil}” is (rank 1)</li>
        <li><i class="level neither" /><b>·</b>: neither is; another token has rank 1</li>
        <li>length: probability of the likeliest token, 0 to 100 %</li>
      </ul>
      <div class="graph-scroll tall"><Drawn lens={lens} parted={parted} /></div>
    </>
  );
}

function Drawn({ lens, parted }: Traces) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const half = Math.max(60, (width - NAMES) / 2);
  const bottom = TOP + ROW * lens.points.length;
  const sides: [string, LensReading][] = [["clean", lens.prompt], ["corrupted", lens.against!]];
  const said = sides.map(([name, reading]) => `${name}: ${spoken(lens, reading)}`).join(". ");
  return (
    <div ref={frame}>
      <SvgFigure name="Both prompts, sublayer by sublayer">
        <svg class="traces" width={Math.max(width, 1)} height={bottom + 18} role="img" aria-label={`Likeliest after each sublayer. ${said}`}>
          {lens.points.map((point, i) => (
            <text class="tick" x={NAMES - 6} y={TOP + (i + 0.5) * ROW} dy="0.35em" text-anchor="end">{point.name}</text>
          ))}
          {sides.map(([name, reading], s) => <Trace name={name} lens={lens} reading={reading} left={NAMES + s * half} width={half - 8} />)}
          <text class="tick" x={4} y={bottom + 12}>{`A: “${visible(lens.targets[0]!)}” likeliest · F: “${visible(lens.targets[1]!)}” likeliest · dashed: here they part`}</text>
          {parted.kl && <Parting at={lens.points.findIndex((point) => point.name === parted.kl)} width={width} />}
        </svg>
      </SvgFigure>
    </div>
  );
}

function Parting({ at: row, width }: { at: number; width: number }) {
  const y = TOP + row * ROW;
  return <line class="target" x1={0} x2={width} y1={y} y2={y} />;
}

function Trace(props: { name: string; lens: LogitLens; reading: LensReading; left: number; width: number }) {
  const { lens, reading, left } = props;
  const room = Math.max(10, props.width - TOKEN - MARK);
  return (
    <g>
      <text class="trace-name" x={left} y={12}>{props.name}</text>
      {lens.points.map((point, i) => {
        const level = levelOf(reading, i);
        const share = at(reading.top_probability, i, 0, 0);
        const token = visible(reading.top_tokens[i]![0]![0]!);
        const y = TOP + i * ROW;
        return (
          <g class={`level-row ${level}`}>
            <title>{`${props.name}, after ${point.name}: “${token}” ${percent(share)}; logit difference ${signed(at(reading.target_logit, i, 0, 0) - at(reading.target_logit, i, 0, 1), 2)}`}</title>
            <text class="mark" x={left + 5} y={y + ROW / 2} dy="0.35em" text-anchor="middle">{MARKS[level]}</text>
            <rect class={`level ${level}`} x={left + MARK} y={y + 1.5} width={Math.max(1, room * share)} height={ROW - 3} />
            <text x={left + MARK + room * share + 5} y={y + ROW / 2} dy="0.35em">{token.length > 11 ? `${token.slice(0, 10)}…` : token}</text>
          </g>
        );
      })}
    </g>
  );
}

function levelOf(reading: LensReading, point: number): Level {
  if (at(reading.target_rank, point, 0, 0) === 1) return "answer";
  return at(reading.target_rank, point, 0, 1) === 1 ? "foil" : "neither";
}

/** The levels as one would say them: where each begins. */
function spoken(lens: LogitLens, reading: LensReading): string {
  const levels = lens.points.map((_, i) => levelOf(reading, i));
  return lens.points.flatMap((point, i) => (i === 0 || levels[i] !== levels[i - 1] ? [`${levels[i]} from ${point.name}`] : [])).join(", ");
}
