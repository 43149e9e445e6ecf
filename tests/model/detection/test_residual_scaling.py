"""Blocks that multiply the residual stream itself, against brute force with plain hooks."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pellucid
from pellucid import Contrast, Model
from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.anatomy import Slot
from pellucid.model.residual_scaling import StoredFactor, times
from pellucid.model.tiny import TinyBlock, TinyConfig, TinyTransformer
from tests.models.families import tiny_model

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


class MultiplyingBlock(TinyBlock):
    """The tiny block with factors: g, h of the stream and s, t of what is added to it."""

    names: dict[str, str]

    def factor(self, which: str) -> Any:
        return getattr(self, self.names[which]) if which in self.names else 1.0

    def forward(self, stream: Tensor, mask: Tensor) -> Tensor:
        term = self.factor("s") * self.attention(self.attention_norm(stream), mask)
        middle = self.factor("g") * stream + term
        if self.mlp is None or self.mlp_norm is None:
            return middle
        read = stream if self.parallel else middle
        return self.factor("h") * middle + self.factor("t") * self.mlp(self.mlp_norm(read))


def numbers_by_depth(block: nn.Module, layer: int) -> None:
    for i, (gain, scale) in enumerate(("gs", "ht")):
        k = 2 * layer + 2 + i
        setattr(block, gain, ((k - 1) / k) ** 0.5)
        setattr(block, scale, k**-0.5)


def held(*names: str, width: int = 16) -> Any:
    def hold(block: nn.Module, layer: int) -> None:
        for i, name in enumerate(names):
            torch.manual_seed(10 * layer + i)
            block.register_parameter(name, nn.Parameter(torch.rand(width).double() + 0.5))

    return hold


KINDS: dict[str, tuple[Any, dict[str, str], TinyConfig]] = {
    "numbers": (numbers_by_depth, {k: k for k in "ghst"}, TinyConfig(num_hidden_layers=3)),
    "scalar of the whole": (held("c", width=1), {"h": "c", "t": "c"}, TinyConfig()),
    "vectors": (held("g", "h"), {"g": "g", "h": "h"}, TinyConfig(num_hidden_layers=3)),
    "vectors of terms": (held("s", "t"), {"s": "s", "t": "t"}, TinyConfig()),
    "vectors of both": (held(*"ghst"), {k: k for k in "ghst"}, TinyConfig(num_hidden_layers=3)),
    "parallel": (held("g", width=1), {"g": "g"}, TinyConfig(parallel=True)),
    "parallel vector": (held("g"), {"g": "g"}, TinyConfig(parallel=True)),
    "attention only": (held("g"), {"g": "g"}, TinyConfig(d_mlp=0)),
}


def multiplying(kind: str) -> TinyTransformer:
    hold, names, config = KINDS[kind]
    module = TinyTransformer(config).eval()
    for layer, block in enumerate(module.layers):
        block.__class__ = MultiplyingBlock
        block.names = names  # type: ignore[assignment]
        hold(block, layer)
    return module


@pytest.fixture(params=sorted(KINDS))
def model(request: Any) -> Model:
    return Model.build(multiplying(request.param))


def test_the_very_parameter_is_found() -> None:
    for block in Model.build(multiplying("vectors of both")).anatomy.blocks:
        assert block.attention is not None
        assert block.mlp is not None
        found = (*block.gains, block.attention.write.scale, block.mlp.writes[0].scale)
        assert found == tuple(StoredFactor(block.module, name) for name in "ghst")


def test_numbers_are_found_exactly() -> None:
    for layer, block in enumerate(Model.build(multiplying("numbers")).anatomy.blocks):
        k = 2 * layer + 2
        wanted = (((k - 1) / k) ** 0.5, (k / (k + 1)) ** 0.5)
        assert block.gains == pytest.approx(wanted, rel=1e-15)


def test_a_parallel_block_has_one_gain() -> None:
    for block in Model.build(multiplying("parallel")).anatomy.blocks:
        assert block.parallel
        assert block.gains == (StoredFactor(block.module, "g"), 1.0)


def test_what_adds_up_plainly_has_no_gains() -> None:
    anatomy = Model.build(TinyTransformer(TinyConfig()).eval()).anatomy
    assert not anatomy.multiplies
    assert anatomy.carried(0, "head", Slot("mlp", 0)) == 1.0
    assert anatomy.carried(None, "embed", Slot("logits")) == 1.0
    assert anatomy.carried(1, "head", Slot("q", 1, 0)) == 0.0
    parallel = Model.build(TinyTransformer(TinyConfig(parallel=True)).eval()).anatomy
    assert parallel.carried(0, "head", Slot("mlp", 0)) == 0.0


def streams_read(module: Any, moved: tuple[str, int], by: Tensor) -> dict[Slot, Tensor]:
    """The stream at every reading point, all terms held fixed but one, which is moved ``by``."""
    read: dict[Slot, Tensor] = {}
    constant = torch.Generator().manual_seed(5)
    handles = []

    def held_at(writer: tuple[str, int], scale: Any) -> Any:
        value = torch.randn(1, 6, 16, dtype=torch.float64, generator=constant)
        return lambda m, args, out: value + (by / scale if writer == moved else 0.0)

    def reading(slot: Slot) -> Any:
        return lambda m, args: read.__setitem__(slot, args[0].detach())

    handles.append(
        module.layers[0].register_forward_pre_hook(
            lambda m, args: (args[0] + by, *args[1:]) if moved == ("embed", 0) else None
        )
    )
    for i, block in enumerate(module.layers):
        handles.append(
            block.attention.register_forward_hook(held_at(("head", i), block.factor("s")))
        )
        handles.append(block.attention_norm.register_forward_pre_hook(reading(Slot("q", i, 0))))
        if block.mlp is not None:
            handles.append(block.mlp.register_forward_hook(held_at(("mlp", i), block.factor("t"))))
            handles.append(block.mlp_norm.register_forward_pre_hook(reading(Slot("mlp", i))))
    handles.append(module.norm.register_forward_pre_hook(reading(Slot("logits"))))
    with torch.no_grad():
        module(torch.tensor([[3, 7, 11, 2, 9, 4]]))
    for handle in handles:
        handle.remove()
    return read


def test_carried_is_how_far_a_moved_term_moves_what_is_read(model: Model) -> None:
    module: Any = model.module
    by = torch.randn(1, 6, 16, dtype=torch.float64)
    plain = streams_read(module, ("nothing", 0), by)
    writers = [("embed", 0)]
    for i, block in enumerate(model.anatomy.blocks):
        writers += [("head", i)] if block.mlp is None else [("head", i), ("mlp", i)]
    for kind, layer in writers:
        moved = streams_read(module, (kind, layer), by)
        assert len(moved) == len(plain) > 2
        for slot in moved:
            factor = model.anatomy.carried(None if kind == "embed" else layer, kind, slot)  # type: ignore[arg-type]
            torch.testing.assert_close(moved[slot] - plain[slot], by * factor)


def test_taps_read_and_write_terms_as_the_stream_gets_them(model: Model) -> None:
    block = model.anatomy.blocks[1]
    before, after = pellucid.Site("resid_pre", 1), pellucid.Site("resid_pre", 2)
    kinds = ["attn_out"] if block.mlp is None else ["attn_out", "mlp_out"]
    seen: dict[Any, Tensor] = {}
    new = torch.randn(1, 6, 16, dtype=torch.float64)
    from pellucid.model.running.forward import Batch, forward

    taps: Any = {site: lambda v, s=site: seen.__setitem__(s, v.clone()) for site in (before, after)}
    taps |= {pellucid.Site(kind, 1): lambda v: new for kind in kinds}
    with torch.no_grad():
        batch = Batch(tokens=torch.tensor([[3, 7, 11, 2, 9, 4]]))
        forward(model.module, model.anatomy, batch, taps=taps)
    found = block.after(block.middle(seen[before], new), None if block.mlp is None else new)
    torch.testing.assert_close(seen[after], found)


def moved_metric(model: Model, node: Any, size: float) -> float:
    """The metric on the clean prompt with a node moved by ``size`` of its corrupted difference."""
    trace = pellucid.record(model, PAIR)
    site = pellucid.Site("z" if node.kind == "head" else "mlp_out", node.layer)
    step = size * (trace.corrupted[site] - trace.clean[site])
    block = model.anatomy.blocks[node.layer]
    part: Any
    if node.kind == "head":
        assert block.attention is not None
        change = torch.zeros_like(step)
        change[..., node.head, :] = step[..., node.head, :]
        part = block.attention.out_proj
        handle = part.register_forward_pre_hook(lambda m, args: (args[0] + change.flatten(-2),))
    else:  # the MLP's term is the last thing added
        handle = block.module.register_forward_hook(
            lambda m, args, out: (out[0] + step, *out[1:]) if isinstance(out, tuple) else out + step
        )
    with torch.no_grad():
        logits = model.module(input_ids=torch.tensor([PAIR.clean])).logits[0, -1]
    handle.remove()
    return float(logits[6] - logits[8])


def worst_disagreement(model: Model, size: float) -> float:
    """Largest difference of an estimate from its central difference, relative to the largest."""
    estimates = pellucid.attribute(model, PAIR, method="atp")
    gaps = [
        (moved_metric(model, node, -size) - moved_metric(model, node, size)) / (2 * size) - found
        for node, found in zip(model.nodes, estimates.estimate.tolist(), strict=True)
        if node.kind != "embed"
    ]
    return max(map(abs, gaps)) / float(estimates.estimate.abs().max())


def test_node_estimates_are_central_differences(model: Model) -> None:
    assert worst_disagreement(model, 1e-4) < 1e-7


@pytest.mark.parametrize("family", ["doge", "beam", "gemma4_text", "gemma4_unified_text"])
def test_node_estimates_of_families_are_central_differences(family: str) -> None:
    # Their norms compute in single precision whatever the model's dtype.
    assert worst_disagreement(Model.build(tiny_model(family).double()), 1e-2) < 1e-3


@pytest.mark.parametrize(
    ("family", "gains"),
    [
        ("doge", ("input_residual", "post_attention_residual")),
        ("gemma4_text", (1.0, "layer_scalar")),
        ("gemma4_unified_text", (1.0, "layer_scalar")),
    ],
)
def test_gains_of_families_are_their_own_parameters(family: str, gains: Any) -> None:
    for block in Model.build(tiny_model(family)).anatomy.blocks:
        found = [gain.name if isinstance(gain, StoredFactor) else gain for gain in block.gains]
        assert found == list(gains)


def test_beam_scales_by_depth() -> None:
    for layer, block in enumerate(Model.build(tiny_model("beam")).anatomy.blocks):
        k = 2 * (layer + 1)
        wanted = (((k - 1) / k) ** 0.5, (k / (k + 1)) ** 0.5)
        assert block.gains == pytest.approx(wanted, rel=1e-15)
        assert block.attention is not None
        assert block.attention.write.scale == pytest.approx(k**-0.5, rel=1e-15)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["doge", "gemma4_text", "gemma4_unified_text"])
def test_half_precision_does_not_hide_a_gain(family: str, dtype: torch.dtype) -> None:
    exact = Model.build(tiny_model(family)).anatomy
    found = Model.build(tiny_model(family).to(dtype)).anatomy
    ones = torch.ones(32, dtype=dtype)
    for one, other in zip(found.blocks, exact.blocks, strict=True):
        for gain, wanted in zip(one.gains, other.gains, strict=True):
            assert torch.equal(times(ones, gain), times(ones, wanted))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_numbers_are_found_in_half_precision_or_not_guessed(dtype: torch.dtype) -> None:
    blocks = Model.build(tiny_model("beam").to(dtype)).anatomy.blocks
    found = [gain for block in blocks for gain in block.gains]
    wanted = [((k - 1) / k) ** 0.5 for k in range(2, 8)]
    assert found == pytest.approx(wanted, rel=torch.finfo(dtype).eps)
    faint: Any = tiny_model("beam")
    with torch.no_grad():  # the first layer's stream drowns in the rounding of what is added
        faint.model.embed_tokens.weight.mul_(0.05)
    with pytest.raises(UnsupportedArchitectureError, match=r"layer 0: .*dtype='float32'"):
        Model.build(faint.to(dtype))


@pytest.mark.parametrize("family", ["doge", "gemma4_text"])
def test_gains_follow_the_weights_and_the_dtype(family: str) -> None:
    module = tiny_model(family)
    model = Model.build(module)
    slots = [Slot("q", layer, 0) for layer in range(3)] + [Slot("logits")]
    before = [model.anatomy.carried(None, "embed", slot) for slot in slots]
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if name.endswith(("residual", "layer_scalar")):
            value.data.mul_(1.5)
    module.double()  # buffers are new tensors now
    assert model.selfcheck().stream_error < 1e-6
    after = [model.anatomy.carried(None, "embed", slot) for slot in slots]
    each = [torch.as_tensor(a / b).mean() for a, b in zip(after, before, strict=True)]
    grown = [float(later / earlier) for earlier, later in pairwise(each)]
    assert grown == pytest.approx([1.5**2 if family == "doge" else 1.5] * 3, rel=1e-5)
