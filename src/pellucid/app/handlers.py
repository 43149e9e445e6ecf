"""The work behind each question of the page: documents of results, and parts turned off.

Turning a part off replaces what it writes at every position, by zeros or by its own mean over the
prompt's positions; everything downstream is computed again. Beside it stands the same done to as
many other parts of the same kind and, for heads, of the same layers, drawn with the seed.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pellucid.app import pairs, part, saved_files, wiring
from pellucid.app.jobs import Cancelled, FieldError
from pellucid.app.replies import (
    SiteTaps,
    alone,
    blaming,
    likeliest,
    one_token_pair,
    read_next,
    standing,
)
from pellucid.app.requests import Asked
from pellucid.app.rivals import strongest_rival
from pellucid.circuit.nodes.circuit import resolve_nodes
from pellucid.lens.direct.direct_effects import direct_effects
from pellucid.lens.heads.attention import attention
from pellucid.lens.labels import token_labels
from pellucid.lens.residual.logit_lens import logit_lens
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.sites import Site, site_of
from pellucid.options import AppAblation
from pellucid.report.document import compact, document
from pellucid.run.prompts import prompt_tokens
from pellucid.task.tokens import label, token_id

_COLUMNS = 24
"""Positions of a prompt that the lens reads, the last ones."""


def work_for(model: Model, asked: Asked) -> Callable[[], Any]:
    """What to run for a question."""
    return lambda: WORK[asked.kind](model, asked)


def forwards_of(model: Model, asked: Asked) -> int:
    """How many forwards the question takes at most; 0 where nobody knows, or it is over at once."""
    takes = TAKES.get(asked.kind)
    return 0 if takes is None else takes(model, asked)


def next_tokens(model: Model, asked: Asked) -> dict[str, Any]:
    """The prompt's tokens, the likeliest next ones, and a foil for the first of them."""
    with blaming("prompt"):
        tokens = prompt_tokens(model, asked.prompt)
    reading = read_next(model, tokens, {})
    said = token_labels(model.tokenizer, tokens[0].tolist())
    return {
        "tokens": said,
        "candidates": likeliest(model, reading),
        "rival": strongest_rival(model, reading, said),
    }


def one_token(model: Model, asked: Asked) -> dict[str, Any]:
    """A token that was typed, if it is one."""
    with blaming("answer"):
        size = model.anatomy.d_vocab
        found = token_id(model.tokenizer, asked.answer, vocab_size=size)
    return {"id": found, "token": label(model.tokenizer, found)}


def _lens(model: Model, asked: Asked) -> dict[str, Any]:
    """The logit lens at the last positions."""
    with blaming("prompt"):
        length = prompt_tokens(model, asked.prompt).shape[1]
    answer, foil = one_token_pair(model, asked)
    positions = range(max(0, length - _COLUMNS), length)
    return document(logit_lens(model, asked.prompt, targets=[answer, foil], positions=positions))


def direct(model: Model, asked: Asked) -> dict[str, Any]:
    """Direct effects, which sum to the logit difference."""
    return document(direct_effects(model, alone(model, asked)))


def pattern(model: Model, asked: Asked) -> dict[str, Any]:
    """Attention of heads on the prompt."""
    with blaming("prompt"):
        prompt_tokens(model, asked.prompt)
    with blaming("nodes"):
        return document(attention(model, asked.prompt, heads=list(asked.nodes)))


def turned_off(model: Model, asked: Asked) -> dict[str, Any]:
    """The answer with parts off, beside the same done to random parts.

    **Cost** 3 forwards.
    """
    with blaming("prompt"):
        tokens = prompt_tokens(model, asked.prompt)
    pair = one_token_pair(model, asked)
    with blaming("nodes"):
        nodes = resolve_nodes(model, asked.nodes)
    if any(node.kind == "embed" for node in nodes):
        raise FieldError("nodes", "The embedding cannot be turned off; choose heads and MLPs.")
    drawn = _others(model, nodes, asked.seed)

    def told(off: Sequence[Node]) -> dict[str, Any]:
        return standing(model, read_next(model, tokens, _taps(off, asked.instead)), pair)

    return {
        "nodes": [node.name for node in nodes],
        "drawn": [node.name for node in drawn] if drawn else None,
        "plain": told(()),
        "off": told(nodes),
        "random": told(drawn) if drawn else None,
    }


def sweep(model: Model, asked: Asked) -> dict[str, Any]:
    """Every head and MLP turned off alone: how far the logit difference falls.

    **Cost** 1 forward, and 1 for each.
    **Raises** ``Cancelled`` with what is measured by then, NaN for the others.
    """
    with blaming("prompt"):
        tokens = prompt_tokens(model, asked.prompt)
    answer, foil = one_token_pair(model, asked)
    nodes = [node for node in model.nodes if node.kind != "embed"]
    effect = torch.full((len(nodes),), torch.nan)

    def difference(off: Sequence[Node]) -> float:
        logits = read_next(model, tokens, _taps(off, asked.instead))
        return float(logits[answer] - logits[foil])

    def told() -> dict[str, Any]:
        return {"nodes": [vars_of(node) for node in nodes], "effect": compact(effect)}

    plain = difference(())
    for i, node in enumerate(nodes):
        try:
            effect[i] = plain - difference((node,))
        except Cancelled:
            raise Cancelled(told() if i else None) from None
    return told()


def vars_of(node: Node) -> dict[str, Any]:
    """A node as JSON values."""
    return {"name": node.name, "kind": node.kind, "layer": node.layer, "head": node.head}


WORK: dict[str, Callable[[Model, Asked], dict[str, Any]]] = {
    "next": next_tokens,
    "token": one_token,
    "lens": _lens,
    "direct": direct,
    "attention": pattern,
    "off": turned_off,
    "sweep": sweep,
    "circuit": pairs._circuit,
    "pair": pairs.both,
    "lenses": pairs.lenses,
    "patch": pairs.patched_everywhere,
    "patched": pairs.patched_here,
    "edges": wiring._edges,
    "together": wiring._together,
    "roles": part._roles,
    "role": part.role,
    "writes": part.writes,
    "reads": part.reads,
    "open": saved_files._opened,
}


TAKES: dict[str, Callable[[Model, Asked], int]] = {
    "lens": lambda model, _: 2 * model.anatomy.n_layers + 2,
    "sweep": lambda model, _: len(model.nodes),
    "lenses": lambda model, _: 2 * (2 * model.anatomy.n_layers + 2),
    "circuit": pairs.circuit_takes,
    "patch": pairs.patches,
    "edges": wiring.measured_edges,
    "roles": part.roles_take,
    "together": lambda _, asked: 2 + len(asked.groups),
    "off": lambda *_: 3,
}


def _taps(off: Sequence[Node], instead: AppAblation) -> SiteTaps:
    heads: dict[Site, list[int]] = {}
    for node in off:
        heads.setdefault(site_of(node), []).extend([] if node.head is None else [node.head])
    return {site: _replacing(chosen, instead) for site, chosen in heads.items()}


def _replacing(heads: Sequence[int], instead: AppAblation) -> Callable[[Tensor], Tensor]:
    """A tap that replaces the given heads of ``[row pos head d_head]``, or all of another value."""

    def tap(value: Tensor) -> Tensor:
        new = value.mean(1, keepdim=True).expand_as(value) * (instead == "mean")
        if not heads:
            return new
        index = torch.tensor(heads, device=value.device)
        return value.index_copy(2, index, new.index_select(2, index))

    return tap


def _others(model: Model, nodes: Sequence[Node], seed: int) -> list[Node] | None:
    """As many others: heads of the same layers, other MLPs; None where there are too few."""
    rng = random.Random(seed)
    free = [node for node in model.nodes if node not in nodes and node.kind != "embed"]
    drawn: list[Node] = []
    for node in nodes:
        pool = [
            other
            for other in free
            if other.kind == node.kind
            and (other.layer == node.layer or node.kind == "mlp")
            and other not in drawn
        ]
        if not pool:
            return None
        drawn.append(rng.choice(pool))
    return drawn
