"""Reading and writing the stream as one sublayer alone sees it, in front of its norm.

The stream itself goes on unchanged, so what is written there reaches the rest of the model only
through that sublayer. Where attention and MLP share a norm (GPT-J, Phi), the MLP gets the norm of
what is written, computed once more for it.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from pellucid.errors import EditError
from pellucid.model.anatomy import Attention, Block, Mlp
from pellucid.model.running.hooks import Hook, hook_before


def reading_hooks(
    name: str, block: Block, part: Attention | Mlp, tap: Callable[[Tensor], Tensor | None]
) -> list[Hook]:
    """Hooks that show ``tap`` what ``part`` reads, ``[row pos d_model]``.

    **Raises** ``EditError`` when nothing separates this input from others.
    """
    if not part.reads_stream:
        raise EditError(
            f"{name}: what this sublayer reads is neither the residual stream nor a norm of it, so "
            "it cannot be given another stream. Use resid_pre, or what it writes."
        )
    shape: list[Any] = []

    def note_shape(module: nn.Module, args: tuple, kwargs: dict) -> None:
        shape[:] = [given_to(args, kwargs)[1].shape]

    def replace_input(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        key, given = given_to(args, kwargs)
        new = tap(given.reshape(shape[0]))
        return None if new is None else with_input(args, kwargs, key, new.reshape(given.shape))

    noting = hook_before(block.module, note_shape)
    norms = [p.norm for p in (block.attention, block.mlp) if p is not None and p.norm is not None]
    if part.norm is not None and norms.count(part.norm) == 1:
        return [noting, hook_before(part.norm, replace_input)]
    if part.module is block.module:
        raise EditError(f"{name}: its layers lie in the block itself and share what they read.")
    if part.norm is None:
        return [noting, hook_before(part.module, replace_input)]
    return [noting, *_behind_shared_norm(part.norm, part.module, tap)]


def _behind_shared_norm(
    norm: nn.Module, module: nn.Module, tap: Callable[[Tensor], Tensor | None]
) -> list[Hook]:
    stream: list[Tensor] = []

    def note_stream(module: nn.Module, args: tuple, kwargs: dict) -> None:
        stream[:] = [given_to(args, kwargs)[1]]

    def replace_input(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        key, given = given_to(args, kwargs)
        new = tap(stream[0])
        if new is None:
            return None
        # The norm's own forward: its hooks are for the call that both sublayers share.
        return with_input(args, kwargs, key, norm.forward(new).reshape(given.shape))

    return [hook_before(norm, note_stream), hook_before(module, replace_input)]


def given_to(args: tuple, kwargs: dict) -> tuple[str | None, Tensor]:
    """The tensor that a module was called with, and its keyword if it came by one."""
    if args:
        return None, args[0]
    key = "hidden_states" if "hidden_states" in kwargs else next(iter(kwargs))
    return key, kwargs[key]


def with_input(args: tuple, kwargs: dict, key: str | None, new: Tensor) -> tuple[tuple, dict]:
    """Arguments of the call with ``new`` in the place of the tensor that it read."""
    return ((new, *args[1:]), kwargs) if key is None else (args, {**kwargs, key: new})
