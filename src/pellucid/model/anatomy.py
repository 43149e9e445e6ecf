"""The parts of a transformer, named: what reads the residual stream and what writes into it.

An ``Anatomy`` is the result of looking (``detect.py``); it holds modules of the user's model and
never copies a weight. ``selfcheck.py`` proves that its parts add up.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pellucid.arguments import demand_fields
from pellucid.model.latents import Latents
from pellucid.model.linear import linear_bias, linear_weight
from pellucid.model.parts import name_of
from pellucid.model.residual_scaling import Factor, over, product, times
from pellucid.results.registry import stored

NodeKind: TypeAlias = str
"""``embed``, ``head`` and ``mlp`` write into the stream; others are in ``model.parts.KINDS``."""
SlotKind = Literal["q", "k", "v", "attn", "mlp", "logits"]


@stored
@dataclass(frozen=True, slots=True)
class Node:
    """A component that writes one term into the residual stream, or a part of one.

    Those of a model are its embedding, heads and MLPs. A part of another kind, such as a neuron,
    has a node too where it was asked for by name; ``head`` is then its index.
    """

    kind: NodeKind
    layer: int | None = None
    head: int | None = None

    def __post_init__(self) -> None:
        demand_fields(self)

    @property
    def name(self) -> str:
        """``embed``, ``L9H6``, ``M3`` or, of a neuron, ``M3N310``."""
        return name_of(self.kind, self.layer, self.head)

    def __str__(self) -> str:
        return self.name


@stored
@dataclass(frozen=True, slots=True)
class Slot:
    """An input that reads the residual stream; k and v belong to key/value heads.

    ``attn`` is the input of a whole attention layer, where queries, keys and values of heads are
    not all that reads the stream (multi-head latent attention, gated heads).
    """

    kind: SlotKind
    layer: int | None = None
    head: int | None = None

    def __post_init__(self) -> None:
        demand_fields(self)

    @property
    def name(self) -> str:
        """``L9H6.q``, ``L9KV2.k``, ``A9``, ``M3`` or ``logits``."""
        if self.kind == "logits":
            return "logits"
        return name_of(self.kind, self.layer, self.head)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Write:
    """A module whose output, times ``scale``, plus ``bias``, is added to the residual stream."""

    module: nn.Module
    scale: Factor = 1.0
    bias: Float[Tensor, " d_model"] | None = None
    """A parameter that the block adds itself, outside any module, as GPT-NeoX-Japanese does."""

    def term(self, output: Tensor) -> Tensor:
        """What is added to the stream when the module returned ``output``."""
        scaled = times(output, self.scale)
        return scaled if self.bias is None else scaled + self.bias

    def output(self, term: Tensor) -> Tensor:
        """What the module has to return for ``term`` to be added."""
        bare = term if self.bias is None else term - self.bias
        return over(bare, self.scale)


@dataclass(frozen=True)
class Projection:
    """Where the queries (or keys, or values) of each head lie in a projection's output.

    ``columns[h, i]`` is the output feature that holds component ``i`` of head ``h``: one
    description for separate, concatenated and interleaved (fused) layouts.
    """

    module: nn.Module
    columns: Int[Tensor, "head d_head"]

    @cached_property
    def in_order(self) -> slice | None:
        """The features of all heads one after the other, if they lie so; None if interleaved."""
        flat = self.columns.flatten().cpu()
        first = int(flat[0])
        ordered = torch.equal(flat, torch.arange(first, first + len(flat)))
        return slice(first, first + len(flat)) if ordered else None

    def head_weight(self) -> Float[Tensor, "head d_head d_model"]:
        """The projection's matrix of every head; a view of the weights where the layout allows."""
        weight = linear_weight(self.module)
        if self.in_order is not None:
            return weight[self.in_order].unflatten(0, self.columns.shape)
        return weight[self.columns.to(weight.device)]


@dataclass(frozen=True)
class Attention:
    """One attention sublayer."""

    module: nn.Module
    out_proj: nn.Module
    write: Write
    n_heads: int
    n_kv_heads: int
    d_head: int
    norm: nn.Module | None
    q: Projection | None
    k: Projection | None
    v: Projection | None
    aside: str | None = None
    """Why q, k or v is None: none that reads the stream, or a layout that was not proved."""
    post_norms: tuple[nn.Module, ...] = ()
    """Norms between the output projection and the stream, in order."""
    reads_more: bool = False
    """Whether something beside q, k and v reads the stream, such as a gate on the heads."""

    reads_stream: bool = True
    """Whether what it reads is known to be the stream, or a norm of it."""

    @property
    def by_head(self) -> bool:
        """Whether queries, keys and values of heads are all that reads the stream here."""
        return None not in (self.q, self.k, self.v) and not self.reads_more

    def head_weight(self) -> Float[Tensor, "head d_head d_model"]:
        """W_O of every head, in the module's own dtype; probed when the layer is not plain."""
        weight = linear_weight(self.out_proj)
        return weight.T.reshape(self.n_heads, self.d_head, weight.shape[0])

    def head_bias(self) -> Float[Tensor, " d_model"] | None:
        """What the output projection's result holds beside the heads: its bias, or None."""
        return linear_bias(self.out_proj)


@dataclass(frozen=True)
class Experts:
    """The experts of a mixture, held by one module."""

    module: nn.Module
    count: int


@dataclass(frozen=True)
class Mlp:
    """One MLP (or mixture-of-experts) sublayer: one node, however many modules write it."""

    module: nn.Module
    writes: tuple[Write, ...]
    norm: nn.Module | None
    neurons: nn.Module | None
    """The down-projection, whose input is the neurons' activations; None for experts."""
    reads_stream: bool = True
    """Whether what it reads is known to be the stream, or a norm of it."""
    experts: Experts | None = None
    """Those of a mixture that can be told apart; None elsewhere."""

    @property
    def n_experts(self) -> int:
        """How many experts can be told apart; 0 for a dense MLP."""
        return 0 if self.experts is None else self.experts.count

    @property
    def n_neurons(self) -> int:
        """How many neurons the down-projection reads; 0 for experts."""
        return 0 if self.neurons is None else linear_weight(self.neurons).shape[1]


@dataclass(frozen=True)
class Block:
    """One layer: at most one attention and one MLP sublayer, in sequence or in parallel.

    With gains ``(g, h)`` and terms a and m of attention and MLP, its output is
    ``h (g input + a) + m``.
    """

    module: nn.Module
    attention: Attention | None
    mlp: Mlp | None
    parallel: bool
    carries: int
    """How many values the block returns: 0 for a bare tensor, else the length of the tuple."""
    gains: tuple[Factor, Factor] = (1.0, 1.0)
    """What the stream is multiplied by where attention's term is added, and where the MLP's is.

    Nearly always ones. A parallel block has at most the first, for it adds both terms at once."""
    dictionary: Latents | None = None
    """A sparse dictionary that was put in here (``with_dictionaries``)."""

    def middle(self, before: Tensor, attention: Tensor | None) -> Tensor:
        """The stream with attention's term added, which a sequential block's MLP reads."""
        carried = times(before, self.gains[0])
        return carried if attention is None else carried + attention

    def after(self, middle: Tensor, mlp: Tensor | None) -> Tensor:
        """The stream with both terms added, which the next layer receives."""
        carried = times(middle, self.gains[1])
        return carried if mlp is None else carried + mlp


@dataclass(frozen=True)
class Anatomy:
    """A causal language model as terms written into, and slots reading from, one stream."""

    blocks: tuple[Block, ...]
    final_norm: nn.Module | None
    unembed: nn.Module
    d_model: int
    d_vocab: int

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Embedding, then per layer its heads and its MLP, in the order they are computed."""
        found = [Node("embed")]
        for layer, block in enumerate(self.blocks):
            if block.attention:
                found += [Node("head", layer, head) for head in range(block.attention.n_heads)]
            if block.mlp:
                found.append(Node("mlp", layer))
        return tuple(found)

    @cached_property
    def slot_groups(self) -> tuple[tuple[Slot, ...], ...]:
        """Slots that read the stream at the same place, in the order they are computed."""
        found: list[tuple[Slot, ...]] = []
        for layer, block in enumerate(self.blocks):
            a = block.attention
            if a and a.by_head:
                queries = [Slot("q", layer, head) for head in range(a.n_heads)]
                keys = [Slot("k", layer, head) for head in range(a.n_kv_heads)]
                values = [Slot("v", layer, head) for head in range(a.n_kv_heads)]
                found.append((*queries, *keys, *values))
            elif a:
                found.append((Slot("attn", layer),))
            if block.mlp:
                found.append((Slot("mlp", layer),))
        return (*found, (Slot("logits"),))

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every input that reads the stream, in the order they are computed."""
        return tuple(slot for group in self.slot_groups for slot in group)

    def senders_of(self, slot: Slot) -> int:
        """How many of ``nodes``, from the first, are computed before ``slot`` reads the stream."""
        if slot.layer is None:
            return len(self.nodes)
        before = 1 + sum(self.n_nodes(layer) for layer in range(slot.layer))
        block = self.blocks[slot.layer]
        if slot.kind == "mlp" and block.attention and not block.parallel:
            before += block.attention.n_heads
        return before

    def n_nodes(self, layer: int) -> int:
        """How many nodes a layer has."""
        block = self.blocks[layer]
        return (block.attention.n_heads if block.attention else 0) + (block.mlp is not None)

    @cached_property
    def edges(self) -> Bool[Tensor, "sender slot"]:
        """True where a node is computed before a slot reads: the edges that there are."""
        counts = torch.tensor([self.senders_of(slot) for slot in self.slots])
        return torch.arange(len(self.nodes))[:, None] < counts

    @cached_property
    def feeds(self) -> Bool[Tensor, "slot node"]:
        """True where what a slot reads goes into a node's output: k and v into all their heads."""
        place = {node: i for i, node in enumerate(self.nodes)}
        feeds = torch.zeros(len(self.slots), len(self.nodes), dtype=torch.bool)
        for j, slot in enumerate(self.slots):
            if slot.layer is None:
                continue
            if slot.kind == "mlp":
                feeds[j, place[Node("mlp", slot.layer)]] = True
                continue
            attention = self.blocks[slot.layer].attention
            assert attention is not None
            group = attention.n_heads // attention.n_kv_heads
            for head in range(attention.n_heads):
                own = {"q": head, "k": head // group, "v": head // group}.get(slot.kind)
                if slot.head == own:
                    feeds[j, place[Node("head", slot.layer, head)]] = True
        return feeds

    def carried(
        self, layer: int | None, kind: NodeKind, reader: Slot
    ) -> float | Float[Tensor, " d_model"]:
        """What a term is multiplied by between where it is written and where ``reader`` reads.

        The term is that of layer ``layer``'s attention (``kind`` "head") or MLP, or the embedding.
        The stream at ``reader``, before any norm, is the sum over all terms of carried x term; so
        the factor is 1.0 where every gain is one, and 0.0 for a term written after the reading.

        **Cost** none beside multiplying the gains on the way, each as it is now.
        """
        written = 0
        if kind != "embed":
            assert layer is not None
            written = 2 * layer + (1 if kind == "head" else 2)
        read = 2 * self.n_layers
        if reader.kind != "logits":
            assert reader.layer is not None
            in_sequence = reader.kind == "mlp" and not self.blocks[reader.layer].parallel
            read = 2 * reader.layer + in_sequence
        return product(self._gains[written:read]) if written <= read else 0.0

    @cached_property
    def multiplies(self) -> bool:
        """Whether any layer multiplies the stream, so that terms don't arrive as written."""
        return any(gain != 1.0 for gain in self._gains)

    @cached_property
    def _gains(self) -> tuple[Factor, ...]:
        """The gains in the order in which the stream meets them, two for each layer."""
        return tuple(gain for block in self.blocks for gain in block.gains)

    @property
    def n_heads(self) -> int:
        """Number of attention heads in all layers together."""
        return sum(b.attention.n_heads for b in self.blocks if b.attention)
