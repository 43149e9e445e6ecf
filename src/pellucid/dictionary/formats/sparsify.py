"""sparsify: ``cfg.json`` and ``sae.safetensors`` in a folder called after the module; topk.

``encoder.weight [latent d]``, ``encoder.bias``, ``W_dec [latent d]``, ``b_dec``, ``W_skip [d_out
d_in]``. An autoencoder subtracts ``b_dec`` first, a transcoder does not.
"""

import re

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.errors import DictionaryError


def _fits(content: Content) -> bool:
    return content.has("encoder.weight", "W_dec") and content.ending == ".safetensors"


def _read(content: Content) -> Dictionary:
    cfg = content.settings("cfg.json")
    if not isinstance(cfg.get("k"), int) or cfg.get("activation", "topk") != "topk":
        raise DictionaryError(
            "cfg.json should say k, and activation 'topk' or none. It says "
            f"k={cfg.get('k')!r}, activation={cfg.get('activation')!r}."
        )
    W_dec = content.tensor("W_dec")
    transcodes = bool(cfg.get("transcode", False))
    hook, out = _hooks(content, transcodes)
    bias = content.maybe("encoder.bias")
    return Dictionary(
        W_enc=content.tensor("encoder.weight", turned=True),
        W_dec=W_dec,
        b_enc=W_dec.new_zeros(len(W_dec)) if bias is None else bias,
        b_dec=content.tensor("b_dec"),
        W_skip=content.maybe("W_skip", turned=True),
        activation="topk",
        k=cfg["k"],
        centred=not transcodes,
        **(places(content, hook, out) if transcodes else places(content, hook)),
        model=str(content.settings("config.json").get("model") or ""),
    )


def _hooks(content: Content, transcodes: bool) -> tuple[str, str]:
    """The places from the folder's name: ``layers.5``, ``layers.5.mlp``, ``h.5.attn``."""
    name = content.folder.name
    found = re.search(r"(?:layers|h|blocks)[._](\d+)(?:\.(\w+))?$", name)
    if found is None:
        return ("hook_embed" if name.startswith("embed") else "", "")
    at, part = f"blocks.{found[1]}", found[2] or ""
    if transcodes:
        return f"{at}.mlp.hook_in", f"{at}.hook_mlp_out"
    place = {"mlp": "hook_mlp_out"}.get(part, "hook_attn_out" if "attn" in part else "")
    return f"{at}.{place or 'hook_resid_post'}", ""


LAYOUT = Layout(
    "sparsify", "encoder.weight and W_dec in sae.safetensors, with k in cfg.json (sparsify)",
    _fits, _read,
)  # fmt: skip
