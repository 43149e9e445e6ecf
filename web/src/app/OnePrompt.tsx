// One prompt with an answer and a foil: the lens, the parts and the chosen part beside each other.
import { decodeDocument, fieldsOf } from "../data/decode";
import { nodeOf } from "../data/names";
import { Card } from "../parts/Card";
import { LensCell, LensGrid, useLensPlace } from "../parts/LensGrid";
import { Story } from "../parts/Story";
import { Waterfall } from "../parts/Waterfall";
import type { Valued } from "../parts/LayerMap";
import type { Theme } from "../theme";
import { useLinked } from "../useLinked";
import type { Pair } from "./Explorer";
import { Part } from "./Part";
import { PartsMap } from "./PartsMap";
import { shareRows } from "./shares";
import { Shown, Status } from "./Status";
import { TurnedOff } from "./TurnedOff";
import { useJob } from "./useJob";

export function OnePrompt({ nodes, pair, theme }: { nodes: string[]; pair: Pair; theme: Theme }) {
  const [{ node, layer }, choose] = useLinked();
  const direct = useJob({ kind: "direct", ...pair }, (found) => fieldsOf(decodeDocument(found), "DirectEffects"));
  const rows = shareRows(nodes, direct.result);
  const own = node !== null && nodes.includes(node) ? node : null;
  const shown = own ?? strongestHead(rows);
  return (
    <>
      <div class="workbench wide">
        <LensCard pair={pair} theme={theme} />
        <PartsMap rows={rows} direct={direct} pair={pair} theme={theme} />
        <div class="stack">
          <TurnedOff pair={pair} nodes={nodes} />
          {shown && <Part key={shown} name={shown} chosen={own !== null} pair={pair} share={rows.find((row) => row.name === shown)?.value ?? null} theme={theme} />}
        </div>
      </div>
      <Card title="Direct effects" note="What each part itself wrote towards the answer rather than the foil. Shares add up; a large share need not be a cause." wide>
        <Status job={direct} />
        <Shown job={direct}>{direct.result && <Waterfall direct={direct.result} selected={node} layer={layer} onSelect={(name) => choose({ node: name })} />}</Shown>
      </Card>
    </>
  );
}

function LensCard({ pair, theme }: { pair: Pair; theme: Theme }) {
  const job = useJob({ kind: "lens", ...pair }, (found) => {
    const document = decodeDocument(found);
    return { lens: fieldsOf(document, "LogitLens"), settles: (document.derived.settles as (string | null)[])[0] ?? null, story: document.story[0] };
  });
  const found = job.result;
  return (
    <Card title="Logit lens" note="What the model would say if it stopped after each layer." tour="lens">
      <Status job={job} />
      <Shown job={job}>
        {found && (
          <>
            {found.story && <Story section={{ ...found.story, sentences: found.story.sentences.slice(0, 1) }} />}
            <LensGrid lens={found.lens} settles={found.settles} theme={theme} beside={<Place lens={found.lens} />} />
          </>
        )}
      </Shown>
    </Card>
  );
}

function Place({ lens }: { lens: Parameters<typeof LensCell>[0]["lens"] }) {
  return <LensCell lens={lens} {...useLensPlace(lens)} />;
}

/** What is shown of parts before one is chosen: the head that wrote most towards the answer. */
export function strongestHead(rows: Valued[]): string | null {
  const heads = rows.filter((row) => nodeOf(row.name).kind === "head" && row.value !== null);
  return heads.sort((a, b) => b.value! - a.value!)[0]?.name ?? null;
}
