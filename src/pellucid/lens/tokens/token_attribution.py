"""Token attribution: how much each token of the prompt matters for the decision.

With x_p what enters layer 0 at position p (the embedding, with a learned position where the model
adds one), x'_p the same on the corrupted prompt, and L the metric:

    gradient    x_p . dL/dx_p                       on the clean prompt; an estimate
    ig          (x_p - x'_p) . mean of dL/dx_p      over midpoints of the straight path from x' to
                x; an estimate. The sum over tokens tends to L(clean) - L(corrupted), and
                ``completeness`` says how far it is from it. (Sundararajan et al. 2017)
    occlusion   L(clean) - L(clean with token p replaced), mean over the replacements
                an effect, measured by running the model. (Zeiler & Fergus 2014; Li et al. 2016)
    rollout     attention multiplied through all layers: a weight, not signed, blind to the answer.
                (Abnar & Zuidema 2020; ``rollout.py``)
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.errors import TaskError
from pellucid.lens.text import column, quoted, wrapped
from pellucid.lens.tokens.rollout import rollout
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.options import (
    METRIC,
    SEED,
    TOKEN_METHOD,
    TOKENS_VIEW,
    TokenMethod,
    TokensView,
    demand_choice,
)
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result, as_tensor
from pellucid.results.views import shown
from pellucid.run.gradient import Objective, differentiate
from pellucid.run.observe import observe
from pellucid.run.provenance import with_provenance
from pellucid.run.question import encode_contrast
from pellucid.run.record import Trace, record
from pellucid.run.setup import Setup, recorded
from pellucid.run.sites import EMBED
from pellucid.run.variants import Unit, run_variants
from pellucid.stats.rounding import accounts_for, relative_gap, undefined
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.encode import Encoded
from pellucid.task.metrics import Metric, Nearness
from pellucid.task.metrics import metric as resolve_metric
from pellucid.task.tokens import labels, token_id

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_Quantity: TypeAlias = Literal["estimate", "effect", "weight"]
_QUANTITY: dict[TokenMethod, _Quantity] = {
    "gradient": "estimate",
    "ig": "estimate",
    "occlusion": "effect",
    "rollout": "weight",
}
_STEPS = (4, 8, 16, 32, 64, 128)
_CONVERGED = 0.02
DRAWN = 8
"""Replacements over which occlusion takes the mean when none is given."""


@dataclass(frozen=True, kw_only=True)
class TokenAttribution(Result):
    """One number for each token of each clean prompt; 0 on padding.

    Estimates and effects are in the metric's units, positive for support; weights are attention.
    """

    method: TokenMethod
    quantity: _Quantity
    tokens: tuple[tuple[str, ...], ...]
    """The prompt of each example, "" on padding."""
    per_example: Float[Tensor, "example pos"]
    metric: Float[Tensor, " example"] | None
    """On the clean prompts; None for rollout, which asks nothing."""
    difference: Float[Tensor, " example"] | None
    """For ig: metric on the clean minus metric on the corrupted prompt."""
    replacements: tuple[str, ...]
    """For occlusion: the tokens that each token was replaced by, one after the other."""
    steps: int
    passes: Passes
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""

    @property
    def completeness(self) -> float | None:
        """For ig: how far the sum is from ``difference``, relative to it; else None.

        NaN, for undefined, where ``difference`` is no more than rounding (``noise``).
        """
        found = self._compared
        return None if found is None else relative_gap(*found, self.noise)

    @property
    def converged(self) -> bool | None:
        """For ig: whether the completeness residual is below 2 % or only rounding; else None."""
        found = self._compared
        return None if found is None else accounts_for(*found, self.noise, within=_CONVERGED)

    @property
    def _compared(self) -> tuple[float, float] | None:
        if self.difference is None:
            return None
        return float(self.per_example.sum(1).mean()), float(self.difference.mean())

    def to_frame(self) -> pd.DataFrame:
        """Columns ``example position token`` and one named for what it is: ``quantity``."""
        rows = [
            (example, position, token, float(self.per_example[example, position]))
            for example, tokens in enumerate(self.tokens)
            for position, token in enumerate(tokens)
            if token
        ]
        return pd.DataFrame(rows, columns=["example", "position", "token", self.quantity])

    def plot(self, show: TokensView = TOKENS_VIEW, *, example: int = 0) -> "Figure":
        """One example's tokens in reading order, on their colours or with a bar each."""
        return shown(self, "figure", show, example)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@with_provenance
def token_attribution(
    model: Model,
    contrast: Contrast | ContrastBatch,
    *,
    method: TokenMethod = TOKEN_METHOD,
    metric: str | Metric = METRIC,
    steps: int | None = None,
    replacement: str | int | None = None,
    seed: int = SEED,
    trace: Trace | None = None,
) -> TokenAttribution:
    """Attribute the decision to the tokens of the clean prompt.

    ``steps`` is for ig; when it is not given they double from 4 until the completeness residual is
    below 2 %, or 128. ``replacement`` is for occlusion, one token. Without it effects are means
    over eight ordinary tokens of the vocabulary, drawn with ``seed``: a padding or end token would
    be no neutral choice, since models read it as the beginning of another text. ``trace`` is a
    recording of the question and metric, used instead of recording.

    **Assumes** for ig and occlusion that tokens reach the layers through the stream alone (Gemma 3n
    has embeddings for each layer besides).
    **Cost** gradient 1 forward + 1 backward; ig 2 + 1, and 1 of each per step; occlusion 2 + 1, and
    for each replacement 1 forward and 1 per token, in batched calls; rollout 1 forward. With a
    ``trace`` 2 + 1 less, and gradient none.
    **Raises** ``TaskError`` for an argument that the method does not take, ``TokenError`` for a
    replacement of several tokens, ``EditError`` for rollout where patterns cannot be read,
    ``MismatchError`` for a ``trace`` of other weights, another question or metric.
    """
    opened(model)
    _check(method, metric, steps, replacement)
    if trace is not None:
        recorded(model, contrast, metric=metric, trace=trace)
        if method == "rollout":
            raise TaskError("method='rollout' reads attention, which no trace holds; leave it out.")
    with metering() as meter:
        if method == "gradient":
            found = _gradient(model, contrast, metric, trace)
        elif method == "ig":
            trace = trace or record(model, contrast, metric=metric, sites=[EMBED])
            found = _integrated(model, trace, steps)
        elif method == "occlusion":
            tokens = _replacements(model, replacement, seed)
            trace = trace or record(model, contrast, metric=metric, sites=[EMBED])
            found = _occluded(model, trace, tokens)
        else:
            encoded = encode_contrast(model, contrast)
            found = _result(encoded, "rollout", rollout(model, encoded))
    return replace(found, passes=meter.passes)


def _check(
    method: TokenMethod, metric: str | Metric, steps: int | None, replacement: str | int | None
) -> None:
    demand_choice("method", method, TokenMethod, TaskError)
    if steps is not None and (method != "ig" or steps < 1):
        raise TaskError(f"steps={steps} with method={method!r}: ig alone takes steps, at least 1.")
    if replacement is not None and method != "occlusion":
        raise TaskError(f"method={method!r} replaces nothing; leave replacement out.")
    if method == "gradient" and (metric == "kl" or isinstance(metric, Nearness)):
        raise TaskError(
            "metric='kl' has no gradient on the clean run, its minimum. Use method='ig' or "
            "'occlusion'."
        )


def _gradient(
    model: Model, contrast: Contrast | ContrastBatch, metric: str | Metric, trace: Trace | None
) -> TokenAttribution:
    if trace is not None:
        encoded, measured = trace.encoded, trace.metric_clean
        values, gradient = trace.clean[EMBED], trace.gradient[EMBED]
    else:
        encoded = encode_contrast(model, contrast)
        found = differentiate(model, Objective(encoded, resolve_metric(metric)), [EMBED])
        measured, values, gradient = found.metric, found.values[EMBED], found.gradients[EMBED]
    products = (values * gradient).sum(-1)  # row pos
    result = _result(encoded, "gradient", _by_example(products, encoded))
    return replace(result, metric=as_tensor(measured))


def _integrated(model: Model, trace: Trace, steps: int | None) -> TokenAttribution:
    """Gradients at midpoints of the path, doubling the steps until the sum is complete."""
    clean, corrupted = trace.clean[EMBED], trace.corrupted[EMBED]
    for count in _STEPS if steps is None else (steps,):
        total = torch.zeros_like(clean)
        for step in range(count):
            weight = (step + 0.5) / count

            def mix(site: Site, value: Tensor, weight: float = weight) -> Tensor:
                return value.lerp(corrupted, 1 - weight)

            found = differentiate(model, trace.objective, [EMBED], change=mix)
            total += found.gradients[EMBED] / count
        values = _by_example(((clean - corrupted) * total).sum(-1), trace.encoded)
        result = replace(
            _result(trace.encoded, "ig", values),
            metric=as_tensor(trace.metric_clean),
            difference=as_tensor(trace.difference),
            steps=count,
            noise=trace.noise,
        )
        if result.converged:
            break
    return result


def _occluded(model: Model, trace: Trace, tokens: Sequence[int]) -> TokenAttribution:
    """Each position in turn gets what a replacement would bring into the stream there."""
    length = trace.encoded.clean.shape[1]
    expect(len(tokens) * (1 + length))
    effects = []
    for token in tokens:
        ids = torch.full_like(trace.encoded.clean, token)
        shown = observe(model, ids, {EMBED: torch.clone}, real=trace.encoded.real)
        measured = run_variants(
            Setup(model=model, trace=trace),
            [Unit(EMBED)],
            torch.ones(length, 1, dtype=torch.bool, device=model.device),
            {EMBED: shown.kept[EMBED]},
            positions=torch.eye(length, dtype=torch.bool, device=model.device),
        )  # variant example
        effects.append((trace.metric_clean - measured).T)
    return replace(
        _result(trace.encoded, "occlusion", torch.stack(effects).mean(0)),
        metric=as_tensor(trace.metric_clean),
        replacements=labels(model.tokenizer, tokens),
    )


def _replacements(model: Model, given: str | int | None, seed: int) -> tuple[int, ...]:
    """The tokens that occlusion puts in: the one given, or some drawn that are not special."""
    if given is not None:
        return (token_id(model.tokenizer, given, vocab_size=model.anatomy.d_vocab),)
    special = set(getattr(model.tokenizer, "all_special_ids", ()))
    size = min(model.anatomy.d_vocab, len(model.tokenizer or range(model.anatomy.d_vocab)))
    ordinary = [token for token in range(size) if token not in special]
    return tuple(random.Random(seed).sample(ordinary, min(DRAWN, len(ordinary))))


def _by_example(rows: Float[Tensor, "row pos"], encoded: Encoded) -> Float[Tensor, "example pos"]:
    empty = rows.new_zeros(encoded.n_examples, rows.shape[1])
    return empty.index_add(0, encoded.example.to(rows.device), rows)


def _result(
    encoded: Encoded, method: TokenMethod, values: Float[Tensor, "example pos"]
) -> TokenAttribution:
    """What every method gives; the tokens shown are those of the prompts alone."""
    return TokenAttribution(
        method=method,
        quantity=_QUANTITY[method],
        tokens=encoded.of_prompts(encoded.clean_labels),
        per_example=as_tensor(values),
        metric=None,
        difference=None,
        replacements=(),
        steps=1,
        passes=Passes(),
    )


def _lines(found: TokenAttribution) -> Iterator[str]:
    """The first example's tokens with a bar each, in at most 80 columns."""
    yield f"Tokens by {found.method}: {found.quantity}"
    if found.replacements:
        by = " ".join(quoted(token, 16) for token in found.replacements)
        yield from wrapped(f"Each token was replaced by {by}.")
    yield ""
    frame = found.to_frame().query("example == 0")
    largest = max(float(frame[found.quantity].abs().max()), found.noise, 1e-30)
    for row in frame.to_dict("records"):
        value = row[found.quantity]
        bar = ("+" if value > 0 else "-") * round(30 * abs(value) / largest)
        token = column(quoted(row["token"], 18), 18)
        yield f"  {row['position']:4d}  {token} {value:+z9.4f}  {bar}".rstrip()
    yield ""
    if found._compared is not None:
        total, wanted = found._compared
        off = f"off by {found.completeness:.2%} with {found.steps} steps"
        if abs(wanted) <= found.noise:
            off = undefined("the corrupted prompt", wanted, found.noise)
        yield from wrapped(f"Sum {total:+.4f} of a metric difference of {wanted:+.4f}: {off}.")
    if len(found.tokens) > 1:
        yield f"The first of {len(found.tokens)} examples."
    yield f"Cost: {found.passes}."
