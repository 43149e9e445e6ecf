"""Whether gradients pass through every layer that holds weights.

Kernels made for inference return numbers without a gradient: the stream carries the gradient around
such a layer, so that nothing fails, and every estimate is silently one of another model.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy
from pellucid.model.detection.probe import first_tensor
from pellucid.model.running.changes import Changed
from pellucid.model.running.forward import Batch, forward
from pellucid.model.running.hooks import Hook, hook_after
from pellucid.model.sites import Site


def check_gradients(module: nn.Module, anatomy: Anatomy, tokens: Tensor) -> None:
    """Every module with weights whose input has a gradient returns something that has one.

    Those that the model calls where it has turned gradients off itself are left out.

    **Assumes** that forwards without gradients were run before, as a user's would have been.
    **Cost** one forward.
    **Raises** ``UnsupportedArchitectureError`` naming the first module that does not.
    """
    cut: list[str] = []
    leaf = {Site("resid_pre", 0): lambda value: value.detach().requires_grad_()}
    with Changed(_watching(module, cut)), torch.enable_grad():
        forward(module, anatomy, Batch(tokens=tokens), taps=leaf)
    if cut:
        kind = type(module.get_submodule(cut[0])).__name__
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}: {cut[0]} ({kind}) returns numbers without a gradient"
            f"{f', and so do {len(cut) - 1} others' if len(cut) > 1 else ''}. Estimates by "
            "gradient would be those of another model, without a word. Use layers that can be "
            "trained through: no .detach(), no torch.no_grad(), no kernel for inference alone."
        )


def _watching(module: nn.Module, cut: list[str]) -> Iterator[Hook]:
    for name, part in module.named_modules():
        if name and next(part.parameters(), None) is not None:
            yield _hook(name, part, cut)


def _hook(name: str, part: nn.Module, cut: list[str]) -> Hook:
    def after(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if not torch.is_grad_enabled():  # what chooses only, as an index of sparse attention does
            return
        given = first_tensor((*args, *kwargs.values()))
        made = first_tensor(output)
        reached = given is not None and given.requires_grad
        if reached and made is not None and not made.requires_grad:
            cut.append(name)

    return hook_after(part, after)
