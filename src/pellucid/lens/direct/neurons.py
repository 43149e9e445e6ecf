"""Neurons of one MLP by direct effect, and the tokens that each promotes and suppresses.

The MLP's term is the sum of its neurons, activation x row of the down-projection, plus a bias. Led
along the line of the decision (``decision.py``) each summand is a share, and they add up to the
MLP's share in ``direct_effects``. Led through the held final norm to the whole vocabulary instead,

    activation x (row of W_down) -> final norm's gain -> unembedding,   less its mean over tokens,

it says which logits the neuron raises and lowers *in this prompt*, its sign included (Geva et al.
2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import TaskError
from pellucid.lens.direct.decision import Decision, at_read, decide, one_token_each
from pellucid.lens.direct.promoted_tokens import onto_logits
from pellucid.lens.direct.pullback import Pullback, mlp_of, shares_of_neurons
from pellucid.lens.text import column, quoted, wrapped
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.options import NEURONS_TOP
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result, as_tensor
from pellucid.results.views import shown
from pellucid.run.provenance import with_provenance
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.tokens import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOKENS = 5
"""Tokens promoted and suppressed that are kept for each neuron."""


@dataclass(frozen=True, kw_only=True)
class Neurons(Result):
    """Direct effect of every neuron of one MLP; the ``top`` ones with what they write.

    Shares are in (logit of answer - logit of foil) on the clean prompts, before any cap.
    """

    layer: int
    per_example: Float[Tensor, "example d_mlp"]
    """Share of every neuron."""
    bias: Float[Tensor, " example"]
    """Share of the biases behind the neurons."""
    activation: Float[Tensor, "example d_mlp"]
    top: Int[Tensor, " top"]
    """Neurons with the largest mean share in size, largest first."""
    promotes: tuple[tuple[str, ...], ...]
    """For each of ``top``, the tokens whose logits it raises most, in this prompt."""
    suppresses: tuple[tuple[str, ...], ...]
    logit_change: Float[Tensor, "top d_vocab"]
    """What each of ``top`` adds to every logit, mean over examples, less its mean over tokens."""
    caveats: tuple[str, ...]
    passes: Passes

    @property
    def share(self) -> Float[Tensor, " d_mlp"]:
        """Share of every neuron, mean over examples."""
        return self.per_example.mean(0)

    @property
    def total(self) -> Float[Tensor, " example"]:
        """Sum over neurons plus bias: the MLP's own share in ``direct_effects``."""
        return self.per_example.sum(1) + self.bias

    def to_frame(self) -> pd.DataFrame:
        """Columns ``layer neuron activation share promotes suppresses``, one row per top neuron."""
        return pd.DataFrame(
            {
                "layer": self.layer,
                "neuron": self.top.tolist(),
                "activation": self.activation.mean(0)[self.top].double().numpy(),
                "share": self.share[self.top].double().numpy(),
                "promotes": self.promotes,
                "suppresses": self.suppresses,
            }
        )

    def plot(self) -> "Figure":
        """A bar for each of the ``top`` neurons, with the tokens that it promotes."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@with_provenance
def neurons(
    model: Model, contrast: Contrast | ContrastBatch, layer: int, *, top: int = NEURONS_TOP
) -> Neurons:
    """The neurons of layer ``layer``'s MLP that write most towards the answer or the foil.

    ``top`` of them come with the tokens they promote and suppress.

    **Assumes** what ``direct_effects`` assumes, and an MLP with one down-projection.
    **Cost** 2 forwards in 1 call; then 4 forwards and 5 backwards of one token (``top`` tokens)
    through the last block, the final norm and the unembedding.
    **Raises** ``EditError`` for a layer without such an MLP, and what ``direct_effects`` raises.
    """
    mlp = mlp_of(opened(model), layer)
    if top < 1:
        raise TaskError(f"top={top}: ask for at least one neuron.")
    encoded = one_token_each(model, contrast)
    with torch.inference_mode(False), metering() as meter:
        sites = [Site("neurons", layer), Site("mlp_out", layer)]
        decision = decide(model, encoded, dict.fromkeys(sites, at_read(encoded.reads.repeat(2, 1))))
        shares, written = shares_of_neurons(model, decision, layer)
        n = encoded.n_examples
        size = shares[:n].mean(0).abs()
        chosen = size.topk(min(top, len(size))).indices
        assert mlp.neurons is not None
        weight = linear_weight(mlp.neurons).detach().to(model.dtype)
        rows = weight[:, chosen].T  # top d_out
        change = logit_change(model, decision, written, rows, chosen, n)
    return Neurons(
        layer=layer,
        per_example=as_tensor(shares[:n]),
        bias=as_tensor(written.bias[:n]),
        activation=as_tensor(decision.kept[Site("neurons", layer)][:n]),
        top=as_tensor(chosen),
        promotes=extremes(model, change),
        suppresses=extremes(model, -change),
        logit_change=as_tensor(change),
        caveats=decision.caveats,
        passes=meter.passes,
    )


def logit_change(
    model: Model,
    decision: Decision,
    written: Pullback,
    rows: Float[Tensor, "top d_out"],
    chosen: Int[Tensor, " top"],
    n_examples: int,
) -> Float[Tensor, "top d_vocab"]:
    """What each chosen neuron adds to every logit, less its mean over the vocabulary.

    ``rows`` are what one unit of activation adds to the down-projection's output.

    **Cost** 1 forward and 2 backwards of ``top`` tokens, the final norm and unembedding only.
    """
    site = next(site for site in decision.kept if site.kind == "neurons")
    active = decision.kept[site][:n_examples][:, chosen]  # example top
    scales = (written.way.scale * decision.norm.scale)[:n_examples, None]
    sizes = (active * scales).mean(0)[:, None]  # top 1
    given = decision.norm.jacobian_product(written.way.jacobian_product(rows)) * sizes
    return onto_logits(model, decision, given)


def extremes(model: Model, change: Float[Tensor, "top d_vocab"]) -> tuple[tuple[str, ...], ...]:
    """The tokens raised most by each neuron, most first."""
    ids = change.topk(min(TOKENS, change.shape[-1])).indices.tolist()
    return tuple(labels(model.tokenizer, row) for row in ids)


def _lines(found: Neurons) -> Iterator[str]:
    """The top neurons with what they promote, in at most 80 columns."""
    width = found.per_example.shape[1]
    yield f"Neurons of M{found.layer}: shares in logit(answer) - logit(foil)"
    yield ""
    yield "  neuron  activation    share  promotes               suppresses"
    rows = found.to_frame().to_dict("records")
    for row, *sides in zip(rows, found.promotes, found.suppresses, strict=True):
        up, down = (column(" ".join(quoted(t, 9) for t in side[:2]), 21) for side in sides)
        numbers = f"{row['neuron']:6d}  {row['activation']:+10.3f} {row['share']:+8.3f}"
        yield f"  {numbers}  {up}  {down}".rstrip()
    yield ""
    shown, total = float(found.share[found.top].sum()), float(found.total.mean())
    yield f"  these {len(found.top)} {shown:+8.3f} of {total:+.3f}, the sum of all {width} and bias"
    for caveat in found.caveats:
        yield from wrapped(caveat)
    yield f"Cost: {found.passes}."
