"""Questions about two prompts: the circuit between them, and values of one put into the other."""

from typing import Any

import torch
from torch import Tensor

from pellucid.analysis.analyze import analyze
from pellucid.analysis.forwards import most_forwards
from pellucid.analysis.options import AnalysisOptions
from pellucid.analysis.question import forwards_to_judge
from pellucid.app.jobs import FieldError
from pellucid.app.replies import blaming, one_token_pair, read_next, standing
from pellucid.app.requests import Asked
from pellucid.attribution.patch import patch
from pellucid.circuit.nodes.circuit import resolve_nodes
from pellucid.errors import PellucidError
from pellucid.lens.labels import token_labels
from pellucid.lens.residual.logit_lens import logit_lens
from pellucid.model.model import Model
from pellucid.model.sites import Site, site_of
from pellucid.report.document import document
from pellucid.run.prompts import prompt_tokens
from pellucid.task.contrast import Contrast

"""Random sets of each kind that are measured beside a circuit."""
_COLUMNS = 24
"""Positions at which the stream is patched, the last ones from where the prompts part."""


def _circuit(model: Model, asked: Asked) -> dict[str, Any]:
    """The circuit behind the answer, measured beside random sets.

    **Cost** at most ``circuit_takes`` forwards.
    """
    answer, foil = one_token_pair(model, asked)
    with blaming("corrupted"):
        found = analyze(
            model,
            prompt=asked.prompt,
            answer=answer,
            foil=foil,
            corrupted=asked.corrupted or None,
            **_options(asked).changed,
        )
    return document(found)


def circuit_takes(model: Model, asked: Asked) -> int:
    """How many forwards ``circuit`` takes at most; 0 for a question that cannot be asked."""
    judged = 0
    if not asked.corrupted:
        try:
            judged = forwards_to_judge(model, asked.prompt, asked.answer, asked.foil)
        except PellucidError:
            return 0
    return most_forwards(model, _options(asked), judged=judged)


def _options(asked: Asked) -> AnalysisOptions:
    return AnalysisOptions(seed=asked.seed)


def both(model: Model, asked: Asked) -> dict[str, Any]:
    """Both prompts as tokens, and what the model says behind each.

    **Cost** 2 forwards.
    """
    contrast, pair = contrast_of(model, asked)
    found = {}
    for name, prompt in (("clean", contrast.clean), ("corrupted", contrast.corrupted)):
        tokens = prompt_tokens(model, prompt)
        found[name] = {
            "tokens": token_labels(model.tokenizer, tokens[0].tolist()),
            **standing(model, read_next(model, tokens, {}), pair),
        }
    return found


def lenses(model: Model, asked: Asked) -> dict[str, Any]:
    """Both prompts through the logit lens at the last position, and from where on they part.

    **Cost** 2 forwards, and 2 for each sublayer, of its reading only.
    """
    contrast, pair = contrast_of(model, asked)
    found = logit_lens(
        model, contrast.clean, against=contrast.corrupted, targets=pair, positions=-1
    )
    parted = {by: found.parting(by)[-1] for by in ("kl", "difference")}
    return {
        "lens": document(found),
        "parted": {by: point.name if point else None for by, point in parted.items()},
    }


def patched_everywhere(model: Model, asked: Asked) -> dict[str, Any]:
    """The effect of each patch: the stream at each layer and position, or each head.

    **Cost** 2 forwards, 1 backward, and 1 forward for each patch.
    """
    contrast, _ = contrast_of(model, asked)
    return document(
        patch(
            model,
            contrast,
            direction=asked.direction,
            sites=asked.sites,
            positions=_columns(contrast) if asked.sites == "resid" else "all",
        )
    )


def patched_here(model: Model, asked: Asked) -> dict[str, Any]:
    """What the model says with one patch: of the nodes given, or of the stream at one place.

    **Cost** 3 forwards.
    """
    contrast, pair = contrast_of(model, asked)
    prompts = [prompt_tokens(model, p) for p in (contrast.clean, contrast.corrupted)]
    base, source = prompts if asked.direction == "noising" else prompts[::-1]
    site, head = _place(model, asked, base.shape[1])
    kept: list[Tensor] = []

    def keep(value: Tensor) -> Tensor:
        kept.append(value.clone())
        return value

    def put(value: Tensor) -> Tensor:
        new = value.clone()
        if head is not None:
            new[:, :, head] = kept[0][:, :, head]
        elif asked.nodes:
            new = kept[0]
        else:
            new[:, asked.position] = kept[0][:, asked.position]
        return new

    from_source = read_next(model, source, {site: keep})
    return {
        "source": standing(model, from_source, pair),
        "base": standing(model, read_next(model, base, {}), pair),
        "patched": standing(model, read_next(model, base, {site: put}), pair),
    }


def patches(model: Model, asked: Asked) -> int:
    """How many forwards ``patched_everywhere`` takes at most."""
    if asked.sites == "heads":
        return 2 + sum(node.kind == "head" for node in model.nodes)
    return 2 + model.anatomy.n_layers * _COLUMNS


def contrast_of(model: Model, asked: Asked) -> tuple[Contrast, tuple[int, int]]:
    """The contrast, of ids, with answer and foil of one token each."""
    pair = one_token_pair(model, asked)
    with blaming("prompt"):
        clean = prompt_tokens(model, asked.prompt)
    with blaming("corrupted"):
        corrupted = prompt_tokens(model, asked.corrupted)
        contrast = Contrast(clean[0].tolist(), corrupted[0].tolist(), *pair)
        contrast.resolve(
            model.tokenizer,
            max_positions=model.max_positions,
            vocab_size=model.anatomy.d_vocab,
        )
    return contrast, pair


def _columns(contrast: Contrast) -> tuple[int, ...]:
    """Positions from where the prompts part; before it a patch changes nothing."""
    clean, corrupted = torch.tensor(contrast.clean), torch.tensor(contrast.corrupted)
    first = int((clean != corrupted).nonzero()[0])
    return tuple(range(max(first, len(clean) - _COLUMNS), len(clean)))


def _place(model: Model, asked: Asked, length: int) -> tuple[Site, int | None]:
    if asked.nodes:
        with blaming("nodes"):
            nodes = resolve_nodes(model, asked.nodes)
        if len(nodes) != 1 or nodes[0].kind == "embed":
            raise FieldError("nodes", "Patch one head or MLP at a time.")
        return site_of(nodes[0]), nodes[0].head
    if asked.layer >= model.anatomy.n_layers:
        raise FieldError("layer", f"Layers go from 0 to {model.anatomy.n_layers - 1}.")
    if asked.position >= length:
        raise FieldError("position", f"Positions go from 0 to {length - 1}.")
    return Site("resid_pre", asked.layer), None
