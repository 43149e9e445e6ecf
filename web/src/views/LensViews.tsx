// Single lens results, each as its own page.
import { fieldsOf } from "../data/decode";
import type { Document } from "../data/decode";
import { nodeName } from "../data/names";
import { AttentionOnTokens } from "../parts/AttentionOnTokens";
import { Card } from "../parts/Card";
import { LensGrid } from "../parts/LensGrid";
import { Story } from "../parts/Story";
import { Waterfall } from "../parts/Waterfall";
import { RoleMap } from "../parts/RoleMap";
import { useParam } from "../state";
import type { Theme } from "../theme";

interface ViewProps {
  document: Document;
  theme: Theme;
}

export function LogitLensView({ document, theme }: ViewProps) {
  const settles = (document.derived.settles as (string | null)[] | undefined)?.[0] ?? null;
  return (
    <Card title="Logit lens" note="What the model would say if it stopped there." wide>
      {document.story.map((section) => <Story section={section} />)}
      <LensGrid lens={fieldsOf(document, "LogitLens")} settles={settles} theme={theme} />
    </Card>
  );
}

export function DirectEffectsView({ document }: ViewProps) {
  const [selected, select] = useParam("node");
  return (
    <Card title="Direct effects" note="What each component itself wrote towards the answer: shares that add up. A large share need not be a cause." wide>
      <Waterfall direct={fieldsOf(document, "DirectEffects")} selected={selected} onSelect={select} />
    </Card>
  );
}

export function AttentionView({ document, theme }: ViewProps) {
  const attention = fieldsOf(document, "AttentionPatterns");
  const names = attention.heads.map(nodeName);
  const [chosen, choose] = useParam("node");
  const index = Math.max(0, names.indexOf(chosen ?? ""));
  return (
    <Card title="Attention" wide>
      <label class="field">
        Head{" "}
        <select value={names[index]} onChange={(e) => choose(e.currentTarget.value)}>
          {names.map((name) => <option value={name}>{name}</option>)}
        </select>
      </label>
      <AttentionOnTokens attention={attention} index={index} theme={theme} />
    </Card>
  );
}

export function HeadRolesView({ document, theme }: ViewProps) {
  const [selected, select] = useParam("node");
  return (
    <Card title="Head roles" note="By behaviour on repeated random tokens, beside scores where the reason for a role is gone (the null)." wide>
      <RoleMap found={fieldsOf(document, "HeadRoles")} selected={selected} onSelect={select} theme={theme} />
    </Card>
  );
}
