"""What an analysis can hold of the same question beside the circuit: four lenses, as one result.

``tokens`` starts from the recording that everything else starts from. The others read what it does
not hold: ``lens`` and ``attention`` the first example's whole prompt, ``direct_effects`` every
example's last stream; each runs the prompts once for that.
"""

from collections.abc import Sequence
from typing import TypedDict

from pellucid.analysis.options import AnalysisOptions
from pellucid.attribution.nodes import Attribution
from pellucid.attribution.patch import PatchEffects
from pellucid.circuit.nodes.circuit import Circuit
from pellucid.errors import TaskError
from pellucid.lens.direct.decision import one_token_each
from pellucid.lens.direct.direct_effects import DirectEffects, direct_effects
from pellucid.lens.heads.attention import AttentionPatterns, attention, demand_patterns
from pellucid.lens.residual.logit_lens import LogitLens, logit_lens
from pellucid.lens.tokens.token_attribution import DRAWN, TokenAttribution, token_attribution
from pellucid.model.model import Model
from pellucid.options import INCLUDED_HEADS, Include
from pellucid.run.question import encode_contrast
from pellucid.run.record import Trace
from pellucid.task.contrast import ContrastBatch, Contrasts

CHOSEN_BY = (
    "in the circuit first; then by the size of the measured effect, or of the estimate where none "
    "was measured"
)
"""How heads are chosen whose attention is held."""


class Included(TypedDict, total=False):
    """The fields of an analysis that hold it."""

    lens: LogitLens
    direct_effects: DirectEffects
    tokens: TokenAttribution
    attention: AttentionPatterns


def demand_includable(model: Model, contrast: Contrasts, include: Sequence[Include]) -> int:
    """Refuse, before anything is run, what this question cannot be asked; its length in tokens.

    **Cost** none.
    **Raises** ``TaskError`` for direct effects of an answer or foil of several tokens,
    ``EditError`` for attention that cannot be read.
    """
    if "direct_effects" in include:
        try:
            one_token_each(model, ContrastBatch.of(contrast))
        except TaskError as error:
            raise error.about('include="direct_effects"') from error
    if "attention" in include:
        demand_patterns(model)
    return int(encode_contrast(model, contrast).clean.shape[1])


def forwards_of_included(model: Model, include: Sequence[Include], length: int) -> dict[str, int]:
    """The most forwards of each, for prompts of ``length`` tokens."""
    points = 1 + sum(
        2 if block.attention and block.mlp and not block.parallel else 1
        for block in model.anatomy.blocks
    )
    takes: dict[Include, int] = {
        "lens": 1 + points,
        "direct_effects": 5,
        "tokens": DRAWN * (1 + length),
        "attention": 1,
    }
    return {name.replace("_", " "): takes[name] for name in include}


def included(
    model: Model,
    contrast: Contrasts,
    trace: Trace,
    found: tuple[Attribution, PatchEffects, Circuit],
    chosen: AnalysisOptions,
) -> Included:
    """What ``chosen.include`` names, of the question that ``trace`` recorded.

    **Cost** at most ``forwards_of_included``, and 3 backwards of one token for direct effects.
    """
    held: Included = {}
    examples = ContrastBatch.of(contrast)
    first = examples[0]
    if "lens" in chosen.include:
        held["lens"] = logit_lens(model, first.clean, targets=_pair(trace))
    if "direct_effects" in chosen.include:
        held["direct_effects"] = direct_effects(model, examples)
    if "tokens" in chosen.include:
        held["tokens"] = token_attribution(
            model, examples, metric=chosen.metric, seed=chosen.seed, trace=trace
        )
    if "attention" in chosen.include:
        names = heads_worth_showing(*found)
        read = attention(model, first.clean, heads=names)
        places = {node.name: place for place, node in enumerate(read.heads)}
        held["attention"] = read.only([places[name] for name in names], CHOSEN_BY)
    return held


def heads_worth_showing(
    attribution: Attribution, patches: PatchEffects, circuit: Circuit
) -> list[str]:
    """Names of the heads whose attention is held, as ``CHOSEN_BY`` says."""
    places = (place.name for place in patches.places)
    effects = dict(zip(places, patches.effect[0].tolist(), strict=True))
    estimates = dict(zip(attribution.nodes, attribution.estimate.tolist(), strict=True))

    def rank(name: str, estimate: float) -> tuple[bool, bool, float]:
        size = abs(effects.get(name, estimate))
        return name not in circuit, name not in effects, -size

    heads = {node.name: value for node, value in estimates.items() if node.kind == "head"}
    return sorted(heads, key=lambda name: rank(name, heads[name]))[:INCLUDED_HEADS]


def _pair(trace: Trace) -> tuple[int, int] | None:
    """Answer and foil of the first example, if each is one token; a lens follows no longer ones."""
    first = trace.encoded.resolved[0]
    if len(first.answer) != 1 or len(first.foil) != 1:
        return None
    return first.answer[0], first.foil[0]
