"""``attribute_features``: shares, estimates and effects of a dictionary's latents for a decision.

1. Both prompts are recorded at latents, errors and streams; one backward gives the gradient.
2. Share: norms, attention and gates are held, and the metric is a sum (``shares.py``).
3. Estimate: (latent - what replaces it) . gradient.
4. Effect: the largest estimates, and as many active latents drawn, are replaced one at a time in
   one batch; then the first 1, 2, 4, ... of both together.
5. Check: each measured latent on its own path (``latent_paths.py``), where it is asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionary.attach import with_dictionaries
from pellucid.dictionary.dictionary import Dictionary
from pellucid.errors import DictionaryError
from pellucid.features.options import FeatureKeywords, FeatureOptions
from pellucid.features.result import FeatureAttribution
from pellucid.features.shares import Account, shares_at
from pellucid.keywords import keywords_of
from pellucid.lens.direct.decision import one_token_each
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.passes import metering
from pellucid.results.result import as_tensor
from pellucid.run.ablation import mean_over_prompts
from pellucid.run.latent_paths import along_paths
from pellucid.run.provenance import with_provenance
from pellucid.run.record import Trace, record
from pellucid.run.setup import Setup
from pellucid.run.sites import EMBED
from pellucid.run.variants import Unit, run_variants, unit_of
from pellucid.task.contrast import Contrast, ContrastBatch, Contrasts

NOT_EXACT = (
    "At layer {layer} the shares miss the metric by {residual:.0e} (relative): the run could not "
    "be held affine, and shares are not given. {note}"
)


@with_provenance
@keywords_of(FeatureOptions)
def attribute_features(
    model: Model,
    contrast: Contrast | ContrastBatch,
    dictionaries: Dictionary | Iterable[Dictionary],
    **options: Unpack[FeatureKeywords],
) -> FeatureAttribution:
    """What the latents of ``dictionaries`` do for logit(answer) - logit(foil), three ways.

    ``share``: with norms' scales, attention patterns and gates held, the metric is a sum over
    latents, the dictionary's error and bias, what passes the place by, and the model's biases
    behind; the sum is checked. ``estimate``: (latent - what replaces it) . gradient on the clean
    prompt. ``effect``: measured by replacing the latent at every position, for the ``top``
    estimates and as many active latents drawn. ``str()`` says how the first two stand to the third.
    ``FeatureOptions`` says what the options are.

    **Assumes** for shares that attention, norms and gates stay as they are: a share is no effect.
    **Cost** 2 forwards and 1 backward; for each dictionary 1 and 1 from its layer on; 2 ``top``
    forwards from there on and a few for sets; with ``check="path"`` 6 ``top`` more and 6 ``top``
    backwards.
    **Raises** ``TaskError`` for an answer or foil of several tokens, and what ``with_dictionaries``
    and ``record`` raise.
    """
    chosen = FeatureOptions(**options)
    one_token_each(opened(model), contrast)
    listed = [dictionaries] if isinstance(dictionaries, Dictionary) else list(dictionaries)
    if not listed:
        raise DictionaryError("There is no dictionary. Give at least one.")
    put_in = with_dictionaries(model, listed)
    layers = sorted(one.site_out.layer for one in listed)
    with metering() as meter:
        trace = _recorded(put_in, contrast, layers)
        work = _Work(put_in, trace, layers, chosen)
        found = work.attributed()
    return replace(found, passes=meter.passes)


def _recorded(model: Model, contrast: Contrasts, layers: Sequence[int]) -> Trace:
    blocks = model.anatomy.blocks
    places = [
        site for layer in layers if (given := blocks[layer].dictionary) is not None
        for site in (given.site_in, given.site_out)
    ]  # fmt: skip
    streams = [Site("resid_pre", layer) for layer in layers]
    latents = [Site("latents", layer) for layer in layers]
    errors = [Site("error", layer) for layer in layers]
    observed = list(dict.fromkeys([*places, *streams]))
    return record(model, contrast, sites=[EMBED, *latents, *errors], observed=observed)


@dataclass(frozen=True)
class _Work:
    """What all steps share."""

    model: Model
    trace: Trace
    layers: Sequence[int]
    chosen: FeatureOptions

    def attributed(self) -> FeatureAttribution:
        """All steps."""
        setup = Setup(
            model=self.model, trace=self.trace, seed=self.chosen.seed,
            memory_budget=self.chosen.memory_budget,
        )  # fmt: skip
        nodes, activation, estimate = self._estimates()
        share, accounts, caveats = self._shares(nodes)
        order = estimate.mean(0).abs().argsort(descending=True, stable=True)
        n_top = min(self.chosen.top, len(order))
        rest = order[n_top:]
        drawn = torch.randperm(
            len(rest), generator=torch.Generator().manual_seed(self.chosen.seed)
        )[:n_top]  # fmt: skip
        measured = torch.cat([order[:n_top], rest[drawn.to(rest.device)]]).cpu()
        picked = [nodes[i] for i in measured.tolist()]
        effect, sizes, top, random = self._effects(setup, picked, n_top)
        path = self._paths(setup, picked) if self.chosen.check == "path" else None
        return FeatureAttribution(
            nodes=nodes,
            activation=as_tensor(activation),
            share=as_tensor(share),
            estimate=as_tensor(estimate),
            measured=measured,
            n_top=n_top,
            effect=as_tensor(effect),
            path=None if path is None else as_tensor(path),
            sizes=sizes,
            joint_top=as_tensor(top),
            joint_random=as_tensor(random),
            accounts=accounts,
            ablation=self.chosen.ablation,
            error=self.chosen.error,
            metric_clean=as_tensor(self.trace.metric_clean),
            caveats=caveats,
            passes=self.trace.passes,
            noise=self.trace.noise,
        )

    def _base(self, site: Site) -> Tensor:
        """What replaces latents, ``[1 1 latent]``."""
        if self.chosen.ablation == "mean":
            return mean_over_prompts(self.trace, site)
        return torch.zeros_like(self.trace.clean[site][:1, :1])

    def _estimates(self) -> tuple[tuple[Node, ...], Tensor, Float[Tensor, "example node"]]:
        """Active latents, their largest value, and what the gradient says."""
        nodes: list[Node] = []
        activations, estimates = [], []
        real = self.trace.encoded.real
        for layer in self.layers:
            site = Site("latents", layer)
            value, gradient = self.trace.clean[site], self.trace.gradient[site]
            shown = value * real.to(value.device)[..., None]
            active = (shown > 0).any(0).any(0).nonzero()[:, 0]
            nodes += [Node("latent", layer, i) for i in active.tolist()]
            activations.append(shown.max(1).values.mean(0)[active])
            product = ((value - self._base(site)) * gradient).double().sum(1)
            estimates.append(product[:, active])
        if not nodes:
            raise DictionaryError("No latent is active on the clean prompt: nothing to attribute.")
        return tuple(nodes), torch.cat(activations), torch.cat(estimates, 1)

    def _shares(
        self, nodes: Sequence[Node]
    ) -> tuple[Float[Tensor, "example node"], tuple[Account, ...], tuple[str, ...]]:
        columns, accounts, caveats = [], [], []
        for layer in self.layers:
            given = self.model.anatomy.blocks[layer].dictionary
            assert isinstance(given, Dictionary)
            latents = self.trace.clean[Site("latents", layer)]
            share, account, note = shares_at(self.model, self.trace, given, latents)
            own = [node.head for node in nodes if node.layer == layer]
            column = share[:, own]
            if not account.exact:
                column = torch.full_like(column, torch.nan)
                told = NOT_EXACT.format(layer=layer, residual=account.residual, note=note)
                caveats.append(told.strip())
            columns.append(column)
            accounts.append(account)
        return torch.cat(columns, 1), tuple(accounts), tuple(caveats)

    def _effects(
        self, setup: Setup, picked: Sequence[Node], n_top: int
    ) -> tuple[Float[Tensor, "example chosen"], tuple[int, ...], Tensor, Tensor]:
        """Of each latent alone, and of the first of both kinds together."""
        n, drawn = len(picked), len(picked) - n_top
        sizes = tuple(dict.fromkeys([*(2**i for i in range(12) if 2**i < n_top), n_top]))
        units: list[Unit] = [unit_of(node) for node in picked]
        dropped = [Unit(Site("error", layer)) for layer in self.layers]
        units += dropped if self.chosen.error == "dropped" else []
        values = {unit.site: self._base(unit.site) for unit in units}
        rows = [torch.arange(len(units)) == i for i in range(n)]
        for first in (0, n_top):
            most = n_top if first == 0 else drawn
            for size in sizes:
                at = torch.arange(len(units))
                rows.append((at >= first) & (at < first + min(size, most)))
        rows.append(torch.zeros(len(units), dtype=torch.bool))
        replaced = torch.stack(rows)
        replaced[:, n:] = True  # errors, in every run, the one to compare with too
        metric = run_variants(setup, units, replaced.to(setup.model.device), values)
        effect = (metric[-1] - metric[:-1]).double()
        joint = effect[n:].mean(1)
        return effect[:n].T, sizes, joint[: len(sizes)], joint[len(sizes) :]

    def _paths(self, setup: Setup, picked: Sequence[Node]) -> Float[Tensor, "example chosen"]:
        found = torch.zeros(len(self.trace.metric_clean), len(picked), dtype=torch.float64)
        for layer in self.layers:
            own = [i for i, node in enumerate(picked) if node.layer == layer]
            latents = [head for i in own if (head := picked[i].head) is not None]
            if own:
                base = self._base(Site("latents", layer))
                found[:, own] = along_paths(setup, layer, latents, base).cpu()
        return found
