// Single lens results, each as its own page.
import { fieldsOf } from "../data/decode";
import type { BesideFields, Document, Fields, Section } from "../data/decode";
import { nodeName } from "../data/names";
import { AttentionOnTokens } from "../parts/AttentionOnTokens";
import { Card } from "../parts/Card";
import { LensGrid } from "../parts/LensGrid";
import { LensShifts } from "../parts/LensShifts";
import { Story } from "../parts/Story";
import { TokenStrip } from "../parts/TokenStrip";
import { Waterfall } from "../parts/Waterfall";
import { RoleMap } from "../parts/RoleMap";
import { useParam } from "../state";
import type { Theme } from "../theme";

interface ViewProps {
  document: Document;
  theme: Theme;
}

export function LogitLensView({ document, theme }: ViewProps) {
  return <LensCard lens={fieldsOf(document, "LogitLens")} {...document} theme={theme} />;
}

/** A lens on a page of its own, or in that of the analysis that holds it. */
export function LensCard(props: { lens: Fields<"LogitLens">; theme: Theme } & BesideFields) {
  const { lens, theme } = props;
  const [selected, select] = useParam("node");
  const settles = (props.derived.settles as (string | null)[] | undefined)?.[0] ?? null;
  return (
    <Card title="Logit lens" note="What the model would say if it stopped there." wide>
      {props.story.map((section) => <Story section={section} />)}
      <LensGrid lens={lens} settles={settles} theme={theme} />
      <LensShifts lens={lens} selected={selected} onSelect={(name) => select(name === selected ? null : name)} />
    </Card>
  );
}

export function DirectEffectsView({ document }: ViewProps) {
  return <DirectCard direct={fieldsOf(document, "DirectEffects")} story={document.story} />;
}

/** Shares, largest first. */
export function DirectCard({ direct, story }: { direct: Fields<"DirectEffects">; story: Section[] }) {
  const [selected, select] = useParam("node");
  return (
    <Card title="Direct effects" note="What each component itself wrote towards the answer: shares that add up. A large share need not be a cause." wide>
      {story.map((section) => <Story section={section} />)}
      <Waterfall direct={direct} selected={selected} onSelect={select} />
    </Card>
  );
}

export function TokensView({ document, theme }: ViewProps) {
  return <TokensCard found={fieldsOf(document, "TokenAttribution")} story={document.story} theme={theme} />;
}

/** The first prompt's tokens on their colours. */
export function TokensCard({ found, story, theme }: { found: Fields<"TokenAttribution">; story: Section[]; theme: Theme }) {
  return (
    <Card title="Tokens" note={`How much each token matters: by ${found.method}, one ${found.quantity} a token.`} wide>
      {story.map((section) => <Story section={section} />)}
      <TokenStrip found={found} theme={theme} />
    </Card>
  );
}

export function AttentionView({ document, theme }: ViewProps) {
  return <AttentionCard attention={fieldsOf(document, "AttentionPatterns")} story={document.story} theme={theme} />;
}

/** One head's attention at a time. */
export function AttentionCard({ attention, story, theme }: { attention: Fields<"AttentionPatterns">; story: Section[]; theme: Theme }) {
  const names = attention.heads.map(nodeName);
  const [chosen, choose] = useParam("node");
  const index = Math.max(0, names.indexOf(chosen ?? ""));
  return (
    <Card title="Attention" wide>
      {story.map((section) => <Story section={section} />)}
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
