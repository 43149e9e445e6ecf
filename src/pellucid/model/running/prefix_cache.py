"""Keys and values of a prefix, so that positions before the first difference run only once."""

import copy
from typing import Any

from pellucid.model.running.forward import Past


def first_positions(cache: Any, rows: int, length: int, total: int) -> Past | None:
    """The first ``length`` positions of the first ``rows`` of a cache that holds ``total``.

    None when a layer has dropped positions (a sliding window shorter than the prompt) or keeps
    something other than keys and values: then the prefix has to be run again.
    """
    layers = getattr(cache, "layers", None)
    if length <= 0 or not layers:
        return None
    for layer in layers:
        keys = getattr(layer, "keys", None)
        if keys is None or keys.ndim != 4 or keys.shape[2] != total:
            return None
    kept = copy.copy(cache)
    kept.layers = [copy.copy(layer) for layer in layers]
    for layer in kept.layers:
        layer.keys = layer.keys[:rows, :, :length].detach()
        layer.values = layer.values[:rows, :, :length].detach()
        if hasattr(layer, "cumulative_length"):  # sliding windows count what they have seen
            layer.cumulative_length = length
    return Past(kept, length)


def repeat_past(past: Past, times: int) -> Past:
    """A copy of the cache for ``times`` variants of its rows, variant-major."""
    cache = copy.copy(past.cache)
    cache.layers = [copy.copy(layer) for layer in past.cache.layers]
    for layer in cache.layers:
        layer.keys = layer.keys.repeat(times, 1, 1, 1)
        layer.values = layer.values.repeat(times, 1, 1, 1)
    return Past(cache, past.length)
