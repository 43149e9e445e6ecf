"""What one call of ``analyze`` returns: the question, the evidence, and how it was made."""

from dataclasses import dataclass, field
from typing import Any, get_args

import pandas as pd

from pellucid.attribution.nodes import Attribution
from pellucid.attribution.patch import PatchEffects
from pellucid.circuit.nodes.circuit import Circuit
from pellucid.circuit.nodes.discover import rankings
from pellucid.circuit.nodes.faithfulness import Faithfulness
from pellucid.circuit.self_repair.result import Backups
from pellucid.lens.direct.direct_effects import DirectEffects
from pellucid.lens.heads.attention import AttentionPatterns
from pellucid.lens.residual.logit_lens import LogitLens
from pellucid.lens.tokens.token_attribution import TokenAttribution
from pellucid.options import Include
from pellucid.results.passes import Passes
from pellucid.results.provenance import Provenance
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.answers import TopToken
from pellucid.stats.agreement import Agreement


@stored
@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked, as tokens; one entry per example in each list."""

    clean: tuple[str, ...]
    corrupted: tuple[str, ...]
    answer: tuple[str, ...]
    foil: tuple[str, ...]
    clean_tokens: tuple[tuple[str, ...], ...]
    corrupted_tokens: tuple[tuple[str, ...], ...]
    how_corrupted: str
    """How the corrupted prompt came about; ``given`` when the caller gave it."""
    metric: str
    answer_lengths: tuple[int, ...] = ()
    """Tokens in each answer."""
    foil_lengths: tuple[int, ...] = ()

    @property
    def unequal(self) -> bool:
        """Whether any answer and its foil are of different length in tokens."""
        return self.answer_lengths != self.foil_lengths


@dataclass(frozen=True, kw_only=True)
class Analysis(Result):
    """Which parts of the model produce the answer, and how faithful that account is.

    ``metric_clean``, ``metric_corrupted`` and everything in ``circuit``, ``over_heads``,
    ``over_heads_and_mlps`` and ``patches`` was measured by running the model; ``attribution`` is an
    estimate, and ``agreement`` says how well it ranks what ``patches`` measured.
    """

    question: Question
    metric_clean: float
    metric_corrupted: float
    preference: float
    """Log-probability of answer minus foil on the clean prompt, mean over examples."""
    behaves: bool
    """Whether the model prefers the answer at all; if not, no circuit is claimed."""
    top: tuple[TopToken, ...]
    attribution: Attribution
    circuit: Circuit
    over_heads: Faithfulness | None
    over_heads_and_mlps: Faithfulness | None
    patches: PatchEffects
    """Measured effect of the nodes ranked highest, each replaced alone."""
    agreement: Agreement
    """Between the estimates and the measured effects of ``patches``."""
    caveats: tuple[str, ...]
    passes: Passes
    provenance: Provenance = field(compare=False, repr=False)
    backups: Backups | None = None
    """What does more once the circuit is replaced, under each ablation; None without a circuit."""
    answer_probability: float | None = None
    """Of the whole answer on the clean prompt, mean over examples."""
    foil_probability: float | None = None
    lens: LogitLens | None = None
    """The first example's prompt; like the three below there if it was included."""
    direct_effects: DirectEffects | None = None
    tokens: TokenAttribution | None = None
    attention: AttentionPatterns | None = None
    """Of the first example's prompt, and of heads that ``chosen_by`` says."""

    @property
    def faithfulness(self) -> Faithfulness | None:
        """Over the parts in which the circuit was searched; None if no circuit is claimed."""
        return self.over_heads if self.circuit.over == "heads" else self.over_heads_and_mlps

    @property
    def included(self) -> dict[str, Result]:
        """What it holds beside the circuit, by the name of the field."""
        fields = ((name, getattr(self, name)) for name in get_args(Include))
        return {name: value for name, value in fields if value is not None}

    def to_frame(self) -> pd.DataFrame:
        """Columns ``node kind layer head position example estimate effect in_circuit``.

        ``effect`` is empty for the nodes that were not measured alone.
        """
        frame = self.attribution.to_frame()
        frame["in_circuit"] = frame["node"].isin(self.circuit.names)
        return frame

    def __str__(self) -> str:
        return str(shown(self, "text"))

    def derived(self) -> dict[str, Any]:
        """The estimates, the order of the curve, and the percentiles among random sets."""
        return derived_of(self)


def derived_of(a: Analysis) -> dict[str, Any]:
    """The estimates, how complete they are, the order of the curve, and the percentiles."""
    scores = a.attribution.score_by_node
    kinds = ("head",) if a.circuit.over == "heads" else ("head", "mlp")
    searched = [node for node in a.attribution.nodes if node.kind in kinds]
    percentiles = {
        f"{name}.{which}": getattr(found, which)
        for name in ("over_heads", "over_heads_and_mlps")
        for which in ("percentile_same_size", "percentile_same_layers")
        if (found := getattr(a, name)) is not None
    }
    return {
        "estimate": a.attribution.estimate,
        "effect": a.patches.effect,
        "completeness": a.attribution.completeness,
        **(a.lens.derived() if a.lens else {}),
        "order": [node.name for node in rankings(searched, scores)[1]],
        **(a.backups.derived() if a.backups else {"backups": []}),
        **percentiles,
    }
