"""Plain torch modules: a model of somebody's own, taken as it is once it says what it is.

A transformers model carries a configuration and knows its unembedding. Of any other module four
things are asked, and each that is missing is named.
"""

import inspect
from typing import Any

from pellucid.errors import UnsupportedArchitectureError

_COUNTS = ("num_hidden_layers", "num_attention_heads", "vocab_size")


def taken(model: Any) -> Any:
    """``model``, a plain module, if it holds what is read of one.

    **Raises** ``UnsupportedArchitectureError`` naming everything that is missing.
    """
    missing = [told for told in (_sizes(model), _call(model), _head(model)) if told]
    if not missing:
        return model
    name = type(model).__name__
    raise UnsupportedArchitectureError(
        f"{name} is a plain torch module, which can be opened when it says what it is: "
        f"{'; '.join(missing)}. Its layers must lie in one nn.ModuleList, as many as "
        "num_hidden_layers says. Add these to the module, or pass a transformers model."
    )


def _sizes(model: Any) -> str | None:
    config = getattr(model, "config", None)
    lacking = [name for name in _COUNTS if not isinstance(getattr(config, name, None), int)]
    if not lacking:
        return None
    what = "config lacks" if config is not None else "it has no config; one holds, as attributes,"
    return f"{what} {', '.join(lacking)} (a types.SimpleNamespace will do)"


def _call(model: Any) -> str | None:
    try:
        taken = inspect.signature(model.forward).parameters
    except (TypeError, ValueError):  # compiled by torch.jit, say
        return "its forward tells no parameters, as a scripted module's"
    if "input_ids" in taken:
        return None
    return (
        f"its forward takes {', '.join(taken) or 'nothing'}; its token ids must be called "
        "input_ids, and it returns logits, or an object that has .logits"
    )


def _head(model: Any) -> str | None:
    if callable(getattr(model, "get_output_embeddings", None)):
        return None
    return "it has no get_output_embeddings(), which returns the layer that makes the logits"
