"""Finding the parts of a causal language model by structure, not by a table of families.

1. The blocks are the module list as long as the configuration's number of layers.
2. One short forward records what goes into and comes out of every module (``probe.py``).
3. In each block, attention is the module whose class says so; its output projection is the last
   linear layer run in it that gives a vector of the stream's width (``sublayers.py``).
4. What attention and MLP *write* is found by arithmetic: among the recorded outputs, the terms
   whose sum is (block output - block input) (``writes.py``), or with which the stream, multiplied
   by constants, makes the output (``residual_scaling.py``).
5. What they *read* is found by value: a norm is one whose input is the stream and whose output is
   what the sublayer reads.
6. Queries, keys and values are located (``projections.py``) and proved by dependence: changing a
   head's query changes that head alone (``dependence.py``). Those not proved are set aside.

A model in which no combination fits is refused with the layer and the error of the best fit.
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pellucid.errors import CorruptModelError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Attention, Block, Mlp, Write
from pellucid.model.detection.dependence import prove_heads, prove_layouts, prove_locality
from pellucid.model.detection.experts import adding_up, find_experts
from pellucid.model.detection.probe import (
    TOLERANCE,
    Record,
    find_blocks,
    probe_tokens,
    record_calls,
    same_values,
    text_config,
)
from pellucid.model.detection.projections import HeadSizes, find_projections
from pellucid.model.detection.refusal import explain_misfit
from pellucid.model.detection.residual_scaling import coarse, fit_gains, hides_gain
from pellucid.model.detection.sublayers import (
    find_attention,
    find_neurons,
    head_count,
    kv_head_count,
    leads_to,
    mlp_module,
    mlp_parts,
    norms_between,
    reading,
    reads_more,
)
from pellucid.model.detection.writes import Fit, attention_terms, fit_writes, is_plain, mlp_terms
from pellucid.model.running.forward import undisturbed

__all__ = ["TOLERANCE", "detect", "probe_tokens", "text_config"]


@dataclass(frozen=True)
class SeenLayer:
    """One layer and what was recorded of it, on the probe prompt and on its first token alone."""

    model: nn.Module
    layer: int
    block: nn.Module
    record: Record
    single: Record

    @property
    def name(self) -> str:
        """How errors call it."""
        return f"{type(self.model).__name__}, layer {self.layer}"

    @property
    def stream(self) -> tuple[Tensor, Tensor]:
        """The stream that the layer received and the one that it gave.

        **Raises** ``UnsupportedArchitectureError`` when it did not run.
        """
        whole = self.record.of(self.block)
        if whole is None or whole.given is None or whole.out is None:
            raise UnsupportedArchitectureError(f"{self.name} did not run in a plain forward.")
        return whole.given, whole.out


def detect(model: nn.Module) -> Anatomy:
    """The anatomy of ``model``.

    **Cost** four or five forwards of at most six tokens, one or two of them with a row for every
    head.
    **Raises** ``UnsupportedArchitectureError`` naming the layer and the sum that failed.
    """
    unembed = model.get_output_embeddings()  # type: ignore[operator]
    if unembed is None:
        raise UnsupportedArchitectureError(
            f"{type(model).__name__} has no output embedding: nothing turns its residual stream "
            "into logits. Open the class that ends in ForCausalLM."
        )
    with undisturbed(model):
        blocks = find_blocks(model)
        tokens = probe_tokens(model)
        *records, outside = record_calls(model, blocks, tokens)
        _demand_finite(model, blocks, records)
        *alone, _ = record_calls(model, blocks, tokens[:, :1])
        found: list[Block] = []
        hint: tuple[str, ...] = ()
        for layer, (block, record, single) in enumerate(zip(blocks, records, alone, strict=True)):
            seen = SeenLayer(model, layer, block, record, single)
            part, hint = detect_block(seen, tokens.shape[1], hint)
            found.append(part)
        last = records[-1].of(blocks[-1])
        assert last is not None
        assert last.out is not None
        unproved = Anatomy(
            blocks=tuple(found),
            final_norm=find_final_norm(outside, last.out),
            unembed=unembed,
            d_model=last.out.shape[-1],
            d_vocab=text_config(model).vocab_size,
        )
        return proved(model, with_experts(model, unproved, tokens), tokens)


def with_experts(model: nn.Module, anatomy: Anatomy, tokens: Tensor) -> Anatomy:
    """``anatomy`` with experts set aside that, one by one, are not what they are together."""
    layers = {layer: b.mlp.experts for layer, b in enumerate(anatomy.blocks) if b.mlp}
    proved = adding_up(model, layers, tokens)
    blocks = (
        replace(block, mlp=replace(block.mlp, experts=proved[layer])) if block.mlp else block
        for layer, block in enumerate(anatomy.blocks)
    )
    return replace(anatomy, blocks=tuple(blocks))


def _demand_finite(model: nn.Module, blocks: list[nn.Module], records: list[Record]) -> None:
    """**Raises** ``CorruptModelError`` naming the first layer that gives NaN or infinity."""
    for layer, (block, record) in enumerate(zip(blocks, records, strict=True)):
        call = record.of(block)
        if call is not None and call.out is not None and not bool(call.out.isfinite().all()):
            raise CorruptModelError(
                f"{type(model).__name__}, layer {layer} gives values that are not finite on "
                f"{call.out.shape[1]} ordinary tokens. Its weights hold NaN or infinity, or its "
                "dtype overflows: reload it, or pass dtype='float32'."
            )


def proved(model: nn.Module, anatomy: Anatomy, tokens: Tensor) -> Anatomy:
    """``anatomy`` with projections set aside whose layout doesn't show in what heads do."""
    prove_locality(model, anatomy, tokens)
    faults = prove_layouts(model, anatomy, tokens)
    blocks = list(anatomy.blocks)
    for layer, faulty in faults.items():
        attention = blocks[layer].attention
        assert attention is not None
        kept = replace(
            attention,
            q=None if "q" in faulty else attention.q,
            k=None if "k" in faulty else attention.k,
            v=None if "v" in faulty else attention.v,
            aside="; ".join(faulty.values()),
        )
        blocks[layer] = replace(blocks[layer], attention=kept)
    anatomy = replace(anatomy, blocks=tuple(blocks))
    prove_heads(model, anatomy, tokens)
    return anatomy


def detect_block(
    seen: SeenLayer, positions: int, hint: tuple[str, ...]
) -> tuple[Block, tuple[str, ...]]:
    """The anatomy of one block, and the names of the terms that it was found from."""
    name, block, record = seen.name, seen.block, seen.record
    before, after = seen.stream
    if before.ndim != 3 or before.shape != after.shape:
        raise UnsupportedArchitectureError(
            f"{name} receives a tensor of shape {tuple(before.shape)} and gives "
            f"{tuple(after.shape)}: it keeps several residual streams (hyper-connections, AltUp), "
            "not one to which each part adds a term."
        )
    if before.shape[1] != positions:
        raise UnsupportedArchitectureError(
            f"{name} runs {before.shape[1]} positions for {positions} tokens: it puts vectors of "
            "its own into the prompt, and positions in it are not the tokens' positions."
        )
    module, out_proj = find_attention(name, block, record, before.shape[-1])
    fit = fit_block(seen, module, out_proj, hint)
    term = None if fit.attention is None else written(record, fit.attention, before)
    whole = record.of(block)
    assert whole is not None
    bare = Block(block, None, None, False, whole.carries, fit.gains)
    points = [before, bare.middle(before, term)]
    attention = None
    if module is not None and out_proj is not None and fit.attention is not None:
        attention = build_attention(seen, module, out_proj, fit.attention)
    mlp, parallel = None, False
    if fit.mlp:
        parts = mlp_parts(block, attention.module if attention else None)
        read = reading(record, parts, points)
        mlp = Mlp(
            module=mlp_module(block, parts, fit.mlp),
            writes=fit.mlp,
            norm=read.norm,
            neurons=find_neurons(record, parts, fit.mlp),
            experts=find_experts(parts),
            reads_stream=read.point is not None,
        )
        parallel = attention is not None and read.point == 0
        if attention is not None and read.point is None and fit.gains != (1.0, 1.0):
            raise UnsupportedArchitectureError(
                f"{name} multiplies the residual stream, and its MLP does not read it as it is "
                "before or after attention's term is added, so where it is multiplied is unknown."
            )
    return replace(bare, attention=attention, mlp=mlp, parallel=parallel), fit.names


def fit_block(
    seen: SeenLayer,
    attention: nn.Module | None,
    out_proj: nn.Module | None,
    hint: tuple[str, ...],
) -> Fit:
    """The writes of a block; **raises** ``UnsupportedArchitectureError`` when none fit."""
    block, record = seen.block, seen.record
    before, after = seen.stream
    terms_a = attention_terms(record, attention, out_proj)
    terms_m = mlp_terms(record, block, attention, terms_a, before.numel())
    fit = fit_writes(block, before, after, terms_a, terms_m, hint)
    if fit is None or hides_gain(record, block, fit):
        fit = fit_gains(record, block, mlp_parts(block, attention), terms_a, terms_m, hint)
    elif coarse(after) and not fit.plain:
        # Rounded this much, weights of other terms can stand in for a gain.
        readers = mlp_parts(block, attention)
        fit = fit_gains(record, block, readers, terms_a, terms_m, hint) or fit
    if fit is None:
        raise UnsupportedArchitectureError(
            f"{seen.name}: no combination of what its parts return adds up to (block output - "
            "block input). " + explain_misfit(before, after, record, terms_a + terms_m),
            layer=seen.layer,
        )
    return fit


def written(record: Record, write: Write, like: Tensor) -> Tensor:
    """The term that ``write`` added in the recorded forward, shaped as the stream."""
    call = record.of(write.module)
    assert call is not None
    assert call.out is not None
    return write.term(call.out.reshape(like.shape))


def build_attention(
    seen: SeenLayer, module: nn.Module, out_proj: nn.Module, write: Write
) -> Attention:
    """Head counts, the norm in front, and where q, k and v lie."""
    record = seen.record
    given = record.of(out_proj)
    assert given is not None
    assert given.given is not None
    width = given.given.shape[-1]
    if not leads_to(record, out_proj, write):
        raise UnsupportedArchitectureError(
            f"{seen.name}: what {type(module).__name__} writes is not "
            "the result of one linear output projection that every head goes through, so what "
            "single heads write cannot be told apart.",
            layer=seen.layer,
        )
    n_heads = head_count(seen.model, module, seen.layer)
    if width % n_heads:
        raise UnsupportedArchitectureError(
            f"{seen.name}: the output projection reads {width} features, which {n_heads} heads do "
            "not divide, so heads cannot be told apart.",
            layer=seen.layer,
        )
    kv = min(kv_head_count(seen.model, module, seen.layer, n_heads), n_heads)
    heads = HeadSizes(n_heads, kv, width // n_heads)
    q, k, v, kv = find_projections(record, seen.single, module, out_proj, heads)
    read = reading(record, set(module.modules()), [seen.stream[0]])
    aside = None if q and k and v else "no projection of the stream gives every head its own"
    if read.point is None:
        q = k = v = None
        aside = "what it reads is neither the residual stream nor a norm of it"
    return Attention(
        module=module,
        out_proj=out_proj,
        write=write,
        n_heads=n_heads,
        n_kv_heads=kv,
        d_head=heads.d_head,
        norm=read.norm,
        q=q,
        k=k,
        v=v,
        aside=aside,
        post_norms=norms_between(record, out_proj, write),
        reads_stream=read.point is not None,
        reads_more=bool(q and k and v and reads_more(record, module, (q, k, v))),
    )


def find_final_norm(outside: Record, stream: Tensor) -> nn.Module | None:
    """The module that reads what the last block returned, if it is a norm."""
    for call in outside.calls:
        if (
            is_plain(call.module)
            and same_values(call.given, stream)
            and not same_values(call.out, stream)
        ):
            return call.module
    return None
