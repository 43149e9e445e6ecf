"""``describe_latents``: where latents are active, and which tokens they promote.

A latent's direction is led through the model's own final norm, its scale held, to its unembedding
(``lens/direct/frozen_norm.py``): the tokens whose logits it raises most, as far as it gets there
directly. Where it is active is read off texts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionary.attach import demand_fits
from pellucid.dictionary.dictionary import Dictionary
from pellucid.errors import DictionaryError
from pellucid.features.evaluate import CHUNK, twins
from pellucid.lens.direct.decision import to_unembedding
from pellucid.lens.direct.frozen_norm import jacobian_product
from pellucid.lens.text import column, quoted
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model, opened
from pellucid.model.running.forward import undisturbed
from pellucid.options import LATENT_EXAMPLES, LATENTS_TOP, SKIP_POSITIONS
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.run.corpus.activations import activations
from pellucid.run.corpus.container import Activations
from pellucid.run.corpus.texts import Texts
from pellucid.run.provenance import with_provenance
from pellucid.task.tokens import labels

PROMOTED = 5
"""Tokens that are kept of those that a latent promotes."""
BEFORE, BEHIND = 8, 3
"""Tokens of an example around the one at which the latent is active."""


@stored
@dataclass(frozen=True, kw_only=True)
class LatentExample:
    """A place at which a latent is active."""

    text: int
    position: int
    value: float
    before: str
    token: str
    behind: str

    def __str__(self) -> str:
        return f"{self.before}«{self.token}»{self.behind}"


@stored
@dataclass(frozen=True, kw_only=True)
class LatentRow:
    """One latent."""

    index: int
    name: str
    """Its name as a part of the model, ``L12F4821``."""
    density: float
    """Share of tokens at which it is active."""
    examples: tuple[LatentExample, ...]
    """At most one of a text, the strongest first."""
    promotes: tuple[str, ...]
    suppresses: tuple[str, ...]
    twin_cosine: float
    """Cosine of its direction with the nearest other."""


@dataclass(frozen=True, kw_only=True)
class LatentTable(Result):
    """What latents of a dictionary look like on some texts."""

    about: str
    texts: int
    tokens: int
    rows: tuple[LatentRow, ...]
    passes: Passes

    def to_frame(self) -> pd.DataFrame:
        """Columns ``latent name density largest example promotes suppresses twin_cosine``."""
        return pd.DataFrame(
            {
                "latent": row.index,
                "name": row.name,
                "density": row.density,
                "largest": row.examples[0].value if row.examples else 0.0,
                "example": str(row.examples[0]) if row.examples else "",
                "promotes": " ".join(row.promotes),
                "suppresses": " ".join(row.suppresses),
                "twin_cosine": row.twin_cosine,
            }
            for row in self.rows
        )

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@with_provenance
def describe_latents(
    model: Model,
    dictionary: Dictionary,
    texts: Texts,
    *,
    latents: Sequence[int] | None = None,
    top: int = LATENTS_TOP,
    examples: int = LATENT_EXAMPLES,
    skip_positions: int = SKIP_POSITIONS,
) -> LatentTable:
    """Examples and promoted tokens of ``latents``, or of the ``top`` that are active most strongly.

    ``texts`` are what ``activations`` takes. ``examples`` are from different texts; first
    positions are left out. What a latent promotes is what its direction adds to the logits
    directly, through the final norm at a scale that is held; what later layers make of it is not
    in it.

    **Cost** 1 forward for each text up to the dictionary's layer, and 1 forward and 2 backwards of
    one token for each latent, through the last block, the final norm and the unembedding.
    **Raises** ``DictionaryError`` for a latent that is not there, and what ``evaluate_dictionary``
    raises.
    """
    given = demand_fits(opened(model), dictionary)
    if latents is not None and not all(0 <= i < given.n_latents for i in latents):
        raise DictionaryError(
            f"latents={list(latents)[:5]}: they go from 0 to {given.n_latents - 1}."
        )
    if top < 1 or examples < 1:
        raise DictionaryError(f"top={top}, examples={examples}: give at least one.")
    with metering() as meter:
        read = activations(model, texts, given.site_in, too_long="truncate")
        used = (read.positions >= skip_positions).nonzero()[:, 0]
        x = read[given.site_in].flatten(1)[used]
        largest, density = _summary(given, x)
        if latents is None:
            latents = largest.argsort(descending=True, stable=True)[:top].tolist()
        chosen = torch.tensor(list(latents), dtype=torch.long)
        values = torch.cat([given.encode(part)[:, chosen] for part in x.split(CHUNK)])
        up, down = _promoted(model, given, chosen)
        nearest = twins(given)[chosen].tolist()
    rows = tuple(
        LatentRow(
            index=index,
            name=f"L{given.site_out.layer}F{index}",
            density=float(density[index]),
            examples=_examples(model, read, used, values[:, i], examples),
            promotes=up[i],
            suppresses=down[i],
            twin_cosine=nearest[i],
        )
        for i, index in enumerate(chosen.tolist())
    )
    return LatentTable(
        about=str(dictionary).splitlines()[0],
        texts=read.n_texts,
        tokens=len(used),
        rows=rows,
        passes=meter.passes,
    )


def _summary(given: Dictionary, x: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value of each latent, and the share of tokens at which it is active."""
    largest = torch.zeros(given.n_latents, dtype=given.W_enc.dtype)
    active = torch.zeros(given.n_latents, dtype=torch.float64)
    for part in x.split(CHUNK):
        latents = given.encode(part)
        largest = torch.maximum(largest, latents.max(0).values.cpu())
        active += (latents > 0).sum(0).cpu()
    return largest, active / max(1, len(x))


def _examples(
    model: Model, read: Activations, used: Tensor, values: Tensor, n: int
) -> tuple[LatentExample, ...]:
    found: list[LatentExample] = []
    texts: set[int] = set()
    for place in values.argsort(descending=True, stable=True).tolist():
        row = int(used[place])
        text, position = int(read.text_of[row]), int(read.positions[row])
        if float(values[place]) <= 0 or len(found) == n:
            break
        if text in texts:
            continue
        texts.add(text)
        start, end = read.starts[text : text + 2].tolist()
        ids = read.tokens[max(start, row - BEFORE) : min(end, row + 1 + BEHIND)].tolist()
        shown = labels(model.tokenizer, ids)
        at = row - max(start, row - BEFORE)
        found.append(
            LatentExample(
                text=text,
                position=position,
                value=float(values[place]),
                before="".join(shown[:at]),
                token=shown[at],
                behind="".join(shown[at + 1 :]),
            )
        )
    return tuple(found)


def _promoted(
    model: Model, given: Dictionary, chosen: Tensor
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """The tokens whose logits each direction raises and lowers most."""
    direction = given.W_dec[chosen].to(model.dtype)
    attention = model.anatomy.blocks[given.site_out.layer].attention
    if given.site_out.kind == "z":
        assert attention is not None
        direction = direction @ attention.head_weight().detach().flatten(0, 1).to(model.dtype)
    token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    with undisturbed(model.module):
        pushed = jacobian_product(to_unembedding(model, token), direction)
    change: Float[Tensor, "latent d_vocab"] = pushed @ linear_weight(
        model.anatomy.unembed
    ).detach().T.to(pushed.dtype)
    most = min(PROMOTED, change.shape[1])

    def told(of: Tensor) -> tuple[tuple[str, ...], ...]:
        return tuple(labels(model.tokenizer, row) for row in of.topk(most).indices.tolist())

    return told(change), told(-change)


def _lines(found: LatentTable) -> Iterator[str]:
    """Each latent with an example and what it promotes, in at most 80 columns."""
    yield found.about
    yield f"on {found.texts} texts, {found.tokens:,} tokens"
    for row in found.rows:
        yield ""
        up = " ".join(quoted(token, 14) for token in row.promotes[:4])
        yield f"{row.name:<10} active at {row.density:.2%}   promotes {up}"
        for one in row.examples[:3]:
            yield f"  {one.value:9.2f}  {column(' '.join(str(one).split()), 66)}".rstrip()
    yield f"Cost: {found.passes}."
