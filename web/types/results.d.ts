// Made by types.mjs from schema.json (sha256 5ca310fefdbdde2462580e41ac91b2135ab024109cc7c156a04e20a667b99bb2).

export type Document = Result & {
  schema: 2;
  /**
   * Of a file: SHA-256 of the rest.
   */
  checksum?: string;
  /**
   * Of a folder: SHA-256 of its tensors.
   */
  tensors?: string;
  derived?: {};
  story?: Section[];
  /**
   * For each result inside that can be shown by itself.
   */
  parts?: {
    derived: {};
    story: Section[];
  }[];
};
export type Result =
  | AlignedSubspace
  | Analysis
  | AttentionPatterns
  | Attribution
  | Backups
  | Certificate
  | Circuit
  | Composition
  | Dictionary
  | DictionaryEvaluation
  | DirectEffects
  | EdgeCircuit
  | EdgeCurve
  | EdgeFaithfulness
  | EdgeScores
  | Faithfulness
  | FeatureAttribution
  | Generation
  | HeadRoles
  | Interchange
  | LatentTable
  | LogitLens
  | Neurons
  | PatchEffects
  | Probe
  | ProbeEffect
  | RealResult
  | ShareAgainstEffect
  | Steering
  | SteeringVector
  | Study
  | TokenAttribution
  | ZooResult;
/**
 * A number; what is not finite is written as its name.
 */
export type Number =
  | number
  | {
      number: "nan" | "inf" | "-inf";
    };
/**
 * Nested lists (to_json), a name in the tensors beside it (save), or base64 of little-endian values in row-major order (a page).
 */
export type Tensor =
  | {
      tensor: Nested;
      shape?: number[];
    }
  | {
      stored: string;
    }
  | {
      base64: string;
      dtype: "float32" | "float64" | "int32" | "uint8";
      shape: number[];
    };
export type Nested = Nested[] | number | boolean | null;

export interface AlignedSubspace {
  type: "AlignedSubspace";
  fields: {
    provenance: Provenance | null;
    basis: Tensor;
    held_out: Interchange;
    trained: Number;
    losses: Number[];
    arbitrary_trained: Number;
    arbitrary: Number;
    random_model: Number;
    passes: Passes;
  };
}
export interface Provenance {
  type: "Provenance";
  fields: {
    pellucid: string;
    torch: string;
    transformers: string;
    python: string;
    model: string;
    model_source: string;
    weight_hash: string;
    dtype: string;
    device: string;
    threads: number;
    seed: number | null;
    command: string;
    created: string;
    call: string;
    question: {
      mapping: {
        [k: string]: string | number | number[];
      };
    }[];
    asked: string;
    options: {
      mapping: {
        [k: string]: Number | number | string | boolean | null;
      };
    };
    passes: Passes;
    note: string;
    seconds: Number;
    system: string;
    files: InputFile[];
  };
}
export interface Passes {
  type: "Passes";
  fields: {
    forwards: number;
    backwards: number;
    calls: number;
  };
}
export interface InputFile {
  type: "InputFile";
  fields: {
    name: string;
    sha256: string;
  };
}
export interface Interchange {
  type: "Interchange";
  fields: {
    provenance: Provenance | null;
    site: string;
    positions: number[];
    k: number;
    exchanged: Tensor;
    base: Tensor;
    source: Tensor;
    whole: Tensor;
    random: Tensor;
    placebo: Tensor;
    passes: Passes;
  };
}
export interface Analysis {
  type: "Analysis";
  fields: {
    provenance: Provenance;
    question: Question;
    metric_clean: Number;
    metric_corrupted: Number;
    preference: Number;
    behaves: boolean;
    top: TopToken[];
    attribution: Attribution;
    circuit: Circuit;
    over_heads: Faithfulness | null;
    over_heads_and_mlps: Faithfulness | null;
    patches: PatchEffects;
    agreement: Agreement;
    caveats: string[];
    passes: Passes;
    backups: Backups | null;
    answer_probability: Number | null;
    foil_probability: Number | null;
    lens: LogitLens | null;
    direct_effects: DirectEffects | null;
    tokens: TokenAttribution | null;
    attention: AttentionPatterns | null;
  };
}
export interface Question {
  type: "Question";
  fields: {
    clean: string[];
    corrupted: string[];
    answer: string[];
    foil: string[];
    clean_tokens: string[][];
    corrupted_tokens: string[][];
    how_corrupted: string;
    metric: string;
    answer_lengths: number[];
    foil_lengths: number[];
  };
}
export interface TopToken {
  type: "TopToken";
  fields: {
    token: string;
    id: number;
    probability: Number;
  };
}
export interface Attribution {
  type: "Attribution";
  fields: {
    provenance: Provenance | null;
    method: "atp-mask" | "atp" | "ig" | "mask-ig";
    nodes: Node[];
    by_position: Tensor;
    difference: Tensor;
    accounted: Tensor;
    steps: number;
    passes: Passes;
    noise: Number;
    measured: Tensor | null;
    units: Units | null;
  };
}
export interface Node {
  type: "Node";
  fields: {
    kind: string;
    layer: number | null;
    head: number | null;
  };
}
export interface Units {
  type: "Units";
  fields: {
    n: number;
    ways: string[];
    labels: string[][];
  };
}
export interface Circuit {
  type: "Circuit";
  fields: {
    provenance: Provenance | null;
    nodes: Node[];
    over: string;
    method: string;
    ablation: string;
    target: Number;
    estimates: Number[];
    sufficiency: Number | null;
    comprehensiveness: Number | null;
    minimal: boolean;
    drops: Number[];
    note: string;
    budget: number;
    passes: Passes;
    refusal: Refusal | null;
  };
}
export interface Refusal {
  type: "Refusal";
  fields: {
    code:
      | "answer_not_preferred"
      | "metric_not_lowered"
      | "change_is_rounding"
      | "preference_by_chance"
      | "metric_change_by_chance"
      | "change_as_of_random_tokens"
      | "ablation_does_not_hurt"
      | "target_not_reached"
      | "metric_not_positive"
      | "no_edge_beyond_chance";
    text: string;
    data: {
      mapping: {
        [k: string]: Number | number | string | boolean | null;
      };
    };
  };
}
export interface Faithfulness {
  type: "Faithfulness";
  fields: {
    provenance: Provenance | null;
    over: string;
    ablation: string;
    size: number;
    out_of: number;
    sufficiency: Number;
    comprehensiveness: Number;
    f1: Number;
    category: "faithful" | "backup_mechanisms" | "opposed" | "incomplete" | "weak" | "undefined";
    metric_all: Number;
    metric_none: Number;
    metric_circuit: Number;
    metric_without: Number;
    curve_sizes: number[];
    curve: Number[];
    random_same_size: Number[];
    random_same_layers: Number[];
    passes: Passes;
    noise: Number;
    opponents: string[];
    sufficiency_with_opponents: Number | null;
    sufficiency_interval: Interval | null;
    comprehensiveness_interval: Interval | null;
  };
}
export interface Interval {
  type: "Interval";
  fields: {
    low: Number | null;
    high: Number | null;
    units: string;
    why: string;
  };
}
export interface PatchEffects {
  type: "PatchEffects";
  fields: {
    provenance: Provenance | null;
    direction: "noising" | "denoising";
    sites: string;
    places: Place[];
    positions: number[] | null;
    per_example: Tensor;
    metric_clean: Tensor;
    metric_corrupted: Tensor;
    preference: Tensor;
    passes: Passes;
    noise: Number;
    ablation: string;
    units: Units | null;
    random_source: Tensor | null;
  };
}
export interface Place {
  type: "Place";
  fields: {
    name: string;
    kind: string;
    layer: number;
    head: number | null;
  };
}
export interface Agreement {
  type: "Agreement";
  fields: {
    spearman: Number;
    pearson: Number;
    n: number;
  };
}
export interface Backups {
  type: "Backups";
  fields: {
    provenance: Provenance | null;
    primaries: Node[];
    looked_at: Growth[];
    repairs: Repair[];
    metric_all: Number;
    share: Number;
    controls: number;
    passes: Passes;
    sets: number;
    p_by_sets: Number | null;
  };
}
export interface Growth {
  type: "Growth";
  fields: {
    node: Node;
    ablation: string;
    round: number;
    others: string[];
    estimate_before: Number;
    estimate_after: Number;
    effect_before: Number;
    effect_after: Number;
    p: Number | null;
    grew: boolean;
    by_chance: Number | null;
    found: boolean;
  };
}
export interface Repair {
  type: "Repair";
  fields: {
    ablation: string;
    metric_without: Number;
    metric_beyond: Number;
    repaired: Number;
    rounds: number;
    settled: boolean;
    note: string;
  };
}
export interface LogitLens {
  type: "LogitLens";
  fields: {
    provenance: Provenance | null;
    points: LensPoint[];
    positions: number[];
    targets: string[];
    target_ids: number[];
    prompt: LensReading;
    against: LensReading | null;
    kl: Tensor | null;
    error: Number;
    passes: Passes;
  };
}
export interface LensPoint {
  type: "LensPoint";
  fields: {
    name: string;
    layer: number | null;
    sublayer: "embed" | "attn" | "mlp" | "block";
  };
}
export interface LensReading {
  type: "LensReading";
  fields: {
    tokens: string[];
    top_ids: Tensor;
    top_tokens: string[][][];
    top_probability: Tensor;
    target_logit: Tensor;
    target_probability: Tensor;
    target_rank: Tensor;
  };
}
export interface DirectEffects {
  type: "DirectEffects";
  fields: {
    provenance: Provenance | null;
    terms: Term[];
    tokens: string[][];
    per_example: Tensor;
    corrupted: Tensor;
    metric: Tensor;
    metric_corrupted: Tensor;
    model_metric: Tensor;
    by_source: Tensor | null;
    caveats: string[];
    passes: Passes;
    units: Units | null;
  };
}
export interface Term {
  type: "Term";
  fields: {
    name: string;
    kind: "embed" | "head" | "mlp" | "bias";
    layer: number | null;
    head: number | null;
  };
}
export interface TokenAttribution {
  type: "TokenAttribution";
  fields: {
    provenance: Provenance | null;
    method: "gradient" | "ig" | "occlusion" | "rollout";
    quantity: "estimate" | "effect" | "weight";
    tokens: string[][];
    per_example: Tensor;
    metric: Tensor | null;
    difference: Tensor | null;
    replacements: string[];
    steps: number;
    passes: Passes;
    noise: Number;
  };
}
export interface AttentionPatterns {
  type: "AttentionPatterns";
  fields: {
    provenance: Provenance | null;
    tokens: number[];
    labels: string[];
    heads: Node[];
    pattern: Tensor;
    value_norm: Tensor | null;
    note: string;
    entropy: Tensor;
    share: {
      mapping: {
        [k: string]: Tensor;
      };
    };
    passes: Passes;
    chosen_by: string;
  };
}
export interface Certificate {
  type: "Certificate";
  fields: {
    provenance: Provenance | null;
    name: string;
    kind: "necessary" | "sufficient";
    n_edges: number;
    truth: [string, string][];
    hidden: [string, string][];
    necessary: [string, string][];
    sufficient: [string, string][][];
    interchangeable: [string, string][];
    opposes: [string, string][];
    weakest: Number;
    loudest: Number;
    beside: Number;
    enumerated: number;
    exhaustive: boolean;
    wrong: string[];
    passes: Passes;
  };
}
export interface Composition {
  type: "Composition";
  fields: {
    provenance: Provenance | null;
    kinds: string[];
    senders: Node[];
    receivers: Node[];
    score: Tensor;
    z: Tensor;
    maximum: Tensor;
    chance: Number;
    heads: Node[];
    copying: Tensor;
    matching: Tensor;
    note: string;
    passes: Passes;
  };
}
export interface Dictionary {
  type: "Dictionary";
  fields: {
    provenance: Provenance | null;
    W_enc: Tensor;
    b_enc: Tensor;
    W_dec: Tensor;
    b_dec: Tensor;
    W_skip: Tensor | null;
    threshold: Tensor | null;
    r_mag: Tensor | null;
    b_mag: Tensor | null;
    activation: "relu" | "topk" | "batchtopk" | "jumprelu" | "gated";
    k: number | null;
    prefixes: number[];
    centred: boolean;
    normalise: "none" | "layer_norm" | "unit";
    hook_in: string;
    hooks_out: string[];
    model: string;
    weight_hash: string;
    source: string;
    format: string;
    notes: string[];
  };
}
export interface DictionaryEvaluation {
  type: "DictionaryEvaluation";
  fields: {
    provenance: Provenance | null;
    about: string;
    texts: number;
    tokens: number;
    l0: Number;
    scores: StandInScore[];
    density: Tensor;
    twin_cosine: Tensor;
    caveats: string[];
    passes: Passes;
  };
}
export interface StandInScore {
  type: "StandInScore";
  fields: {
    name: string;
    fvu: Number;
    ce: Number;
    kl: Number;
  };
}
export interface EdgeCircuit {
  type: "EdgeCircuit";
  fields: {
    provenance: Provenance | null;
    senders: Node[];
    slots: Slot[];
    exists: Tensor;
    kept: Tensor;
    scores: Tensor;
    method: string;
    ranked_by: string;
    ablation: string;
    target: Number | null;
    sufficiency: Number | null;
    minimal: boolean;
    steps: SizeStep[];
    note: string;
    passes: Passes;
    d_model: number | null;
    refusal: Refusal | null;
  };
}
export interface Slot {
  type: "Slot";
  fields: {
    kind: "q" | "k" | "v" | "attn" | "mlp" | "logits";
    layer: number | null;
    head: number | null;
  };
}
export interface SizeStep {
  type: "SizeStep";
  fields: {
    name: "proposed" | "ranked" | "connected" | "pruned";
    size: number;
    sufficiency: Number;
    interval: Interval;
  };
}
export interface EdgeCurve {
  type: "EdgeCurve";
  fields: {
    provenance: Provenance | null;
    ranked_by: string;
    order: "absolute" | "signed";
    selection: "top" | "greedy";
    ablation: string;
    out_of: number;
    fractions: Number[];
    asked: number[];
    sizes: number[];
    f: Number[];
    intervals: Interval[];
    kept_right: Number[] | null;
    random: Number[][];
    passes: Passes;
  };
}
export interface EdgeFaithfulness {
  type: "EdgeFaithfulness";
  fields: {
    provenance: Provenance | null;
    ablation: string;
    size: number;
    out_of: number;
    sufficiency: Number;
    sufficiency_interval: Interval;
    comprehensiveness: Number;
    comprehensiveness_interval: Interval;
    f1: Number;
    category: "faithful" | "backup_mechanisms" | "opposed" | "incomplete" | "weak" | "undefined";
    completeness_gap: Number;
    largest_gap: Number;
    kept_right: Number | null;
    metric_all: Number;
    metric_none: Number;
    metric_circuit: Number;
    metric_without: Number;
    random_connected: Number[];
    random_like: Number[];
    passes: Passes;
    noise: Number;
  };
}
export interface EdgeScores {
  type: "EdgeScores";
  fields: {
    provenance: Provenance | null;
    method: "eap" | "clean-corrupted" | "eap-ig" | "mask-ig" | "slot-ig" | "atp*" | "relp" | "exact";
    senders: Node[];
    slots: Slot[];
    exists: Tensor;
    matrix: Tensor;
    halves: Tensor;
    scale: Tensor;
    by_position: Tensor | null;
    difference: Tensor;
    accounted: Tensor;
    identity_error: Number | null;
    steps: number;
    passes: Passes;
    note: string;
    noise: Number;
    units: Units | null;
  };
}
export interface FeatureAttribution {
  type: "FeatureAttribution";
  fields: {
    provenance: Provenance | null;
    nodes: Node[];
    activation: Tensor;
    share: Tensor;
    estimate: Tensor;
    measured: Tensor;
    n_top: number;
    effect: Tensor;
    path: Tensor | null;
    sizes: number[];
    joint_top: Tensor;
    joint_random: Tensor;
    accounts: Account[];
    ablation: "zero" | "mean";
    error: "kept" | "dropped";
    metric_clean: Tensor;
    caveats: string[];
    passes: Passes;
    noise: Number;
  };
}
export interface Account {
  type: "Account";
  fields: {
    layer: number;
    features: Number;
    error: Number;
    bias: Number;
    beside: Number;
    constant: Number;
    metric: Number;
    residual: Number;
    exact: boolean;
  };
}
export interface Generation {
  type: "Generation";
  fields: {
    provenance: Provenance | null;
    prompt_ids: number[];
    ids: number[];
    tokens: string[];
    text: string;
    log_probability: Tensor;
    ended_by: "end token" | "length";
    values: {
      mapping: {
        [k: string]: Tensor;
      };
    };
    edits: string[];
    seed: number;
    temperature: Number;
    passes: Passes;
  };
}
export interface HeadRoles {
  type: "HeadRoles";
  fields: {
    provenance: Provenance | null;
    seed: number;
    sequences: number;
    length: number;
    heads: Node[];
    roles: string[];
    thresholds: Tensor;
    score: Tensor;
    null: Tensor;
    checks: CausalCheck[];
    loss: Tensor;
    loss_first: Number;
    loss_second: Number;
    sampled: number;
    unmeasured: {
      mapping: {
        [k: string]: string;
      };
    };
    passes: Passes;
  };
}
export interface CausalCheck {
  type: "CausalCheck";
  fields: {
    role: string;
    heads: string[];
    rise_first: Number;
    rise_second: Number;
    control_first: Tensor;
    control_second: Tensor;
  };
}
export interface LatentTable {
  type: "LatentTable";
  fields: {
    provenance: Provenance | null;
    about: string;
    texts: number;
    tokens: number;
    rows: LatentRow[];
    passes: Passes;
  };
}
export interface LatentRow {
  type: "LatentRow";
  fields: {
    index: number;
    name: string;
    density: Number;
    examples: LatentExample[];
    promotes: string[];
    suppresses: string[];
    twin_cosine: Number;
  };
}
export interface LatentExample {
  type: "LatentExample";
  fields: {
    text: number;
    position: number;
    value: Number;
    before: string;
    token: string;
    behind: string;
  };
}
export interface Neurons {
  type: "Neurons";
  fields: {
    provenance: Provenance | null;
    layer: number;
    per_example: Tensor;
    bias: Tensor;
    activation: Tensor;
    top: Tensor;
    promotes: string[][];
    suppresses: string[][];
    logit_change: Tensor;
    caveats: string[];
    passes: Passes;
  };
}
export interface Probe {
  type: "Probe";
  fields: {
    provenance: Provenance | null;
    /**
     * @minItems 2
     */
    labels: [string, string];
    rows: ProbeRow[];
    best: number;
    weights: Tensor;
    bias: Number;
    mean: Tensor;
    majority: Number;
    bag_of_words: Number;
    few: {
      mapping: {
        [k: string]: Number;
      };
    };
    n_train: number;
    n_test: number;
    passes: Passes;
  };
}
export interface ProbeRow {
  type: "ProbeRow";
  fields: {
    site: string;
    layer: number;
    position: string;
    k: number;
    auroc: Number;
    low: Number;
    high: Number;
    balanced_accuracy: Number;
    accuracy_low: Number;
    accuracy_high: Number;
    shuffled: Number;
    shuffled_most: Number;
    random_coordinates: Number;
    random_model: Number;
    out_of_distribution: Number;
    validation: Number;
    converged: boolean;
  };
}
export interface ProbeEffect {
  type: "ProbeEffect";
  fields: {
    provenance: Provenance | null;
    site: string;
    metric_clean: Tensor;
    without: Tensor;
    without_random: Tensor;
    passes: Passes;
  };
}
export interface RealResult {
  type: "RealResult";
  fields: {
    provenance: Provenance | null;
    model: string;
    scores: RealScore[];
    passes: Passes;
  };
}
export interface RealScore {
  type: "RealScore";
  fields: {
    method: string;
    half: string;
    kind: string;
    question: string;
    spearman: Number;
    pearson: Number;
    top: Number;
    large: number;
    missed: number;
    wrong_sign: number;
    forwards: number;
    backwards: number;
  };
}
export interface ShareAgainstEffect {
  type: "ShareAgainstEffect";
  fields: {
    provenance: Provenance | null;
    nodes: string[];
    share: Tensor;
    change: Tensor;
    effect: Tensor;
    share_agreement: Agreement;
    change_agreement: Agreement;
    indirect: string[];
    criterion: string;
  };
}
export interface Steering {
  type: "Steering";
  fields: {
    provenance: Provenance | null;
    toward: string;
    away: string;
    instruction: string;
    layers: number[];
    scales: Number[];
    task: string | null;
    preference: Tensor;
    plain: Tensor;
    asked: Tensor;
    kl: Tensor;
    perplexity: Tensor;
    accuracy: Tensor;
    plain_perplexity: Number;
    plain_accuracy: Number;
    asked_kl: Number;
    asked_perplexity: Number;
    passes: Passes;
  };
}
export interface SteeringVector {
  type: "SteeringVector";
  fields: {
    provenance: Provenance | null;
    layers: number[];
    directions: Tensor;
    separation: Tensor;
    method: string;
    about: string;
    best_layer: number;
    passes: Passes;
  };
}
export interface Study {
  type: "Study";
  fields: {
    provenance: Provenance | null;
    names: string[];
    analyses: Analysis[];
  };
}
export interface ZooResult {
  type: "ZooResult";
  fields: {
    provenance: Provenance | null;
    scores: ZooScore[];
    calibration: Calibration[];
    notes: {
      mapping: {
        [k: string]: string;
      };
    };
    passes: Passes;
  };
}
export interface ZooScore {
  type: "ZooScore";
  fields: {
    model: string;
    method: string;
    kind: "necessary" | "sufficient";
    n_edges: number;
    n_true: number;
    auprc: Number;
    precision: Number;
    worst_rank: number;
    auroc: Number;
    log_cmd: Number;
    n_proposed: number | null;
    size_error: number | null;
    forwards: number;
    backwards: number;
  };
}
export interface Calibration {
  type: "Calibration";
  fields: {
    method: string;
    tests: number;
    below_5: Number;
    below_1: Number;
    discovering: Number;
  };
}
export interface Section {
  title: string;
  sentences: (string | Quantity)[][];
}
export interface Quantity {
  /**
   * Path of the value, from the result.
   */
  ref: string;
  value: Number | (string | boolean | null);
  text: string;
}
export interface Choices {
  DtypeName: "float32" | "float64" | "bfloat16" | "float16";
  OnError: "raise" | "skip";
  MetricName: "logit_diff" | "logit_diff_per_token" | "prob_diff" | "log_prob" | "logit" | "kl";
  PlainMetric: "log_prob" | "logit";
  Ablation: "corrupted" | "mean" | "zero" | "resample";
  PatchAblation: "corrupted" | "mean" | "zero" | "resample" | "noise";
  PlainAblation: "mean" | "zero" | "noise";
  Over: "heads" | "heads+mlps";
  NodeMethod: "atp-mask" | "atp" | "ig" | "mask-ig";
  EdgeEstimate: "eap" | "clean-corrupted" | "eap-ig" | "mask-ig" | "slot-ig" | "atp*" | "relp";
  EdgeMethod: "eap" | "clean-corrupted" | "eap-ig" | "mask-ig" | "slot-ig" | "atp*" | "relp" | "exact";
  EdgePositions: "sum" | "each";
  TokenMethod: "gradient" | "ig" | "occlusion" | "rollout";
  Direction: "noising" | "denoising";
  PatchSites: "heads" | "mlps" | "nodes" | "attn" | "resid" | "q" | "k" | "v";
  AppSites: "resid" | "heads";
  AppAblation: "zero" | "mean";
  NodeSearch: "verified" | "mfc";
  EdgeSearch: "verified" | "automatic" | "nested" | "top" | "greedy" | "acdc";
  Opponents: "left" | "kept";
  Include: "lens" | "direct_effects" | "tokens" | "attention";
  Role: "previous" | "duplicate" | "induction" | "sink" | "copying" | "suppressing" | "name_mover";
  Composed: "q" | "k" | "v";
  DirectSplit: "none" | "source";
  AttendedTo: "first" | "previous" | "duplicate" | "induction";
  SteeringMethod: "mean_difference" | "pca" | "probe";
  TextPosition: "last" | "mean" | "max";
  DictionaryActivation: "relu" | "topk" | "batchtopk" | "jumprelu" | "gated";
  InputNorm: "none" | "layer_norm" | "unit";
  DictionaryFormat: "saelens" | "circuit-tracer";
  FitMethod: "batchtopk" | "topk" | "matryoshka" | "jumprelu" | "relu";
  FeatureAblation: "zero" | "mean";
  FeatureError: "kept" | "dropped";
  FeatureCheck: "none" | "path";
  LensView: "probability" | "difference" | "kl" | "layers" | "shifts";
  DirectView: "map" | "bars" | "sources";
  AgainstView: "change" | "share";
  TokensView: "strip" | "bars";
  AttentionView: "pattern" | "weighted" | "entropy" | "first" | "previous" | "duplicate" | "induction";
  CompositionView: "z" | "score";
}
