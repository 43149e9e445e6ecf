"""The most forwards that an analysis takes, known before it is run.

What the search and the look for self-repair may spend is stated by their budgets; the rest is
counted. A budget that is not used up leaves an analysis well below.
"""

from pellucid.analysis.include import forwards_of_included
from pellucid.analysis.options import AnalysisOptions
from pellucid.arguments import checks_kinds
from pellucid.attribution.nodes import STEPS
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.faithfulness import curve_sizes
from pellucid.circuit.self_repair.options import ABLATIONS
from pellucid.model.model import Model
from pellucid.options import Ablation, NodeMethod

CHECKED = 12
"""How many of the highest ranked nodes are measured alone, to say how far the estimates are off."""
REPAIR = 90
"""Forwards that the search for backups may spend, beside those of random sets."""
_OF_METHOD: dict[NodeMethod, int] = {"atp": 0, "atp-mask": 2}
"""Forwards beside those that record; of the other methods, those of all steps."""
OF_A_SET = 4
"""The metric with a set kept, with it and its opponents kept, and with it and with all replaced."""


@checks_kinds
def most_forwards(
    model: Model, options: AnalysisOptions, *, judged: int = 0, length: int = 0
) -> int:
    """The most forwards that ``analyze`` takes with these ``options``.

    ``judged`` is what ``forwards_to_judge`` says, for a question without a corrupted prompt;
    ``length`` the tokens of the prompt, which count with ``include=["tokens"]`` alone.

    **Cost** none.
    """
    return sum(forwards_by_step(model, options, judged=judged, length=length).values())


def forwards_by_step(
    model: Model, options: AnalysisOptions, *, judged: int = 0, length: int = 0
) -> dict[str, int]:
    """The most forwards of each step of ``analyze``, in the order in which they are taken."""
    sizes = len(curve_sizes(len(replaceable(model, options.over))))
    recording = 3 if options.metric == "kl" else 2
    # mfc adds by estimate, so that the curve is left for when the circuit's faithfulness is told.
    while_searching, afterwards = (2 * sizes, 0) if options.search == "verified" else (0, sizes)
    checked = min(CHECKED, len(model.nodes) - 1)  # all but the embedding
    curve = max(0, min(while_searching, options.budget - recording))
    return {
        "judge corrupted prompts": judged,
        f"attribute by {options.method}": _OF_METHOD.get(options.method, sum(STEPS)),
        "record": recording,
        "curve": curve,
        "refine, prune and check": max(0, options.budget - recording - curve),
        "faithfulness and check of estimates": 2 * OF_A_SET + afterwards + checked,
        "random sets": 2 * options.random_sets,
        "self-repair": 0 if options.metric == "kl" else budget_of_repair(options),
        **forwards_of_included(model, options.include, length),
    }


def ablations_looked_under(options: AnalysisOptions) -> tuple[Ablation, ...]:
    """The ablations under which ``analyze`` looks for self-repair."""
    return tuple(dict.fromkeys([*ABLATIONS, options.ablation]))


def budget_of_repair(options: AnalysisOptions) -> int:
    """The most forwards that ``analyze`` spends on self-repair."""
    sets = 1 + options.controls if options.controls else 0
    return REPAIR + sets * len(ablations_looked_under(options))
