// Reads the document on the page and draws it.
import { render } from "preact";
import { decodeDocument } from "./data/decode";
import type { Document } from "./data/decode";
import { Explorer } from "./app/Explorer";
import type { About } from "./app/Explorer";
import { Page } from "./parts/Page";
import type { Theme } from "./theme";
import "./style.css";
import { AnalysisView } from "./views/AnalysisView";
import { EdgeCircuitView, EdgeScoresView } from "./views/EdgeViews";
import { FieldsView } from "./views/FieldsView";
import { AttributionView, BackupsView, FaithfulnessView, PatchEffectsView } from "./views/MeasuredViews";
import { AttentionView, DirectEffectsView, HeadRolesView, LogitLensView } from "./views/LensViews";

const VIEWS: Record<string, (props: { document: Document; theme: Theme }) => preact.JSX.Element> = {
  Analysis: AnalysisView,
  LogitLens: LogitLensView,
  DirectEffects: DirectEffectsView,
  AttentionPatterns: AttentionView,
  HeadRoles: HeadRolesView,
  EdgeScores: EdgeScoresView,
  EdgeCircuit: EdgeCircuitView,
  Backups: BackupsView,
  Faithfulness: FaithfulnessView,
  Attribution: AttributionView,
  PatchEffects: PatchEffectsView,
};

function start(): void {
  const raw = JSON.parse(document.getElementById("pellucid-data")!.textContent!) as Record<string, unknown>;
  if (raw.type === "App") {
    render(<Explorer about={raw.fields as About} />, document.getElementById("pellucid")!);
    return;
  }
  const found = decodeDocument(raw);
  const View = VIEWS[found.type] ?? FieldsView;
  const made = found.fields.provenance as { model: string; created: string } | undefined;
  render(
    <Page title={`Pellucid: ${found.type}`} {...(made ? { subtitle: `${made.model}, ${made.created}` } : {})}>
      {(theme) => <View document={found} theme={theme} />}
    </Page>,
    document.getElementById("pellucid")!,
  );
}

start();
