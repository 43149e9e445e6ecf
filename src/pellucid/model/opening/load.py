"""Opening a model: from a name, a file, a folder or an object to one checked model.

1. The arguments are checked; nothing large is imported before that.
2. `sources.identify` says what the source is.
3. It becomes a plain transformers model: a name, a file or a folder is read (`named.py`), an object
   is taken as it is (`adopt.py`).
4. Its parameters must be finite (`integrity.py`).
5. The tokenizer is the one that was passed, or the source's own.
6. `Model.build` proves that the model's parts add up.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.arguments import checks_kinds
from pellucid.errors import ModelError
from pellucid.model.opening import placement
from pellucid.model.opening.sources import (
    HeldObject,
    HubName,
    NamedSource,
    Opened,
    Origin,
    Wanted,
    identify,
    identify_name,
)

if TYPE_CHECKING:
    from pellucid.model.model import Model


@checks_kinds
def load(
    source: object = None,
    *,
    dtype: object = None,
    device: object = None,
    revision: str | None = None,
    tokenizer: Any = None,
    offline: bool = False,
) -> "Model":
    """Open a causal language model and check that its parts add up.

    `source` is None or "smollm2-135m" (the embedded model), "gemma3-270m", a .gguf file, a
    (folder, GGUF file) pair, a Hugging Face folder, a folder with a PEFT adapter, a hub name, a
    transformers model, a PeftModel, a TransformerBridge, a HookedTransformer, an nnsight model, or
    a torch module of one's own that has a config, get_output_embeddings() and forward(input_ids).
    `dtype` is float32 and `device` the CPU unless given; a model object keeps its own. `revision`
    is a hub branch, tag or commit. `tokenizer` is an object, or anything that `source` can be by
    name; without it the source's own is used, and where that is missing or unknown the model opens
    without one: questions are then asked in token ids. `offline` keeps to files that are already
    here. What should be known of how a model was opened is in `Model.notes`.

    Assumes: the caller may read the source; no code that comes with a model is run.
    Cost: reading the weights; a GGUF file is converted once (10 s for 135M parameters).

    Raises:
        ModelNotFoundError: nothing is there, or the hub did not answer.
        CorruptModelError: files that are cut short, missing weights, or values that are not finite.
        MissingDependencyError: a package is needed; gives the command.
        UnsupportedArchitectureError: not a causal language model that can be taken apart.
        ModelError: an argument that does not fit.

    Example:
        >>> model = load("smollm2-135m")  # doctest: +SKIP
    """
    opened = resolve(
        source, dtype=dtype, device=device, revision=revision, tokenizer=tokenizer, offline=offline
    )
    from pellucid.model.model import Model

    return Model.build(opened.hf, opened.tokenizer, opened.origin)


def resolve(
    source: object = None,
    *,
    dtype: object = None,
    device: object = None,
    revision: str | None = None,
    tokenizer: Any = None,
    offline: bool = False,
) -> Opened:
    """Return the transformers model, its tokenizer and its origin, as `load` does before checking.

    Raises: as `load`.
    """
    dtype_name = placement.dtype_name(dtype)
    device_name = placement.device_name(device)
    what = identify(source)
    if revision is not None and not isinstance(what, HubName):
        raise ModelError("revision= belongs to a hub name, and this source is not one.")
    tokenizer_source = _checked_tokenizer(tokenizer)
    wanted = Wanted(dtype=dtype_name, device=device_name, revision=revision, offline=offline)
    if isinstance(what, HeldObject):
        opened = _adopted(what, wanted)
    else:
        from pellucid.model.opening import named

        opened = named.open_named(what, wanted, own_tokenizer=tokenizer is None)
    if tokenizer is None:
        return opened
    if tokenizer_source is None:
        return replace(opened, tokenizer=tokenizer)
    from pellucid.model.opening import named

    origin = replace(opened.origin, tokenizer=_text(tokenizer))
    chosen = named.tokenizer_of(tokenizer_source, offline=offline)
    return replace(opened, tokenizer=chosen, origin=origin)


def _text(name: object) -> str:
    """A name, a path or a (folder, file name) pair as one types it."""
    return os.path.join(*map(str, name)) if isinstance(name, tuple) else str(name)


def _adopted(held: HeldObject, wanted: Wanted) -> Opened:
    from pellucid.model.opening.adopt import adopt
    from pellucid.model.opening.integrity import check_finite

    hf, tokenizer = adopt(held.kind, held.model)
    first = next((p for p in hf.parameters() if p.is_floating_point()), None)
    if first is None:
        raise ModelError(f"{type(hf).__name__} has no weights that are floating numbers.")
    found = str(first.dtype).removeprefix("torch."), str(first.device)
    if wanted.dtype not in (None, found[0]) or (
        wanted.device not in (None, found[1], found[1].split(":")[0])
    ):
        raise ModelError(
            f"A model object is taken as it is, and this one is {found[0]} on {found[1]}. "
            "Leave dtype= and device= out, or move it yourself with model.to(...)."
        )
    check_finite(hf)
    name = getattr(hf.config, "name_or_path", "") or type(hf).__name__
    path = name if os.path.isdir(name) else None
    origin = Origin(kind=held.kind, name=Path(name).name if path else name, path=path)
    return Opened(hf=hf, tokenizer=tokenizer, origin=origin)


def _checked_tokenizer(tokenizer: object) -> NamedSource | None:
    """Say where a tokenizer given by name is; None for a tokenizer object or none at all."""
    if isinstance(tokenizer, str | os.PathLike | tuple):
        return identify_name(tokenizer)
    if tokenizer is not None and not (callable(tokenizer) and hasattr(tokenizer, "decode")):
        raise ModelError(
            f"tokenizer is a {type(tokenizer).__name__}, and should be a transformers tokenizer, "
            "a folder or a hub name."
        )
    return None
