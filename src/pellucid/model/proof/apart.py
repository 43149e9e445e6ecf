"""A model is proved apart from the hooks that others have put on it, where it runs without them.

A hook may steer, look at a position by its number, or be there today and gone tomorrow: what is
proved is the model's own arithmetic. Where hooks are part of the model (weights that are gathered
or computed before each forward), it is proved with them. Calls obey hooks (``foreign.py``), and
those that rest on sums of parts ask whether the hooks leave them as they are (``demand_sums``).
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from pellucid.errors import HookError, PellucidError
from pellucid.model.anatomy import Anatomy
from pellucid.model.running.foreign import (
    foreign_hooks,
    may_be_left_out,
    named,
    without_foreign,
)
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.passes import uncounted

T = TypeVar("T")


def proved_apart(module: nn.Module, prove: Callable[[], T]) -> T:
    """What ``prove`` finds of ``module`` without the hooks of others, or else with them.

    **Raises** what ``prove`` raises; ``HookError`` when a hook or a replaced forward does.
    """
    with undisturbed(module), uncounted():
        hooks = foreign_hooks(module)
        if any(map(may_be_left_out, hooks)):
            try:
                with without_foreign(module):
                    return prove()
            except Exception:
                pass  # They may be what makes it run.
        return proved_as_it_is(module, prove)


def proved_as_it_is(module: nn.Module, prove: Callable[[], T]) -> T:
    """What ``prove`` finds of ``module`` with all that others have put on it.

    **Raises** as ``proved_apart``.
    """
    with undisturbed(module), uncounted():
        hooks = foreign_hooks(module)
        try:
            return prove()
        except PellucidError as error:
            raise error.about(f"With {named(hooks)}") if hooks else error from error
        except Exception as error:
            if not hooks:
                raise
            raise HookError(
                f"The model could not be tried on a few tokens with {named(hooks)}: "
                f"{type(error).__name__}: {error}. Take it off, and put it back after opening.",
                hooks=tuple(map(str, hooks)),
            ) from error


def demand_sums(module: nn.Module, anatomy: Anatomy, prompts: Tensor, real: Tensor) -> None:
    """The hooks of others leave what the parts of the model compute on ``prompts [row pos]``.

    Where they do not, sums of parts that were proved without them say nothing.

    **Cost** 2 forwards, uncounted, where there are such hooks.
    **Raises** ``HookError`` naming them.
    """
    hooks = tuple(hook for hook in foreign_hooks(module) if may_be_left_out(hook))
    if not hooks:
        return
    batch = Batch(tokens=prompts.clone(), real=real)
    with undisturbed(module), uncounted(), torch.no_grad():
        found = forward(module, anatomy, batch)
        with without_foreign(module):
            plain = forward(module, anatomy, batch)
    if not torch.equal(found, plain):
        raise HookError(
            f"The logits on these prompts change with {named(hooks)}, so what is read off the "
            "model's weights and sums of parts would not hold. Take it off, or use calls that only "
            "run the model: attribute, patch, faithfulness, discover, run_edited.",
            hooks=tuple(map(str, hooks)),
        )
