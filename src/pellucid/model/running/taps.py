"""Reading and writing tensors while the model runs, with plain PyTorch hooks.

A tap is a function of the site's tensor in its canonical shape (see ``Site``). Returning ``None``
leaves the model alone; returning a tensor puts it there. Every hook is removed on leaving,
whatever happened inside (``changes.py``).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pellucid.errors import EditError
from pellucid.model.anatomy import Anatomy, Attention, Mlp, Projection, Write
from pellucid.model.latents import DICTIONARY_SITES, demand_dictionary, writing
from pellucid.model.running.changes import Changed
from pellucid.model.running.experts import experts_hook, router_hook
from pellucid.model.running.hooks import Hook, hook_after, hook_before
from pellucid.model.running.pattern import tapped_patterns
from pellucid.model.running.sublayer_inputs import reading_hooks
from pellucid.model.sites import IN_MLP, Site

Tap: TypeAlias = Callable[[Tensor], Tensor | None]
Taps: TypeAlias = Mapping[Site, Tap]


@contextmanager
def tapped(model: nn.Module, anatomy: Anatomy, taps: Taps) -> Iterator[None]:
    """Run ``taps`` during every forward inside the block; nothing is left behind.

    **Raises** ``EditError`` when a site is not there in this model.
    """
    patterns = {site: tap for site, tap in taps.items() if site.kind == "pattern"}
    hooks = [
        hook
        for site, tap in taps.items()
        if site.kind not in ("pattern", *DICTIONARY_SITES)
        for hook in _hooks(anatomy, site, tap)
    ]
    hooks += _dictionary_hooks(anatomy, taps)
    with Changed(hooks):
        if patterns:
            with tapped_patterns(model, anatomy, patterns):
                yield
        else:
            yield


def _dictionary_hooks(anatomy: Anatomy, taps: Taps) -> list[Hook]:
    """Hooks at the places of dictionaries, for taps of their latents and errors."""
    by_layer: dict[int, dict[str, Tap]] = {}
    for site, tap in taps.items():
        if site.kind in DICTIONARY_SITES:
            by_layer.setdefault(site.layer, {})[site.kind] = tap
    hooks: list[Hook] = []
    for layer, given in by_layer.items():
        name = Site("latents", layer).name
        if not 0 <= layer < anatomy.n_layers:
            raise EditError(f"{name}: the model has layers 0 to {anatomy.n_layers - 1}.")
        dictionary = demand_dictionary(anatomy.blocks[layer].dictionary, name)
        read: list[Tensor] = []
        if dictionary.site_in == dictionary.site_out:
            hooks += _hooks(anatomy, dictionary.site_out, writing(dictionary, given, None))
            continue

        def note(value: Tensor, read: list[Tensor] = read) -> None:
            read[:] = [value.flatten(2)]

        hooks += _hooks(anatomy, dictionary.site_in, note)
        tap = writing(dictionary, given, lambda read=read: read[0])  # type: ignore[misc]
        hooks += _hooks(anatomy, dictionary.site_out, tap)
    return hooks


def _hooks(anatomy: Anatomy, site: Site, tap: Tap) -> list[Hook]:
    if site.kind == "resid_pre":
        return [_stream_hook(anatomy, site.layer, tap)]
    if not 0 <= site.layer < anatomy.n_layers:
        raise EditError(f"{site.name}: the model has layers 0 to {anatomy.n_layers - 1}.")
    block = anatomy.blocks[site.layer]
    part = block.mlp if site.kind in IN_MLP else block.attention
    if part is None:
        raise EditError(f"{site.name}: layer {site.layer} has no such sublayer.")
    if site.kind in ("attn_in", "mlp_in"):
        return reading_hooks(site.name, block, part, tap)
    if isinstance(part, Mlp):
        if site.kind == "mlp_out":
            return _write_hooks(part.writes, block.module, tap)
        if site.kind != "neurons":
            return _experts_hooks(site, part, block.module, tap)
        if part.neurons is None:
            raise EditError(
                f"{site.name}: this MLP has no single down-projection (a mixture of experts, say); "
                "it is one node without neurons. Use mlp_out, or its experts, instead."
            )
        return _input_hooks(part.neurons, block.module, tap)
    if site.kind == "attn_out":
        return _write_hooks((part.write,), block.module, tap)
    if site.kind == "z":
        return _input_hooks(part.out_proj, block.module, tap, part.n_heads)
    return [_projection_hook(projection(part, site), tap)]


def _experts_hooks(site: Site, mlp: Mlp, block: nn.Module, tap: Tap) -> list[Hook]:
    if mlp.experts is None:
        raise EditError(
            f"{site.name}: this MLP is no mixture of experts that can be told apart. Use mlp_out, "
            "or neurons in a dense MLP."
        )
    note_shape, shape = _shape_note()
    made = router_hook if site.kind == "router" else experts_hook
    return [hook_before(block, note_shape), made(mlp.experts, shape, tap)]


def projection(attention: Attention, site: Site) -> Projection:
    """The query, key or value projection that ``site`` names."""
    found = {"q": attention.q, "k": attention.k, "v": attention.v}[site.kind]
    if found is None:
        raise EditError(
            f"{site.name} is not known in this attention: {attention.aside}. Edit z or the pattern "
            "instead."
        )
    return found


def _stream_hook(anatomy: Anatomy, layer: int, tap: Tap) -> Hook:
    if layer == anatomy.n_layers:
        return hook_after(
            anatomy.blocks[-1].module,
            lambda module, args, kwargs, output: with_first(output, tap(first(output))),
        )
    if not 0 <= layer < anatomy.n_layers:
        raise EditError(f"blocks.{layer}.hook_resid_pre: the model has {anatomy.n_layers} layers.")

    def hook(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        given = args[0] if args else kwargs["hidden_states"]
        new = tap(given)
        if new is None:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    return hook_before(anatomy.blocks[layer].module, hook)


def _input_hooks(
    module: nn.Module, block: nn.Module, tap: Tap, heads: int | None = None
) -> list[Hook]:
    """Hooks that show ``tap`` what ``module`` reads as ``[row pos ...]``; OPT flattens the two."""
    note_shape, shape = _shape_note()

    def hook(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        given = args[0]
        parts = [-1] if heads is None else [heads, given.shape[-1] // heads]
        new = tap(given.reshape(*shape[0][:2], *parts))
        return None if new is None else ((new.reshape(given.shape), *args[1:]), kwargs)

    return [hook_before(block, note_shape), hook_before(module, hook)]


def _shape_note() -> tuple[Callable[..., None], list[torch.Size]]:
    """A hook before a block that notes its input's shape, and where the shape is noted."""
    shape: list[torch.Size] = []

    def note_shape(module: nn.Module, args: tuple, kwargs: dict) -> None:
        shape[:] = [(args[0] if args else kwargs["hidden_states"]).shape]

    return note_shape, shape


def _projection_hook(projection: Projection, tap: Tap) -> Hook:
    columns = projection.columns
    in_order = projection.in_order

    def hook(module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor | None:
        if in_order == slice(0, output.shape[-1]):
            whole = tap(output.unflatten(-1, columns.shape))
            return None if whole is None else whole.flatten(-2)
        if in_order is not None:
            new = tap(output[..., in_order].unflatten(-1, columns.shape))
            if new is None:
                return None
            parts = (output[..., : in_order.start], new.flatten(-2), output[..., in_order.stop :])
            return torch.cat([part.to(output.dtype) for part in parts], dim=-1)
        index = columns.to(output.device)
        new = tap(output[..., index])
        if new is None:
            return None
        return output.index_copy(-1, index.flatten(), new.flatten(-2).to(output.dtype))

    return hook_after(projection.module, hook)


def _write_hooks(writes: tuple[Write, ...], block: nn.Module, tap: Tap) -> list[Hook]:
    """Hooks that show ``tap`` the sum of all writes, when the last of them has run."""
    partial: list[Tensor] = []
    note_shape, shape = _shape_note()

    def hook_for(write: Write) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
            raw = first(output)
            term = write.term(raw.reshape(shape[0]))
            if write is writes[0]:
                partial.clear()
            if write is not writes[-1]:
                partial.append(term)
                return None
            others = sum(partial) if partial else None
            new = tap(term if others is None else term + others)
            if new is None:
                return with_first(output, raw.clone())
            new = write.output(new if others is None else new - others)
            # A copy: models that add in place must not change what a tap has seen or given.
            return with_first(output, new.reshape(raw.shape).clone())

        return hook

    return [hook_before(block, note_shape), *(hook_after(w.module, hook_for(w)) for w in writes)]


def first(output: Any) -> Tensor:
    """The tensor of a module's return value, which may be a tuple with extras behind it."""
    return output[0] if isinstance(output, tuple | list) else output


def with_first(output: Any, new: Tensor | None) -> Any:
    """``output`` with its tensor replaced; None, which hooks take as "no change", if no new one."""
    if new is None:
        return None
    return (new, *output[1:]) if isinstance(output, tuple) else new
