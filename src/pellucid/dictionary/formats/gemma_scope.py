"""Gemma Scope (``params.npz``) and Gemma Scope 2 (``params.safetensors``): jumprelu.

``w_enc [d_in latent]``, ``w_dec [latent d_out]``, ``b_enc``, ``b_dec``, ``threshold``, and
``affine_skip_connection [d_in d_out]``; the first version in capitals. The place is said by the
path: ``layer_12/width_16k``, ``resid_post/layer_12_width_16k``, ``transcoder/layer_3``. A
cross-layer one has ``w_dec [latent layer d_out]``.
"""

import re

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.errors import DictionaryError

_NEEDED = ("w_enc", "w_dec", "b_enc", "b_dec", "threshold")


def _names(content: Content) -> dict[str, str]:
    return {name.lower(): name for name in content.shapes}


def _fits(content: Content) -> bool:
    lower = content.ending == ".npz" or content.has("w_enc")
    return lower and set(_NEEDED) <= set(_names(content))


def _read(content: Content) -> Dictionary:
    names = _names(content)
    w_enc, w_dec, b_enc, b_dec, threshold = (content.tensor(names[name]) for name in _NEEDED)
    hook, *out = _hooks(content, w_dec.ndim == 3)
    if w_dec.ndim == 3:
        first = int(out[0].split(".")[1])
        w_dec = w_dec[:, first:].contiguous()
        out = [f"blocks.{layer}.hook_mlp_out" for layer in range(first, first + w_dec.shape[1])]
    return Dictionary(
        W_enc=w_enc,
        W_dec=w_dec,
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=threshold,
        W_skip=content.maybe("affine_skip_connection"),
        activation="jumprelu",
        **places(content, hook, *out),
        model=_model(content),
    )


def _hooks(content: Content, cross_layer: bool) -> list[str]:
    """The place that is read and, of a transcoder, that is written."""
    path = "/".join(content.files[0].parts[-5:])
    layer = content.layer
    if layer is None:
        if (asked := content.asked.get("hook_name")) and not cross_layer:
            return [asked]
        raise DictionaryError(
            f"{content.files[0]}: the path does not say which layer it is of, as layer_12/ does. "
            "Give hook_name=, or the folder as it was published."
        )
    second = content.ending == ".safetensors"
    if cross_layer or re.search("transcoder|clt", path):
        normed = "ln2.hook_normalized" if not second else "hook_mlp_in"
        return [f"blocks.{layer}.{normed}", f"blocks.{layer}.hook_mlp_out"]
    if re.search(r"att", path):
        return [f"blocks.{layer}.attn.hook_z"]
    place = "hook_mlp_out" if "mlp" in path else "hook_resid_post"
    return [f"blocks.{layer}.{place}"]


def _model(content: Content) -> str:
    found = str(content.settings("config.json").get("model_name") or "")
    if found:
        return found
    named = re.search(r"gemma-scope-(2b|9b|27b)", str(content.files[0]))
    return f"gemma-2-{named[1]}" if named else ""


LAYOUT = Layout(
    "gemma-scope",
    "w_enc, w_dec, b_enc, b_dec, threshold in .npz or .safetensors (Gemma Scope 1 and 2)",
    _fits,
    _read,
)
