"""``read_dictionary``: from a path, a published name or an object, whatever layout it has."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pellucid.dictionary.content import Content, content_of
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats import (
    circuit_tracer,
    dictionary_learning,
    gemma_scope,
    llama_scope,
    qwen_scope,
    saelens,
    sparsify,
)
from pellucid.dictionary.formats.layout import Layout
from pellucid.dictionary.held import held_dictionary
from pellucid.dictionary.published import RELEASES, fetched, release_named
from pellucid.errors import DictionaryError, ResultFileError
from pellucid.results.disk.saved import INDEX
from pellucid.run.provenance import with_provenance

LAYOUTS: tuple[Layout, ...] = (
    saelens.LAYOUT,
    dictionary_learning.LAYOUT,
    llama_scope.LAYOUT,
    sparsify.LAYOUT,
    circuit_tracer.CROSS_LAYER,
    gemma_scope.LAYOUT,
    qwen_scope.LAYOUT,
    circuit_tracer.LAYOUT,
)
"""In the order in which they are tried."""


DAMAGED = (
    KeyError, StopIteration, IndexError, RuntimeError, TypeError, ValueError, AttributeError,
    OverflowError,
)  # fmt: skip
"""What tensors and settings raise that are not what their layout says."""


@with_provenance
def read_dictionary(
    source: str | Path | object,
    *,
    layer: int | None = None,
    hook_name: str | None = None,
    k: int | None = None,
    offline: bool = False,
) -> Dictionary:
    """The dictionary at ``source``, whatever layout its owner has given it.

    ``source`` is a folder or file (SAELens, Gemma Scope 1 and 2, dictionary_learning, Qwen Scope,
    Llama Scope, sparsify, circuit-tracer, or one that Pellucid saved), recognised by its content; a
    published name (``"gpt2-small-res-jb"``, or a model's name for its default, see
    ``pellucid.dictionary.published``) with ``layer``, through the Hugging Face hub, which
    ``offline`` keeps it from asking; or an object with ``encode`` and ``decode``.

    ``layer`` chooses one of several in a folder. ``hook_name`` and ``k`` are for files that do not
    say them, and count before what they say. The weights keep their dtype. A dictionary is read as
    it is saved: one trained with ``batchtopk`` has the threshold of its end.

    Nothing is unpickled: ``.pt`` files are read as tensors alone.

    **Cost** no pass; memory for the weights, and for the largest once more.
    **Raises** ``DictionaryError`` for what is no dictionary: with the names of the tensors that
    were found, and those that were expected.
    """
    if not isinstance(source, str | Path):
        return held_dictionary(source, hook_name=hook_name)
    path = Path(source)
    named = release_named(str(source)) if not os.path.exists(path) else None
    if named is not None:
        path = fetched(*named, layer, offline=offline)
    elif not os.path.exists(path):
        raise DictionaryError(
            f"There is nothing at {source}, and no release is called so. Give a path, or one of "
            f"{', '.join(RELEASES)}."
        )
    if (path / INDEX).is_file():
        return _saved(path)
    asked = {"hook_name": hook_name, "k": k}
    found = _recognised(content_of(path, layer, asked))
    return replace(found, source=str(source))


def _saved(path: Path) -> Dictionary:
    try:
        return Dictionary.load(path)
    except ResultFileError as error:
        raise DictionaryError(str(error)) from error


def _recognised(content: Content) -> Dictionary:
    for layout in LAYOUTS:
        if layout.fits(content):
            try:
                with torch.no_grad():
                    found = layout.read(content)
            except DictionaryError:
                raise
            except DAMAGED as error:
                why = f"It looks like {layout.name}, but {type(error).__name__}: {error!s:.200}"
                raise _not_understood(content, why) from error
            return replace(found, format=layout.name)
    raise _not_understood(content, "That is no layout that is known")


def _not_understood(content: Content, why: str) -> DictionaryError:
    shapes: dict[str, Any] = dict(list(content.shapes.items())[:12])
    there = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    beside = sorted(file.name for file in content.folder.iterdir() if file.is_file())[:8]
    names = ", ".join(file.name for file in content.files)
    known = "; ".join(layout.holds for layout in LAYOUTS)
    return DictionaryError(
        f"{names} holds {there or 'no tensors'}, beside {', '.join(beside)}. {why}. Known are: "
        f"{known}.",
        found=tuple(content.shapes),
        expected=tuple(layout.holds for layout in LAYOUTS),
    )
