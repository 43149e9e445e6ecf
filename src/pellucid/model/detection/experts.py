"""The experts of a mixture: one module that holds them all, called with who runs and how much.

transformers' models keep the weights of all experts in one module. It is taken for what it says it
is only where the sum of experts run one by one is what it returned.
"""

import inspect
from collections.abc import Collection

import torch
from torch import Tensor, nn

from pellucid.model.anatomy import Experts
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.running.changes import Changed
from pellucid.model.running.experts import CALLED_WITH, by_expert, given
from pellucid.model.running.forward import parameters_of
from pellucid.model.running.hooks import hook_after


def find_experts(parts: Collection[nn.Module]) -> Experts | None:
    """The one module among ``parts`` that is called as one of all experts is."""
    found = []
    for part in parts:
        count = getattr(part, "num_experts", None)
        asked = tuple(inspect.signature(part.forward).parameters)[: len(CALLED_WITH)]
        if isinstance(count, int) and asked == CALLED_WITH:
            found.append(Experts(part, count))
    return found[0] if len(found) == 1 else None


def adding_up(
    model: nn.Module, layers: dict[int, Experts | None], tokens: Tensor
) -> dict[int, Experts | None]:
    """``layers`` with those set aside whose experts, one by one, are not what they are together.

    **Cost** one forward where there are any.
    """
    there = {layer: experts for layer, experts in layers.items() if experts is not None}
    if not there:
        return layers
    errors: dict[int, float] = {}

    def hook_for(layer: int, experts: Experts):  # type: ignore[no-untyped-def]
        def after(module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> None:
            called = given(args, kwargs)
            if any(tensor.ndim != 2 for tensor in called):
                return
            total = by_expert(experts, *called).double().sum(1)
            far = (total - output.double()).norm() / output.double().norm().clamp_min(1e-30)
            errors[layer] = float(far) / TOLERANCE.get(output.dtype, 1e-4)

        return hook_after(experts.module, after)

    cacheless = {"use_cache": False} if "use_cache" in parameters_of(model) else {}
    with Changed(hook_for(*one) for one in there.items()), torch.no_grad():
        model(input_ids=tokens.clone(), **cacheless)
    return {
        layer: experts if errors.get(layer, torch.inf) <= 1 else None
        for layer, experts in layers.items()
    }
