"""Every choice and every default that the library, the command line and the app share, once.

Loads nothing, so that the command line can print its help without a model library. A function takes
its type and its default from here; ``report/schema.json`` carries the choices to the web app.
"""

from typing import Literal, TypeAlias, get_args

from pellucid.errors import PellucidError

DtypeName: TypeAlias = Literal["float32", "float64", "bfloat16", "float16"]
MODEL = "smollm2-135m"
"""The embedded model."""
DTYPE: DtypeName = "float32"

OnError: TypeAlias = Literal["raise", "skip"]
"""What becomes of rows that cannot be used."""
ON_ERROR: OnError = "raise"

MetricName: TypeAlias = Literal[
    "logit_diff", "logit_diff_per_token", "prob_diff", "log_prob", "logit", "kl"
]
METRIC: MetricName = "logit_diff"
PlainMetric: TypeAlias = Literal["log_prob", "logit"]
"""Of an answer alone, without a foil."""
PLAIN_METRIC: PlainMetric = "log_prob"
SEED = 0

Ablation: TypeAlias = Literal["corrupted", "mean", "zero", "resample"]
"""What a replaced part gives instead (``run/ablation.py``)."""
PatchAblation: TypeAlias = Literal[Ablation, "noise"]
"""Where parts are replaced one at a time, also what they give when embeddings are noisy."""
PlainAblation: TypeAlias = Literal["mean", "zero", "noise"]
"""Those that need one prompt only."""
PLAIN_ABLATION: PlainAblation = "mean"
ABLATION: Ablation = "corrupted"
Over: TypeAlias = Literal["heads", "heads+mlps"]
"""The parts that may be replaced."""
OVER: Over = "heads"

NodeMethod: TypeAlias = Literal["atp-mask", "atp", "ig", "mask-ig"]
NODE_METHOD: NodeMethod = "atp-mask"
"""Nearest to exact effects of real models for its passes (``zoo run --real``)."""
CLEAN_GRADIENT: tuple[NodeMethod, ...] = ("atp-mask", "atp")
"""Methods that take the gradient on the clean prompt, where kl has none; the others take steps."""
EdgeEstimate: TypeAlias = Literal[
    "eap", "clean-corrupted", "eap-ig", "mask-ig", "slot-ig", "atp*", "relp"
]
EdgeMethod: TypeAlias = Literal[EdgeEstimate, "exact"]
EDGE_METHOD: EdgeEstimate = "eap"
"""The estimate that is nearest to measured effects on a real model (docs/methods/edges.md)."""
EDGE_RANKING: EdgeEstimate = "slot-ig"
"""By which searches rank edges: it finds the most of what is known (benchmarks/zoo.md)."""
EdgePositions: TypeAlias = Literal["sum", "each"]
"""Scores of edges added up over positions, or kept at each."""
TokenMethod: TypeAlias = Literal["gradient", "ig", "occlusion", "rollout"]
TOKEN_METHOD: TokenMethod = "occlusion"

Direction: TypeAlias = Literal["noising", "denoising"]
DIRECTION: Direction = "noising"
PatchSites: TypeAlias = Literal["heads", "mlps", "nodes", "attn", "resid", "q", "k", "v"]
PATCH_SITES: PatchSites = "heads"
AppSites: TypeAlias = Literal["resid", "heads"]
"""Those of ``PatchSites`` that the app shows."""
AppAblation: TypeAlias = Literal["zero", "mean"]
"""Those of ``Ablation`` that need one prompt only."""

NodeSearch: TypeAlias = Literal["verified", "mfc"]
NODE_SEARCH: NodeSearch = "verified"
EdgeSearch: TypeAlias = Literal["verified", "automatic", "nested", "top", "greedy", "acdc"]
EDGE_SEARCH: EdgeSearch = "verified"
TARGET = 0.85
"""Sufficiency that a circuit is to reach."""
BUDGET = 150
"""Forwards that a search for nodes may spend unless the caller says otherwise."""
EDGE_BUDGET = 400
"""Forwards that a search for edges may spend unless the caller says otherwise."""
RANDOM_SETS = 0
"""Random circuits of each kind that a single measurement puts beside the one given."""
ANALYSIS_RANDOM_SETS = 19
"""Random circuits of each kind in a whole analysis: by chance one in twenty is above all 19."""
ANALYSIS_CONTROLS = 0
"""Random sets that what steps in is compared with; it costs as much as the rest of an analysis."""
Opponents: TypeAlias = Literal["left", "kept"]
"""Parts that oppose the answer strongly: left to the search as any other part, or always kept."""
OPPONENTS: Opponents = "left"

Include: TypeAlias = Literal["lens", "direct_effects", "tokens", "attention"]
"""What an analysis can hold of the same question beside the circuit."""
INCLUDE: tuple[Include, ...] = ()
INCLUDED_HEADS = 8
"""Heads whose attention an analysis holds."""

Role: TypeAlias = Literal[
    "previous", "duplicate", "induction", "sink", "copying", "suppressing", "name_mover"
]
ROLE_SEQUENCES, ROLE_LENGTH, ROLE_NULLS, ROLE_CONTROLS = 8, 50, 4, 5
"""Sequences, random tokens in each, null draws, and random sets of heads beside each role's."""
Composed: TypeAlias = Literal["q", "k", "v"]
"""What a head reads another through: its query, key or value."""
DirectSplit: TypeAlias = Literal["none", "source"]
DIRECT_SPLIT: DirectSplit = "none"
AttendedTo: TypeAlias = Literal["first", "previous", "duplicate", "induction"]
LENS_TOP, NEURONS_TOP = 5, 10
"""Tokens that the lens keeps at a place, and neurons that are shown."""
SteeringMethod: TypeAlias = Literal["mean_difference", "pca", "probe"]
STEERING_METHOD: SteeringMethod = "mean_difference"
"""The best detector of the simple ones (Wu et al. 2025, arXiv:2501.17148)."""
TextPosition: TypeAlias = Literal["last", "mean", "max"]
"""Which of a text's values stand for it: those of its last token, or over all of its tokens."""
TEXT_POSITION: TextPosition = "last"
EXCHANGE_DRAWS = 5
"""Random dimensions, and random changes of the same size, beside an exchange of values."""
DAS_STEPS, DAS_RATE = 100, 0.02
"""How long, and how fast, directions are learned."""
PROBE_SIZES = (1, 16, None)
"""Coordinates that probes read; None for all."""
STEERING_SCALES = (0.5, 1.0, 2.0)
RANDOM_DIRECTIONS = 3
"""Directions of the same length, drawn at random, that a vector is held against."""
SIDE_TASK = "capitals"
"""The built-in task on which side effects are measured."""
MAX_NEW_TOKENS, TEMPERATURE, TOP_P = 40, 0.0, 1.0
"""How much is written, and how it is drawn: the likeliest token each time."""
NULL_TESTS = 50
"""Questions that the zoo puts to each model without a circuit."""

DictionaryActivation: TypeAlias = Literal["relu", "topk", "batchtopk", "jumprelu", "gated"]
"""How a dictionary makes latents of pre-activations (``dictionary/activation.py``)."""
InputNorm: TypeAlias = Literal["none", "layer_norm", "unit"]
"""What a dictionary does to each input first (``dictionary/normalise.py``)."""
DictionaryFormat: TypeAlias = Literal["saelens", "circuit-tracer"]
"""What dictionaries are written as."""
DICTIONARY_FORMAT: DictionaryFormat = "saelens"
FitMethod: TypeAlias = Literal["batchtopk", "topk", "matryoshka", "jumprelu", "relu"]
"""How a dictionary is trained to be sparse (``dictionary/training/losses.py``)."""
FIT_METHOD: FitMethod = "batchtopk"
FIT_K, FIT_EPOCHS, FIT_BATCH = 32, 4, 1024
"""Latents active at a time, passes over the tokens, and tokens of a step."""
SKIP_POSITIONS = 1
"""First positions of each text that dictionaries are not trained and not judged on."""
FeatureAblation: TypeAlias = Literal["zero", "mean"]
"""What a latent is replaced by when its effect is measured; the mean is over the prompts."""
FEATURE_ABLATION: FeatureAblation = "zero"
FeatureError: TypeAlias = Literal["kept", "dropped"]
"""What becomes meanwhile of what the dictionary leaves unexplained."""
FEATURE_ERROR: FeatureError = "kept"
FeatureCheck: TypeAlias = Literal["none", "path"]
FEATURE_CHECK: FeatureCheck = "none"
FEATURES_TOP = 20
"""Latents whose effect is measured."""
LATENTS_TOP, LATENT_EXAMPLES = 20, 5
"""Latents that a table shows, and examples of each."""

LensView: TypeAlias = Literal["probability", "difference", "kl", "layers", "shifts"]
DirectView: TypeAlias = Literal["map", "bars", "sources"]
DIRECT_VIEW: DirectView = "map"
AgainstView: TypeAlias = Literal["change", "share"]
TokensView: TypeAlias = Literal["strip", "bars"]
TOKENS_VIEW: TokensView = "strip"
AttentionView: TypeAlias = Literal["pattern", "weighted", "entropy", AttendedTo]
ATTENTION_VIEW: AttentionView = "pattern"
CompositionView: TypeAlias = Literal["z", "score"]
COMPOSITION_VIEW: CompositionView = "z"


def demand_choice(name: str, value: object, choices: object, error: type[PellucidError]) -> None:
    """**Raises** ``error`` when ``value`` is none of ``choices``, a ``Literal`` of this module."""
    if value not in get_args(choices):
        raise error(f"{name}={value!r} is not known; choose one of {get_args(choices)}.")
