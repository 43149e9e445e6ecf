"""``with_dictionaries``: dictionaries put into a model, so that their latents are parts of it."""

from collections.abc import Iterable
from dataclasses import replace

import torch

from pellucid.arguments import checks_kinds
from pellucid.dictionary.dictionary import Dictionary
from pellucid.errors import DictionaryError
from pellucid.model.model import Model, opened
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.sites import Site
from pellucid.passes import uncounted

_PLACES = ("resid_pre", "mlp_out", "attn_out", "z")
"""Kinds of site that a dictionary may write."""


@checks_kinds
def with_dictionaries(model: Model, dictionaries: Dictionary | Iterable[Dictionary]) -> Model:
    """``model`` with dictionaries in it: latents ``L12F4821`` and errors ``E12`` are its parts.

    The module is the same object, and computes what it did. Everything that takes parts by name
    takes theirs: ``patch(sites="L12.latents")``, ``attribute(parts="L12.latents+E12")``,
    ``discover(over="L12.latents+E12")``, ``faithfulness``; sites ``latents`` and ``error`` can be
    read and edited. A part's layer is that of the place that is written: the stream behind layer
    11, ``hook_resid_post``, is what enters layer 12. One dictionary for each layer. Where a
    dictionary normalises its inputs one by one, latents are written in the scale of the input of
    the run that they are written into.

    **Cost** 1 forward of two tokens, uncounted.
    **Raises** ``EditError`` for a place that the model does not have, ``DictionaryError`` for a
    dictionary of another width, one of several places, or two in one layer.
    """
    opened(model)
    listed = [dictionaries] if isinstance(dictionaries, Dictionary) else list(dictionaries)
    blocks = list(model.anatomy.blocks)
    for given in listed:
        if not isinstance(given, Dictionary):
            raise DictionaryError(
                f"A {type(given).__name__} is no Dictionary. Read it with read_dictionary() first."
            )
        fitting = demand_fits(model, given)
        layer = fitting.site_out.layer
        if blocks[layer].dictionary is not None:
            raise DictionaryError(f"Layer {layer} has a dictionary already; give one for a layer.")
        blocks[layer] = replace(blocks[layer], dictionary=fitting)
    return replace(model, anatomy=replace(model.anatomy, blocks=tuple(blocks)))


def demand_fits(model: Model, given: Dictionary) -> Dictionary:
    """``given`` where the model is and at least as precise, if it fits the places it is made for.

    **Cost** 1 forward of two tokens, uncounted.
    **Raises** ``DictionaryError`` and ``EditError`` as ``with_dictionaries`` does.
    """
    if given.W_dec.ndim == 3:
        raise DictionaryError(
            "A cross-layer transcoder writes to several layers and cannot be put into one. "
            "encode() and decode() work on what you read."
        )
    site = given.site_out
    if site.kind not in _PLACES or not 0 <= site.layer < model.anatomy.n_layers:
        raise DictionaryError(
            f"The dictionary writes {site.name}. It can be put in where it writes one of "
            f"{', '.join(_PLACES)} of layers 0 to {model.anatomy.n_layers - 1}."
        )
    with uncounted():
        _demand_width(model, given)
    return given.to(torch.promote_types(model.dtype, given.W_enc.dtype), model.device)


def _demand_width(model: Model, given: Dictionary) -> None:
    """**Raises** ``DictionaryError`` unless the places are as wide as the dictionary."""
    seen: dict[Site, int] = {}

    def look(site: Site) -> None:
        def tap(value: torch.Tensor) -> None:
            seen[site] = value.flatten(2).shape[-1]

        taps[site] = tap

    taps: dict = {}
    for site in (given.site_in, given.site_out):
        look(site)
    tokens = torch.zeros(1, 2, dtype=torch.long, device=model.device)
    with undisturbed(model.module), torch.no_grad():
        forward(model.module, model.anatomy, Batch(tokens=tokens), taps=taps)
    for site, width in ((given.site_in, given.d_in), (given.site_out, given.d_out)):
        if seen[site] != width:
            raise DictionaryError(
                f"The dictionary is {width} wide at {site.name}, and {model.name} {seen[site]}: it "
                f"was made for {given.model or 'another model'}.",
                found=(f"width {seen[site]}",),
                expected=(f"width {width}",),
            )
