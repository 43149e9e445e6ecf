"""A tiny transformer written out slot by slot: each slot reads its own sum of terms.

``weights[u, slot]`` says how much of node u's own term the slot reads, the rest being its
replacement: 0 cuts an edge, and the derivative at 1 is the edge's first-order score.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pellucid import Contrast, Model
from pellucid.model.tiny import TinyTransformer


def metric_by_hand(
    model: Model,
    module: TinyTransformer,
    pair: Contrast,
    weights: Tensor,
    passing: Callable[[Tensor, int], Tensor] = lambda term, layer: term,
    held: dict[str, Tensor] | None = None,
) -> Tensor:
    """Logit difference on the clean prompt, with corrupted terms where ``weights`` are below 1.

    ``passing`` is what becomes of each term of a layer. With ``held`` (an empty dictionary) norms'
    scales, patterns and activations are those that this very call finds first; calls with the same
    dictionary keep them.
    """
    slots = {slot.name: j for j, slot in enumerate(model.slots)}
    same = torch.ones_like(weights)
    ends = _run(module, pair.corrupted, None, slots, same, lambda term, layer: term, None)[1]
    if held == {}:
        _run(module, pair.clean, ends, slots, same, passing, held)
    logits, _ = _run(module, pair.clean, ends, slots, weights, passing, held)
    return logits[0, -1, pair.answer] - logits[0, -1, pair.foil]


def _run(module, prompt, replaced, slots, weights, passing, held):
    """Logits, and every node's term."""
    tokens = torch.tensor([list(prompt)])
    terms = [module.embed(tokens) + module.position(torch.arange(tokens.shape[1]))]

    def hold(name: str, value: Tensor) -> Tensor:
        return value if held is None else held.setdefault(name, value.detach())

    def read(name: str, count: int) -> Tensor:
        own = weights[:count, slots[name]]
        ends = terms if replaced is None else replaced
        return sum(ends[i].lerp(terms[i], own[i]) for i in range(count))

    def norm(name: str, layer_norm, stream: Tensor) -> Tensor:
        if held is None:
            return layer_norm(stream)
        if isinstance(layer_norm, torch.nn.Identity):
            return stream
        centred = stream
        if isinstance(layer_norm, torch.nn.LayerNorm):
            centred = stream - stream.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + layer_norm.eps).sqrt()
        shift = getattr(layer_norm, "bias", None)
        normed = centred / hold(name, scale) * layer_norm.weight
        return normed if shift is None else normed + shift

    def mlp(name: str, part, normed: Tensor) -> Tensor:
        if held is None:
            return part(normed)
        x = part.up_proj(normed)
        return part.down_proj(x * hold(name, part.act(x) / x))

    mask = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril()
    for layer, block in enumerate(module.layers):
        a, before = block.attention, len(terms)
        size, group = a.head_dim, a.num_heads // a.num_key_value_heads
        found = []
        for head in range(a.num_heads):
            kv = head // group
            rows, shared = slice(head * size, (head + 1) * size), slice(kv * size, (kv + 1) * size)
            names = (f"L{layer}H{head}.q", f"L{layer}KV{kv}.k", f"L{layer}KV{kv}.v")
            q, k, v = (
                norm(f"A{layer}", block.attention_norm, read(name, before)) @ weight[at].T
                for name, weight, at in zip(
                    names,
                    (a.q_proj.weight, a.k_proj.weight, a.v_proj.weight),
                    (rows, shared, shared),
                    strict=True,
                )
            )
            scores = (q @ k.mT / size**0.5).masked_fill(~mask, -torch.inf)
            pattern = hold(f"L{layer}H{head}", scores.softmax(-1))
            found.append(pattern @ v @ a.o_proj.weight[:, rows].T)
        if not block.parallel:
            terms += [passing(term, layer) for term in found]
            found = []
        if block.mlp is not None:
            count = before if block.parallel else len(terms)
            stream = norm(f"N{layer}", block.mlp_norm, read(f"M{layer}", count))
            found.append(mlp(f"M{layer}", block.mlp, stream))
        terms += [passing(term, layer) for term in found]
    last = norm("final", module.norm, read("logits", len(terms)))
    return module.lm_head(last), terms
