"""Qwen Scope: ``layerN.sae.pt`` with ``W_enc [latent d]`` and ``W_dec [d latent]``; topk.

How many latents are active stands only in the name of the repository, ``...-W32K-L0_50``.
"""

import re

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.errors import DictionaryError


def _fits(content: Content) -> bool:
    if content.ending != ".pt" or not content.has("W_enc", "W_dec", "b_enc", "b_dec"):
        return False
    return (*content.shapes["b_enc"], *content.shapes["b_dec"]) == content.shapes["W_enc"]


def _read(content: Content) -> Dictionary:
    path = content.files[0]
    named = re.search(r"L0[_-](\d+)", str(path))
    k = content.asked.get("k") or (int(named[1]) if named else None)
    if k is None:
        raise DictionaryError(
            f"{path}: how many latents are active stands in the name of the repository, as L0_50 "
            "in SAE-Res-Qwen3-1.7B-Base-W32K-L0_50, and not in this path. Give k=."
        )
    model = re.search(r"SAE-Res-(.+?)-W\d+K", str(path))
    return Dictionary(
        W_enc=content.tensor("W_enc", turned=True),
        W_dec=content.tensor("W_dec", turned=True),
        b_enc=content.tensor("b_enc"),
        b_dec=content.tensor("b_dec"),
        activation="topk",
        k=int(k),
        **places(content, "" if content.layer is None else _post(content.layer)),
        model=f"Qwen/{model[1]}" if model else "",
    )


def _post(layer: int) -> str:
    return f"blocks.{layer}.hook_resid_post"


LAYOUT = Layout(
    "qwen_scope", "W_enc [latent d], W_dec [d latent] in layerN.sae.pt (Qwen Scope)", _fits, _read
)
