"""``fit_dictionary``: a sparse dictionary of activations, or of what an MLP makes of them.

1. Inputs are scaled to the norm sqrt(d) on average; biases begin at the mean, directions at random,
   the encoder at their transpose.
2. Each step takes a batch of tokens, in an order that the seed decides (``batches.py``), and one
   step of Adam on the loss (``losses.py``). Directions keep the length one.
3. The rate of learning rises over the first twentieth and falls to zero over the last fifth.
4. A latent that was silent for ``SILENT`` tokens begins anew from what is left unexplained, but not
   in the last third (``revival.py``).
5. The scale goes into the weights; batchtopk gets the threshold that leaves k latents active.
"""

from typing import Any, Unpack

import torch
from torch import Tensor

from pellucid.callbacks import LongTask, long_task
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.normalise import scaled
from pellucid.dictionary.training.batches import TrainingRows, training_rows
from pellucid.dictionary.training.checkpoint import Checkpoint, kept
from pellucid.dictionary.training.losses import Sparsity, loss_of, places_of_largest
from pellucid.dictionary.training.options import FitKeywords, FitOptions
from pellucid.dictionary.training.revival import revive
from pellucid.dictionary.training.weights import LEAVES, Weights, first_weights
from pellucid.errors import DictionaryError, NonFiniteError
from pellucid.keywords import keywords_of
from pellucid.options import FIT_K, FIT_METHOD, FitMethod, demand_choice
from pellucid.run.corpus.container import Activations
from pellucid.run.provenance import with_provenance

SILENT = 50_000
"""Tokens for which a latent is silent before it begins anew."""
_RATE, _RATE_AT = 2e-4, 1 << 14
_WARM, _COOL, _REVIVED = 0.05, 0.2, 2 / 3
_SEEN_LAST = 1 << 24
"""Pre-activations among which the threshold of batchtopk is looked for."""
_LEFT = "At the end {share:.1%} of the variance was unexplained, on what it learned from."


@with_provenance
@keywords_of(FitOptions)
def fit_dictionary(
    activations: Activations | Tensor,
    n_latents: int,
    *,
    target: Activations | Tensor | None = None,
    activation: FitMethod = FIT_METHOD,
    k: int = FIT_K,
    **options: Unpack[FitKeywords],
) -> Dictionary:
    """Train a dictionary of ``n_latents`` directions on ``activations``.

    ``activations`` are what ``pellucid.activations`` gave, in memory or in a folder, or a tensor
    ``[token d]``. With a ``target`` of the same tokens a transcoder is trained, which gives it back
    from the activations. ``k`` is how many latents are active: at each token (``topk``), on average
    (``batchtopk``, ``matryoshka``), or as a goal (``jumprelu``); ``relu`` has ``l1`` instead.
    ``FitOptions`` says what the other options are.

    Deterministic by ``seed``, for one number of threads. With ``keep=NAME`` what is done is kept in
    a hidden folder beside that name until the training has ended; the same call goes on from there.

    **Cost** no pass of the model; per step five products [batch d] x [d latent] at most.
    **Raises** ``DictionaryError`` for settings that do not go together and a target of other
    tokens, ``NonFiniteError`` when activations or the loss are not finite.
    """
    chosen = FitOptions(**options)
    _demand_settings(n_latents, activation, k, chosen)
    sites = (chosen.site, chosen.target_site)
    rows = training_rows(activations, target, sites, chosen.skip_positions)
    prefixes: tuple[int, ...] = ()
    if activation == "matryoshka":
        prefixes = chosen.prefixes or tuple(
            n_latents >> by for by in (4, 3, 2, 1) if n_latents >> by
        )
    sparsity = Sparsity(activation, k, chosen.l1, tuple(sorted(prefixes)))
    with torch.inference_mode(False), torch.enable_grad():
        weights = first_weights(rows, n_latents, chosen.seed)
        if not all(bool(leaf.isfinite().all()) for leaf in weights.leaves.values()):
            raise NonFiniteError("The activations hold NaN or infinity. Read them in float32.")
        settings = {
            **{name: getattr(chosen, name) for name in FitKeywords.__annotations__},
            "of": [activation, k, n_latents, len(rows.used), rows.weight_hash],
        }
        with kept(chosen.keep, settings) as checkpoint:
            unexplained = _Training(weights, rows, sparsity, chosen).run(checkpoint)
    with torch.no_grad():
        return _finished(weights, rows, sparsity, unexplained, chosen.seed)


class _Training:
    """Weights on their way."""

    def __init__(
        self, weights: Weights, rows: TrainingRows, sparsity: Sparsity, chosen: FitOptions
    ) -> None:
        self.weights, self.rows, self.sparsity, self.chosen = weights, rows, sparsity, chosen
        n = weights.W_enc.shape[1]
        self.rate = chosen.learning_rate or _RATE / (n / _RATE_AT) ** 0.5
        self.adam = torch.optim.Adam(weights.leaves.values(), lr=self.rate, betas=(0.9, 0.999))
        self.silent = torch.zeros(n, dtype=torch.long)
        self.per_epoch = -(-len(rows.used) // chosen.batch)
        self.steps = chosen.epochs * self.per_epoch
        self.done = 0
        self.unexplained = 0.0

    def run(self, checkpoint: Checkpoint) -> float:
        """All steps; gives the share of variance that was unexplained at the end."""
        self._restore(checkpoint.read())
        with long_task("Training a dictionary", total=self.steps, unit="steps") as told:
            told.reach(self.done)
            self._steps(checkpoint, told)
        return self.unexplained

    def _steps(self, checkpoint: Checkpoint, told: LongTask) -> None:
        while self.done < self.steps:
            epoch, after = divmod(self.done, self.per_epoch)
            seed = self.chosen.seed + 1 + epoch
            for x, y in self.rows.batches(self.chosen.batch, seed, after):
                self._step(x * self.weights.scale_in, y * self.weights.scale_out)
                told.step()
                checkpoint.write(self._state)

    def _step(self, x: Tensor, y: Tensor) -> None:
        weights = self.weights
        found = loss_of(weights, (x, y), self.sparsity)
        if not bool(found.loss.isfinite()):
            raise NonFiniteError(
                f"The loss is not finite at step {self.done} of {self.steps}. Give a smaller "
                f"learning_rate= than {self.rate:g}, or activations without NaN."
            )
        self.adam.zero_grad(set_to_none=True)
        found.loss.backward()
        weights.leave_length_alone()
        torch.nn.utils.clip_grad_norm_(list(weights.leaves.values()), 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.rate * self._pace()
        self.adam.step()
        weights.keep_unit_norm()
        self.silent = torch.where(found.fired, 0, self.silent + len(x))
        silent = (self.silent >= SILENT).nonzero()[:, 0]
        if len(silent) and self.done < _REVIVED * self.steps:
            begun = revive(weights, self.adam, silent, x, found.left, self.done)
            self.silent[begun] = 0
        self.done += 1
        share = min(1.0, max(0.02, 1 / self.done))
        self.unexplained += share * (found.unexplained - self.unexplained)

    def _pace(self) -> float:
        part = (self.done + 1) / self.steps
        return min(1.0, part / _WARM, (1 - part) / _COOL + 1 / self.steps)

    def _state(self) -> dict[str, Tensor]:
        state = {name: leaf.detach() for name, leaf in self.weights.leaves.items()}
        for name, leaf in self.weights.leaves.items():
            for key, value in self.adam.state.get(leaf, {}).items():
                state[f"{name}.{key}"] = value
        state["silent"] = self.silent
        state["done"] = torch.tensor(self.done)
        state["unexplained"] = torch.tensor(self.unexplained, dtype=torch.float64)
        return state

    def _restore(self, state: dict[str, Tensor] | None) -> None:
        if state is None:
            return
        with torch.no_grad():
            for name, leaf in self.weights.leaves.items():
                leaf.copy_(state[name])
                moments = {key: state[f"{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
                           if f"{name}.{key}" in state}  # fmt: skip
                if moments:
                    self.adam.state[leaf] = moments
        self.silent = state["silent"]
        self.done = int(state["done"])
        self.unexplained = float(state["unexplained"])


def _demand_settings(n_latents: int, activation: FitMethod, k: int, chosen: FitOptions) -> None:
    demand_choice("activation", activation, FitMethod, DictionaryError)
    if not 0 < k <= n_latents:
        raise DictionaryError(f"k={k} of n_latents={n_latents}: k is from 1 to n_latents.")
    if (activation == "relu") != (chosen.l1 > 0):
        raise DictionaryError(
            f"activation={activation!r} with l1={chosen.l1}: relu is made sparse by l1= above 0, "
            "and the others by k."
        )
    if chosen.prefixes and activation != "matryoshka":
        raise DictionaryError("prefixes= are for activation='matryoshka'.")
    if not all(0 < one < n_latents for one in chosen.prefixes):
        raise DictionaryError(f"prefixes={chosen.prefixes}: each is from 1 to n_latents - 1.")


def _finished(
    weights: Weights, rows: TrainingRows, sparsity: Sparsity, unexplained: float, seed: int
) -> Dictionary:
    """The dictionary for inputs as they are."""
    plain = {name: getattr(weights, name).detach().clone() for name in LEAVES[:4]}
    f, out = weights.scale_in, weights.scale_out
    how = "batchtopk" if sparsity.how == "matryoshka" else sparsity.how
    threshold = None
    if how == "jumprelu":
        threshold = weights.log_threshold.detach().exp()
    elif how == "batchtopk":
        threshold = _threshold(weights, rows, sparsity.k, seed)
    hook = "" if rows.site_in is None else rows.site_in.name
    written = hook if rows.site_out is None or not rows.transcodes else rows.site_out.name
    if rows.transcodes and written == hook:
        written = f"{hook} (target)"
    return Dictionary(
        **_with_unit_norm(scaled(plain, f, out), out),
        threshold=None if threshold is None else threshold / out,
        activation=how,
        k=sparsity.k if how in ("topk", "batchtopk") else None,
        prefixes=(*sparsity.prefixes, weights.W_enc.shape[1]) if sparsity.prefixes else (),
        centred=weights.centred,
        hook_in=hook,
        hooks_out=(written,),
        model=rows.model,
        weight_hash=rows.weight_hash,
        format="trained here",
        notes=(_LEFT.format(share=unexplained),),
    )


def _with_unit_norm(weights: dict[str, Tensor], out: float) -> dict[str, Any]:
    """Weights whose directions have the length one again, as they had when they were trained."""
    smaller = {name: weights[name] / out for name in ("W_enc", "b_enc")}
    return {**weights, **smaller, "W_dec": weights["W_dec"] * out}


def _threshold(weights: Weights, rows: TrainingRows, k: int, seed: int) -> Tensor:
    """The threshold above which k latents are active on average."""
    n = weights.W_enc.shape[1]
    x, _ = rows.sample(max(1, _SEEN_LAST // n), seed)
    pre = torch.cat([weights.pre_activations(p * weights.scale_in) for p in x.split(4096)])
    flat = pre.flatten()
    level = flat[places_of_largest(flat, k * len(pre))].min().clamp_min(0.0)
    return torch.full((n,), float(level))
