// Which view draws which kind of result.
import type { JSX } from "preact";
import type { Document, Kind } from "../data/decode";
import type { Theme } from "../theme";
import { AnalysisView } from "./AnalysisView";
import { EdgeCircuitView, EdgeScoresView } from "./EdgeViews";
import { FieldsView } from "./FieldsView";
import { AttentionView, DirectEffectsView, HeadRolesView, LogitLensView, TokensView } from "./LensViews";
import { BackupsView, FaithfulnessView } from "./MeasuredViews";
import { AttributionView, PatchEffectsView } from "./NodeViews";
import { StudyView } from "./StudyView";

type View = (props: { document: Document; theme: Theme }) => JSX.Element;

const VIEWS: Partial<Record<Kind, View>> = {
  Analysis: AnalysisView,
  Study: StudyView,
  LogitLens: LogitLensView,
  DirectEffects: DirectEffectsView,
  AttentionPatterns: AttentionView,
  TokenAttribution: TokensView,
  HeadRoles: HeadRolesView,
  EdgeScores: EdgeScoresView,
  EdgeCircuit: EdgeCircuitView,
  Backups: BackupsView,
  Faithfulness: FaithfulnessView,
  Attribution: AttributionView,
  PatchEffects: PatchEffectsView,
};

export function viewOf(kind: string): View {
  return VIEWS[kind as Kind] ?? FieldsView;
}
