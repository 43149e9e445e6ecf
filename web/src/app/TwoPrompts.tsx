// Two prompts aligned, values of one put into the other, both ways; a click shows what is said then.
import { decodeDocument, fieldsOf } from "../data/decode";
import type { Fields } from "../data/decode";
import { nodeOf } from "../data/names";
import { Card } from "../parts/Card";
import { LayerMap } from "../parts/LayerMap";
import { Tokens } from "../parts/Tokens";
import { useParam } from "../state";
import type { Theme } from "../theme";
import type { Pair } from "./Explorer";
import { StreamMap } from "./StreamMap";
import { LensTraces } from "./LensTraces";
import { SecondPrompt } from "./SecondPrompt";
import { SideBySide } from "./SideBySide";
import type { Told } from "./SideBySide";
import { Shown, Status } from "./Status";
import { useJob } from "./useJob";

interface Side extends Told {
  tokens: string[];
}

type Both = Record<"clean" | "corrupted", Side>;
type Direction = Fields<"PatchEffects">["direction"];

/** Which run is changed, with values of which, and what a measured effect then is. */
const DIRECTIONS: Record<Direction, { base: keyof Both; source: keyof Both; effect: string }> = {
  noising: { base: "clean", source: "corrupted", effect: "effect: what the logit difference loses" },
  denoising: { base: "corrupted", source: "clean", effect: "effect: what the logit difference gains" },
};
const asEffects = (result: unknown) => fieldsOf(decodeDocument(result), "PatchEffects");

export function TwoPrompts({ pair, theme }: { pair: Pair; theme: Theme }) {
  const [corrupted, setCorrupted] = useParam("corrupted");
  const question = { ...pair, corrupted };
  const both = useJob(corrupted ? { kind: "pair", ...question } : null, (found) => found as Both);
  const ready = corrupted !== null && both.result !== null && both.problem === null;
  return (
    <>
      <Card title="Two prompts" wide>
        <SecondPrompt
          first={pair.prompt} value={corrupted ?? ""} problem={both.problem} run="Compare"
          onAsk={(text) => setCorrupted(text || null)}
          note="Change the words that decide, keeping the number of tokens."
        />
        <Status job={both} />
        {both.result && (
          <>
            <Tokens name="clean" tokens={both.result.clean.tokens} other={both.result.corrupted.tokens} />
            <Tokens name="corrupted" tokens={both.result.corrupted.tokens} other={both.result.clean.tokens} />
            <SideBySide base={both.result.clean} columns={[["clean", both.result.clean], ["corrupted", both.result.corrupted]]} />
          </>
        )}
      </Card>
      {ready && <LensTraces question={question} />}
      {ready && <Directions question={question} tokens={both.result!.clean.tokens} theme={theme} />}
    </>
  );
}

interface PatchProps {
  question: Record<string, unknown>;
  tokens: string[];
  theme: Theme;
}

/** A direction has maps of its own: those of the other are not shown under its name. */
function Directions(props: PatchProps) {
  const [way, setWay] = useParam("way");
  const direction = way !== null && Object.hasOwn(DIRECTIONS, way) ? (way as Direction) : "noising";
  return <Patches key={direction} {...props} question={{ ...props.question, direction }} direction={direction} onDirection={setWay} />;
}

function Patches(props: PatchProps & { direction: Direction; onDirection: (direction: Direction) => void }) {
  const [place, setPlace] = useParam("place");
  const { direction, question: asked } = props;
  const stream = useJob({ kind: "patch", sites: "resid", ...asked }, asEffects);
  const heads = useJob({ kind: "patch", sites: "heads", ...asked }, asEffects);
  const rows = heads.result?.places.map((one, i) => ({ name: one.name, ...nodeOf(one.name), value: heads.result!.per_example.values[i] ?? null }));
  const { effect } = DIRECTIONS[direction];
  return (
    <>
      <Card title="Direction" note="Noising puts values of the corrupted prompt into the run on the clean one: what is lost was needed. Denoising puts clean values into the corrupted run: what comes back was enough." wide>
        <div class="chips">
          {(Object.keys(DIRECTIONS) as Direction[]).map((name) => (
            <button type="button" aria-pressed={name === direction} onClick={() => props.onDirection(name)}>{name}</button>
          ))}
        </div>
        {place ? <Patched question={asked} direction={direction} place={place} tokens={props.tokens} /> : <p>Choose a cell to see what the model says with that patch.</p>}
      </Card>
      <Card title="Stream" note="The residual stream before each layer, at one position at a time.">
        <Status job={stream} />
        <Shown job={stream}>{stream.result && <StreamMap found={stream.result} tokens={props.tokens} label={effect} place={place} onPlace={setPlace} theme={props.theme} />}</Shown>
      </Card>
      <Card title="Single heads" note="Each head alone, at all positions.">
        <Status job={heads} />
        <Shown job={heads}>{rows && <LayerMap label={effect} word="effect" rows={rows} selected={place} onSelect={setPlace} theme={props.theme} />}</Shown>
      </Card>
    </>
  );
}

/** What is said with one patch; a place is a head's name, or a layer and a position. */
function Patched(props: { question: Record<string, unknown>; direction: Direction; place: string; tokens: string[] }) {
  const [layer, position] = props.place.split(",").map(Number);
  const stream = position !== undefined;
  const where = stream ? { layer, position } : { nodes: [props.place] };
  const job = useJob({ kind: "patched", ...props.question, ...where }, (found) => found as Record<"base" | "source" | "patched", Told>);
  const name = stream ? `layer ${layer}, position ${position} “${props.tokens[position] ?? ""}”` : props.place;
  const { base, source } = DIRECTIONS[props.direction];
  return (
    <>
      <p>{name}: the {base} run with the {source} run's value there.</p>
      <Status job={job} />
      <Shown job={job}>
        {job.result && (
          <SideBySide base={job.result.base} columns={[[base, job.result.base], ["patched", job.result.patched], [source, job.result.source]]} />
        )}
      </Shown>
    </>
  );
}
