"""The models of the zoo by name: ``behaviour/corruption@variety``.

Every behaviour is there in three varieties that differ in everything at once: a rotated basis with
junk and saturated attention; one like GPT-2 (layer norm); one like Llama (RMS norm, rotary
positions, grouped keys and values, gated MLPs). A few are there in every single variety, so that
what a difficulty does alone can be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import torch

from pellucid.arguments import checks_kinds
from pellucid.circuit.edges.sets import EdgeSet
from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.model.named_parts import edges_named
from pellucid.task.contrast import ContrastBatch
from pellucid.zoo import copying, logic, matching, sequences
from pellucid.zoo.build import built
from pellucid.zoo.case import CASES, N_EXAMPLES, Case, true_edges
from pellucid.zoo.variety import VARIETIES, Variety

BEHAVIOURS = (copying, matching, logic, sequences)
"""Modules that put their cases into ``CASES`` when they are imported."""

SpecimenKind: TypeAlias = Literal["necessary", "sufficient"]
_MIXED = ("saturated-junk", "gpt", "llama")
ELSEWHERE = {"fraction/marks": ("saturated-junk", "layer", "rms")}
"""A mean over all keys is thin beside junk that a norm scales, which leaks through many edges."""
EVERYWHERE = ("induction/key", "duplicate/both", "or/both", "xor/left")


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """A model with its question, and what is true of its edges; sets are [sender, slot]."""

    name: str
    model: Model
    contrast: ContrastBatch
    """Questions on which the truth is certified, and rankings are judged."""
    many: ContrastBatch
    """Those questions and more, for searches that test edges over examples."""
    truth: EdgeSet
    """Edges that are necessary, or in a minimal sufficient set."""
    necessary: EdgeSet
    """Edges without which, all others in place, the behaviour is another."""
    hidden: EdgeSet
    """Edges that matter only while true ones are cut; in scoring they count neither way."""
    opposes: EdgeSet
    sufficient: tuple[EdgeSet, ...]
    """Every minimal set that gives the behaviour with all other edges cut."""

    @property
    def kind(self) -> SpecimenKind:
        """Whether cutting edges one at a time shows the whole truth."""
        return "necessary" if torch.equal(self.necessary, self.truth) else "sufficient"

    @property
    def interchangeable(self) -> EdgeSet:
        """Edges that have a stand-in: in some minimal sufficient sets and not in others."""
        every = torch.stack(self.sufficient)
        return every.any(0) & ~every.all(0)

    @property
    def judged(self) -> EdgeSet:
        """Edges that a ranking is judged by."""
        return self.model.anatomy.edges & ~self.hidden


@checks_kinds
def names(patterns: str | Sequence[str] = "*") -> list[str]:
    """Names of the models that match any of ``patterns``, as ``induction/*`` or ``*@llama``.

    **Raises** ``EditError`` for a pattern that none matches.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    every = [f"{case}@{variety}" for case in CASES for variety in _varieties(case)]
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in every):
            raise EditError(
                f"No model of the zoo is called {pattern!r}. Names are behaviour/corruption@"
                f"variety, as {every[0]}; `pellucid zoo list` shows all {len(every)}."
            )
    return [name for name in every if any(fnmatchcase(name, pattern) for pattern in wanted)]


@checks_kinds
def about(name: str) -> str:
    """What the model does, or how its prompts are corrupted.

    **Raises** ``EditError`` for a name that is not there.
    """
    case = name.partition("@")[0]
    if case not in CASES:
        raise EditError(
            f"No behaviour of the zoo is called {case!r}; there are {', '.join(CASES)}."
        )
    said = CASES[case].__doc__ or ""
    return " ".join(said.split("\n\n")[0].split())


@checks_kinds
def specimen(name: str) -> Specimen:
    """Build one model and state its truth.

    **Cost** opening a small model; nothing is downloaded or trained.
    **Raises** ``EditError`` for a name that is not in the zoo.
    """
    (name,) = names(name)
    of, variety = name.split("@")
    return made(name, CASES[of](), VARIETIES[variety])


def made(name: str, case: Case, variety: Variety, *, seed: int = 0) -> Specimen:
    """A case in a variety; what a gate needs is a gated MLP, whatever the variety says."""
    if any(neuron.times is not None for neuron in case.plan.neurons):
        variety = replace(variety, mlp="gated")
    contrast = ContrastBatch(case.contrast.contrasts[:N_EXAMPLES])
    prompts = torch.tensor([list(one.clean) for one in contrast.contrasts])
    model = Model.build(built(case.plan, variety, prompts, seed=seed))

    def stated(text: str) -> EdgeSet:
        return edges_named(model.anatomy, sorted(true_edges(text, case.plan, variety.group)))

    # Heads that share their values can work for and against the answer through one edge.
    helping = [e for e in case.truth.split() if e not in case.opposes.split()]
    sufficient = tuple(stated(text) for text in case.sufficient or (case.truth,))
    necessary = stated(case.truth)
    if case.necessary is not None:
        necessary = stated(case.necessary) | torch.stack(sufficient).all(0)
    return Specimen(
        name=name,
        model=model,
        contrast=contrast,
        many=case.contrast,
        truth=stated(case.truth),
        necessary=necessary,
        hidden=stated(case.hidden),
        opposes=stated(case.opposes) & ~stated(" ".join(helping)),
        sufficient=sufficient,
    )


def _varieties(case: str) -> tuple[str, ...]:
    mixed = ELSEWHERE.get(case, _MIXED)
    rest = tuple(name for name in VARIETIES if name not in mixed)
    return (*rest, *mixed) if case in EVERYWHERE else mixed
