"""``evaluate_dictionary``: what a dictionary explains and keeps, beside what any would.

1. Activations of the texts are read at the places of the dictionary.
2. L0, FVU, density, silent latents and twins are counted on them.
3. The model runs with the dictionary's output in the place, and with zero, the mean, principal
   components and a random dictionary of as many active latents: CE and KL.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pellucid.dictionary.attach import demand_fits
from pellucid.dictionary.dictionary import Dictionary
from pellucid.features.splice import spliced
from pellucid.features.stand_ins import stand_ins
from pellucid.lens.text import wrapped
from pellucid.model.model import Model, opened
from pellucid.options import SEED, SKIP_POSITIONS
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result, as_tensor
from pellucid.run.corpus.activations import activations
from pellucid.run.corpus.container import Activations
from pellucid.run.corpus.texts import Texts
from pellucid.run.provenance import with_provenance
from pellucid.stats.variance import Unexplained

TWINS = 0.9
"""Cosine from which two directions are called the same."""
USELESS = 0.9
"""Share of the variance from which a dictionary is said to explain nothing here."""
CHUNK = 4096


@stored
@dataclass(frozen=True, kw_only=True)
class StandInScore:
    """What the model does with one thing in the place of the activation."""

    name: str
    """``clean`` for the model as it is; ``dictionary zero mean pca random``."""
    fvu: float
    """Share of the variance that is unexplained."""
    ce: float
    """Cross-entropy of the next token, in nats."""
    kl: float
    """From the model as it is, in nats."""


@dataclass(frozen=True, kw_only=True)
class DictionaryEvaluation(Result):
    """How well a dictionary stands for the activations that it is made for, on some texts."""

    about: str
    """The dictionary, in words."""
    texts: int
    tokens: int
    """That were judged; first positions of texts are not."""
    l0: float
    """Latents active at a token, on average."""
    scores: tuple[StandInScore, ...]
    density: Float[Tensor, " latent"]
    """Share of tokens at which each latent is active."""
    twin_cosine: Float[Tensor, " latent"]
    """Cosine of each direction with the nearest other."""
    caveats: tuple[str, ...]
    passes: Passes

    @property
    def fvu(self) -> float:
        """Share of the variance that the dictionary leaves unexplained."""
        return self.score("dictionary").fvu

    @property
    def dead(self) -> float:
        """Share of latents that are active at no token of these texts."""
        return float((self.density == 0).double().mean())

    @property
    def duplicates(self) -> float:
        """Share of latents whose direction another has too (cosine above 0.9)."""
        return float((self.twin_cosine > TWINS).double().mean())

    def score(self, name: str) -> StandInScore:
        """That of ``clean dictionary zero mean pca random``."""
        return next(one for one in self.scores if one.name == name)

    def recovered(
        self, name: str = "dictionary", *, against: str = "mean", of: str = "ce"
    ) -> float:
        """(loss against - loss with it) / (loss against - loss of the model): 1 is all, 0 none.

        ``against`` is ``zero`` or ``mean``, ``of`` is ``ce`` or ``kl``. Zero is easy to beat: the
        mean is what a dictionary without a latent would give.
        """
        bad, own, best = (getattr(self.score(n), of) for n in (against, name, "clean"))
        return float((bad - own) / (bad - best)) if bad != best else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Columns ``put_in fvu ce kl ce_recovered_zero ce_recovered_mean kl_recovered_mean``."""
        return pd.DataFrame(
            {
                "put_in": one.name,
                "fvu": one.fvu,
                "ce": one.ce,
                "kl": one.kl,
                "ce_recovered_zero": self.recovered(one.name, against="zero"),
                "ce_recovered_mean": self.recovered(one.name),
                "kl_recovered_mean": self.recovered(one.name, of="kl"),
            }
            for one in self.scores
        )

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@with_provenance
def evaluate_dictionary(
    model: Model,
    dictionary: Dictionary,
    texts: Texts,
    *,
    skip_positions: int = SKIP_POSITIONS,
    seed: int = SEED,
) -> DictionaryEvaluation:
    """What ``dictionary`` explains of the activations of ``texts``, and how the model does with it.

    ``texts`` are what ``activations`` takes: text that it was not trained on. FVU is computed in
    float64; the mean has exactly 1. Beside the dictionary stand zero, the mean, as many principal
    components as latents are active (``pca``), and random directions, as many and as many active
    (``random``, drawn by ``seed``). ``skip_positions`` first positions of each text are not judged,
    and left as they are.

    **Cost** 7 forwards for each text (to read, as it is, and one with each of five in the place),
    and a few short ones.
    **Raises** ``DictionaryError`` for a dictionary that does not fit the model's places,
    ``EditError`` for one of a place that is not there, and what ``activations`` raises.
    """
    given = demand_fits(opened(model), dictionary)
    with metering() as meter:
        sites = list(dict.fromkeys([given.site_in, given.site_out]))
        read = activations(model, texts, sites, too_long="truncate")
        used = read.positions >= skip_positions
        outputs = read[given.site_out].flatten(1)[used]
        density = _density(given, read[given.site_in].flatten(1)[used])
        kinds = stand_ins(given, outputs, float(density.sum()), seed)
        shares = _unexplained(given, read, used, kinds)
        ids = [read.text(i).tokens.tolist() for i in range(read.n_texts)]
        losses = spliced(model, given, ids, kinds, skip_positions)
    names = ("clean", *kinds)
    scores = tuple(
        StandInScore(
            name=name,
            fvu=shares.get(name, 0.0),
            ce=losses.ce[name] / losses.tokens,
            kl=losses.kl[name] / losses.tokens,
        )
        for name in names
    )
    return DictionaryEvaluation(
        about=str(dictionary).splitlines()[0],
        texts=read.n_texts,
        tokens=int(used.sum()),
        l0=float(density.sum()),
        scores=scores,
        density=as_tensor(density),
        twin_cosine=as_tensor(twins(given)),
        caveats=tuple(_caveats(model, dictionary, shares["dictionary"])),
        passes=meter.passes,
    )


def _density(given: Dictionary, inputs: Tensor) -> Float[Tensor, " latent"]:
    active = torch.zeros(given.n_latents, dtype=torch.float64)
    for part in inputs.split(CHUNK):
        active += (given.encode(part) > 0).sum(0)
    return active / max(1, len(inputs))


def _unexplained(
    given: Dictionary, read: Activations, used: Tensor, kinds: dict
) -> dict[str, float]:
    """FVU of every stand-in."""
    x, y = (read[site].flatten(1)[used] for site in (given.site_in, given.site_out))
    found = {name: Unexplained(y.double().mean(0)) for name in kinds}
    for inputs, outputs in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
        for name, stand_in in kinds.items():
            # The mean in the precision that it is known in, so that its share is exactly one.
            exact = found[name].mean.expand(len(outputs), -1) if name == "mean" else None
            found[name].add(outputs, stand_in(inputs, outputs) if exact is None else exact)
    return {name: one.share for name, one in found.items()}


def twins(given: Dictionary) -> Float[Tensor, " latent"]:
    """The cosine of each direction with the nearest other one."""
    unit = normalize(given.W_dec.flatten(1).float())
    nearest = []
    for start, part in enumerate(unit.split(1024)):
        cosines = part @ unit.T
        rows = torch.arange(len(part))
        cosines[rows, start * 1024 + rows] = -1.0
        nearest.append(cosines.max(1).values)
    return torch.cat(nearest)


def _caveats(model: Model, dictionary: Dictionary, fvu: float) -> Iterator[str]:
    if not fvu < USELESS:
        yield (
            f"The dictionary leaves {fvu:.0%} of the variance unexplained, where the mean leaves "
            f"100%: it is not made for this place ({dictionary.hook_in}) of this model, or for "
            "inputs of another scale."
        )
    if dictionary.model and dictionary.model != model.name:
        yield f"It was made for {dictionary.model}, and is judged in {model.name}."
    yield from dictionary.notes


def _lines(found: DictionaryEvaluation) -> Iterator[str]:
    """The scores and what they mean, in at most 80 columns."""
    yield found.about
    yield f"on {found.texts} texts, {found.tokens:,} tokens"
    yield ""
    yield "  put in         FVU       CE       KL  CE recovered: of zero  of mean"
    for row in found.to_frame().to_dict("records"):
        yield (
            f"  {row['put_in']:<10} {row['fvu']:7.3f} {row['ce']:8.3f} {row['kl']:8.3f}"
            f"          {row['ce_recovered_zero']:12.1%} {row['ce_recovered_mean']:8.1%}"
        )
    yield ""
    yield f"  L0 {found.l0:.1f}; silent latents {found.dead:.1%}; twins {found.duplicates:.1%}"
    for caveat in found.caveats:
        yield from wrapped(caveat)
    yield f"Cost: {found.passes}."
