"""From a plan to weights.

1. Weights are written in features (the columns of the parts), one head and one neuron at a time.
2. A basis B with orthonormal columns takes features into the residual stream: what reads W becomes
   W B^T, what writes W becomes B W. For layer norm the columns are orthogonal to the vector of
   ones, so that taking the mean away takes nothing away.
3. Every norm's gain is set to the size that its input has on the clean prompts, so that a normed
   stream is the stream itself where that size is usual.
4. Heads that the plan does not name are decoys: they look and read at random and write into
   ``scratch``, or, as junk, a little everywhere. The logit of a token set aside reads ``scratch``.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.model.tiny import (
    ROTARY_BASE,
    TinyAttention,
    TinyBlock,
    TinyConfig,
    TinyGatedMlp,
    TinyMlp,
    TinyTransformer,
)
from pellucid.zoo.plan import N_HEADS, SHARP, Back, Head, Look, Neuron, Plan, Reading
from pellucid.zoo.variety import Variety

ROTARY_PAIRS = 4
DECOY = 0.3
"""Size of what a decoy writes into ``scratch``."""
DECOY_NEURONS = 2


class Features:
    """Where the parts of a plan lie among the features."""

    def __init__(self, plan: Plan):
        self.parts: dict[str, slice] = {}
        self.width = 0
        for name, width in plan.widths().items():
            self.parts[name] = slice(self.width, self.width + width)
            self.width += width

    def vector(self, reading: Reading) -> Float[Tensor, " feature"]:
        """One vector over all features."""
        found = torch.zeros(self.width, dtype=torch.float64)
        for part, value in reading.items():
            found[self.parts[part]] += value
        return found


def built(
    plan: Plan, variety: Variety, prompts: Int[Tensor, "row pos"], *, seed: int = 0
) -> TinyTransformer:
    """A transformer that computes ``plan``; its norms are set to what ``prompts`` make usual.

    **Cost** one forward of the prompts where there are norms.
    """
    features = Features(plan)
    generator = torch.Generator().manual_seed(seed)
    basis = drawn_basis(features.width, variety, generator)
    model = TinyTransformer(configured(plan, variety, len(basis))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        _embed(model, plan, variety, features, basis)
        places = plan.places(variety.group)
        for layer, block in enumerate(_blocks(model)):
            named = {places[head.name][1]: head for head in plan.heads if head.layer == layer}
            _attention(block.attention, named, variety, features, basis, generator)
            if block.mlp is not None:
                neurons = [neuron for neuron in plan.neurons if neuron.layer == layer]
                _mlp(block.mlp, neurons, variety, features, basis, generator)
        if variety.norm != "none":
            _calibrate(model, prompts)
    return model


def configured(plan: Plan, variety: Variety, d_model: int) -> TinyConfig:
    """Sizes that hold the plan."""
    widest = max(
        [2 * ROTARY_PAIRS]
        + [sum(plan.widths()[move.source] for move in head.moves) for head in plan.heads]
        + [sum(_key_width(plan, variety, look) for look in head.looks) for head in plan.heads]
    )
    rotary = variety.positions == "rotary"
    per_layer = [sum(n.layer == layer for n in plan.neurons) for layer in range(plan.n_layers)]
    return TinyConfig(
        vocab_size=plan.vocab + 1,
        num_hidden_layers=plan.n_layers,
        num_attention_heads=N_HEADS,
        num_key_value_heads=N_HEADS // variety.group,
        hidden_size=d_model,
        head_dim=widest + (2 * ROTARY_PAIRS if rotary else 0),
        d_mlp=max(per_layer) + DECOY_NEURONS if plan.neurons else 0,
        max_position_embeddings=plan.length,
        norm=variety.norm,
        mlp=variety.mlp,
        rotary_pairs=ROTARY_PAIRS if rotary else 0,
    )


def drawn_basis(
    width: int, variety: Variety, generator: torch.Generator
) -> Float[Tensor, "d_model feature"]:
    """Orthonormal columns, orthogonal to the vector of ones where layer norm takes the mean."""
    if variety.basis == "plain" and variety.norm != "layer":
        return torch.eye(width, dtype=torch.float64)
    ones = int(variety.norm == "layer")
    drawn = torch.randn(width + ones, width + ones, dtype=torch.float64, generator=generator)
    drawn[:, :ones] = 1.0
    return torch.linalg.qr(drawn).Q[:, ones:]


def _key_width(plan: Plan, variety: Variety, look: Look | Back) -> int:
    if isinstance(look, Back):
        return plan.length if variety.positions == "learned" else 0
    return look.table.shape[1]


def _embed(
    model: TinyTransformer, plan: Plan, variety: Variety, features: Features, basis: Tensor
) -> None:
    embed = torch.zeros(plan.vocab + 1, features.width, dtype=torch.float64)
    embed[:, features.parts["one"]] = 1.0
    embed[: plan.vocab, features.parts["token"]] = torch.eye(plan.vocab, dtype=torch.float64)
    model.embed.weight.copy_(embed @ basis.T)
    if variety.positions == "learned" or _asks_position(plan):
        position = torch.zeros(plan.length, features.width, dtype=torch.float64)
        position[:, features.parts["position"]] = torch.eye(plan.length, dtype=torch.float64)
        model.position.weight.copy_(position @ basis.T)
    read = torch.zeros(plan.vocab + 1, features.width, dtype=torch.float64)
    read[: plan.vocab, features.parts["out"]] = torch.eye(plan.vocab, dtype=torch.float64)
    read[plan.vocab, features.parts["scratch"]] = 1.0
    model.lm_head.weight.copy_(read @ basis.T)


def _asks_position(plan: Plan) -> bool:
    """Whether something reads positions as content, so that rotary ones do not suffice."""
    looked = [look for head in plan.heads for look in head.looks if isinstance(look, Look)]
    moved = [move.source for head in plan.heads for move in head.moves]
    return "position" in [*moved, *(x.key for x in looked), *(x.query for x in looked)]


def _attention(
    attention: TinyAttention,
    named: dict[int, Head],
    variety: Variety,
    features: Features,
    basis: Tensor,
    generator: torch.Generator,
) -> None:
    """Queries, keys, values and outputs of one layer, named heads and decoys."""
    size, group = attention.head_dim, variety.group
    query, key, value = (
        torch.zeros(n, size, features.width, dtype=torch.float64)
        for n in (N_HEADS, N_HEADS // group, N_HEADS // group)
    )
    output = torch.zeros(N_HEADS, basis.shape[0], size, dtype=torch.float64)
    for index in range(N_HEADS):
        if index in named:
            head, kv = named[index], index // group
            query[index], key[kv] = _looking(head, variety, features, size)
            value[kv], written = _moving(head, features, size)
            output[index] = basis @ written
        else:
            query[index] = _random(size, features.width, generator) * size**-0.25
            output[index] = _decoy(size, variety, features, basis, generator)
    for kv in range(N_HEADS // group):
        if not {kv * group + i for i in range(group)} & set(named):
            key[kv] = _random(size, features.width, generator) * size**-0.25
            value[kv] = _random(size, features.width, generator)
    attention.q_proj.weight.copy_(query.flatten(0, 1) @ basis.T)
    attention.k_proj.weight.copy_(key.flatten(0, 1) @ basis.T)
    attention.v_proj.weight.copy_(value.flatten(0, 1) @ basis.T)
    attention.o_proj.weight.copy_(output.transpose(0, 1).flatten(1))


def _looking(
    head: Head, variety: Variety, features: Features, size: int
) -> tuple[Float[Tensor, "d_head feature"], Float[Tensor, "d_head feature"]]:
    """Query and key so that their product over the root of ``size`` is gap x the tables' sum."""
    query, key = (torch.zeros(size, features.width, dtype=torch.float64) for _ in "qk")
    unit = variety.gap * math.sqrt(size)
    start = 2 * ROTARY_PAIRS if variety.positions == "rotary" else 0
    for look in head.looks:
        if isinstance(look, Back) and variety.positions == "rotary":
            _turning(look.offset, unit, query, key, features.parts["one"])
            continue
        if isinstance(look, Back):
            look = _stepping(look.offset, features)
        rows = slice(start, start + look.table.shape[1])
        query[rows, features.parts[look.query]] = unit * look.table.T
        key[rows, features.parts[look.key]] = torch.eye(look.table.shape[1], dtype=torch.float64)
        start = rows.stop
    return query, key


def _stepping(offset: int, features: Features) -> Look:
    """Position p asks for position p - offset."""
    where = features.parts["position"]
    length = where.stop - where.start
    table = torch.eye(length, dtype=torch.float64).roll(-offset, 1)
    table[:offset] = 0
    return Look("position", "position", table)


def _turning(offset: int, unit: float, query: Tensor, key: Tensor, one: slice) -> None:
    """Rotary features whose product is largest ``offset`` back, by one unit to the next."""
    speed = ROTARY_BASE ** (-torch.arange(ROTARY_PAIRS, dtype=torch.float64) / ROTARY_PAIRS)
    scale = unit / float((1 - speed.cos()).sum())
    key[:ROTARY_PAIRS, one] = 1.0
    query[:ROTARY_PAIRS, one] = scale * (-offset * speed).cos()[:, None]
    query[ROTARY_PAIRS : 2 * ROTARY_PAIRS, one] = scale * (-offset * speed).sin()[:, None]


def _moving(
    head: Head, features: Features, size: int
) -> tuple[Float[Tensor, "d_head feature"], Float[Tensor, "feature d_head"]]:
    """Value and output matrices that copy each source into its target."""
    value = torch.zeros(size, features.width, dtype=torch.float64)
    output = torch.zeros(features.width, size, dtype=torch.float64)
    start = 0
    for move in head.moves:
        rows = slice(start, start + move.matrix.shape[0])
        value[rows, features.parts[move.source]] = torch.eye(len(move.matrix), dtype=torch.float64)
        output[features.parts[move.target], rows] = move.matrix.T
        start = rows.stop
    return value, output


def _mlp(
    mlp: TinyMlp | TinyGatedMlp,
    neurons: list[Neuron],
    variety: Variety,
    features: Features,
    basis: Tensor,
    generator: torch.Generator,
) -> None:
    """Rectifiers of a layer; in a gated MLP the gate rectifies what ``up`` makes 1, or reads."""
    width = mlp.down_proj.in_features
    reads, times = (torch.zeros(width, features.width, dtype=torch.float64) for _ in "rt")
    bias, level = (torch.zeros(width, dtype=torch.float64) for _ in "bl")
    writes = torch.zeros(basis.shape[0], width, dtype=torch.float64)
    for i, neuron in enumerate(neurons):
        reads[i] = SHARP * features.vector(neuron.reads)
        bias[i] = SHARP * neuron.bias
        writes[:, i] = basis @ features.vector(neuron.writes) / SHARP
        times[i] = 0 if neuron.times is None else features.vector(neuron.times)
        level[i] = float(neuron.times is None)
    reads[-DECOY_NEURONS:] = _random(DECOY_NEURONS, features.width, generator)
    level[-DECOY_NEURONS:] = 1.0
    writes[:, -DECOY_NEURONS:] = _decoy(DECOY_NEURONS, variety, features, basis, generator)
    mlp.down_proj.weight.copy_(writes)
    rectified = mlp.gate_proj if isinstance(mlp, TinyGatedMlp) else mlp.up_proj
    rectified.weight.copy_(reads @ basis.T)
    rectified.bias.copy_(bias)
    if isinstance(mlp, TinyGatedMlp):
        mlp.up_proj.weight.copy_(times @ basis.T)
        mlp.up_proj.bias.copy_(level)


def _random(height: int, width: int, generator: torch.Generator) -> Tensor:
    return torch.randn(height, width, dtype=torch.float64, generator=generator)


def _decoy(
    size: int, variety: Variety, features: Features, basis: Tensor, generator: torch.Generator
) -> Float[Tensor, "d_model d_head"]:
    """Output directions of a decoy: in ``scratch``, and as junk over the whole stream."""
    scratch = basis[:, features.parts["scratch"]]
    aside = scratch @ _random(scratch.shape[1], size, generator) * DECOY
    spread = _random(len(basis), size, generator) * variety.junk
    return (aside / math.sqrt(scratch.shape[1]) + spread / math.sqrt(len(basis))) / math.sqrt(size)


def _calibrate(model: TinyTransformer, prompts: Tensor) -> None:
    """Set each norm's gain, in order, to the root mean square that it finds."""
    for norm in _norms(model):
        seen: list[Tensor] = []
        handle = norm.register_forward_hook(lambda _, given, out, seen=seen: seen.append(given[0]))
        try:
            model(prompts)
        finally:
            handle.remove()
        norm.weight.fill_(float(seen[0].square().mean(-1).sqrt().mean()))


def _blocks(model: TinyTransformer) -> list[TinyBlock]:
    return [block for block in model.layers if isinstance(block, TinyBlock)]


def _norms(model: TinyTransformer) -> list[nn.LayerNorm | nn.RMSNorm]:
    inside = [norm for block in _blocks(model) for norm in (block.attention_norm, block.mlp_norm)]
    return [norm for norm in (*inside, model.norm) if isinstance(norm, nn.LayerNorm | nn.RMSNorm)]
