"""circuit-tracer: transcoders of every layer, or cross-layer ones; ``config.yaml`` says where.

Per layer ``layer_N.safetensors``: ``W_enc [latent d]``, ``W_dec [latent d]``, ``b_enc``, ``b_dec``,
``activation_function.threshold``, ``W_skip [d_out d_in]``. Cross-layer ``W_enc_N.safetensors``
with ``W_enc_N b_enc_N b_dec_N threshold_N``, and ``W_dec_N.safetensors`` with ``W_dec_N [latent
layer d]`` for the layers from N on.
"""

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.errors import DictionaryError

CONFIG = "config.yaml"
THRESHOLD = "activation_function.threshold"
HOOK_IN, HOOK_OUT = "hook_resid_mid", "hook_mlp_out"
"""Where they are, unless ``config.yaml`` says otherwise."""


def _fits(content: Content) -> bool:
    if content.ending != ".safetensors" or not content.has("W_enc", "W_dec", "b_enc", "b_dec"):
        return False
    return (*content.shapes["b_enc"], content.shapes["W_enc"][1]) == content.shapes["W_enc"]


def _read(content: Content) -> Dictionary:
    layer = _layer(content)
    config = content.settings(CONFIG)
    threshold = content.maybe(THRESHOLD)
    return Dictionary(
        W_enc=content.tensor("W_enc", turned=True),
        W_dec=content.tensor("W_dec"),
        b_enc=content.tensor("b_enc"),
        b_dec=content.tensor("b_dec"),
        threshold=None if threshold is None else threshold.flatten(),
        W_skip=content.maybe("W_skip", turned=True),
        activation="relu" if threshold is None else "jumprelu",
        **places(content, hook(layer, config, "in"), hook(layer, config, "out")),
        model=str(config.get("model_name") or ""),
    )


def _fits_cross_layer(content: Content) -> bool:
    layer = content.layer
    return layer is not None and content.has(f"W_enc_{layer}", f"b_enc_{layer}")


def _read_cross_layer(content: Content) -> Dictionary:
    layer = _layer(content)
    if not content.has(f"W_dec_{layer}"):
        raise DictionaryError(
            f"{content.folder} lacks W_dec_{layer}.safetensors. Give the folder, with both files, "
            f"and layer={layer}."
        )
    config = content.settings(CONFIG)
    threshold = content.maybe(f"threshold_{layer}")
    W_dec = content.tensor(f"W_dec_{layer}")
    outs = [hook(layer + i, config, "out") for i in range(W_dec.shape[1])]
    return Dictionary(
        W_enc=content.tensor(f"W_enc_{layer}", turned=True),
        W_dec=W_dec,
        b_enc=content.tensor(f"b_enc_{layer}"),
        b_dec=content.tensor(f"b_dec_{layer}"),
        threshold=None if threshold is None else threshold.flatten(),
        activation="relu" if threshold is None else "jumprelu",
        **places(content, hook(layer, config, "in"), *outs),
        model=str(config.get("model_name") or ""),
    )


def hook(layer: int, config: dict[str, object], side: str) -> str:
    """The name of the place that layer's transcoder reads (``in``) or writes (``out``)."""
    usual = HOOK_IN if side == "in" else HOOK_OUT
    return f"blocks.{layer}.{config.get(f'feature_{side}put_hook', usual)}"


def _layer(content: Content) -> int:
    if content.layer is None:
        raise DictionaryError(
            f"{content.files[0]}: its name does not say which layer it is of, as layer_12 does. "
            "Rename it."
        )
    return content.layer


LAYOUT = Layout(
    "circuit-tracer",
    "W_enc [latent d], W_dec [latent d], b_enc, b_dec in layer_N.safetensors (circuit-tracer)",
    _fits,
    _read,
)
CROSS_LAYER = Layout(
    "circuit-tracer cross-layer",
    "W_enc_N, b_enc_N, b_dec_N and W_dec_N in two files per layer (circuit-tracer, cross-layer)",
    _fits_cross_layer,
    _read_cross_layer,
)
