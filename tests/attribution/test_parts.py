"""Parts inside nodes, against plain PyTorch hooks and autograd, and a kind made up here."""

import pytest
import torch

import pellucid
from pellucid import Circuit, EditError, Node, PartKind, TaskError, register_part
from pellucid.model.parts import KINDS
from tests.models.questions import IOI
from tests.models.readable import small_gpt2, small_llama

PAIR = pellucid.Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def opened(request):
    return {"gpt2": small_gpt2, "llama": small_llama}[request.param]()


def down_projection(model, layer):
    module = model.module
    if hasattr(module, "transformer"):
        return module.transformer.h[layer].mlp.c_proj
    return module.model.layers[layer].mlp.down_proj


def logit_diff(model, prompt, *, change=None, layer=1, grad=False):
    """Logit difference under a hook on the down-projection, and what it read."""
    seen = []

    def hook(module, args):
        value = args[0] if change is None else change(args[0])
        seen.append(value)
        return (value,)

    handle = down_projection(model, layer).register_forward_pre_hook(hook)
    try:
        with torch.set_grad_enabled(grad):
            logits = model.module(torch.tensor([list(prompt)])).logits[0, -1]
    finally:
        handle.remove()
    return logits[PAIR.answer] - logits[PAIR.foil], seen[0]


def test_every_neuron_patched_is_what_a_plain_hook_measures(opened):
    found = pellucid.patch(opened, PAIR, sites="M1.neurons")
    clean, _ = logit_diff(opened, PAIR.clean)
    _, corrupted = logit_diff(opened, PAIR.corrupted)
    assert len(found.places) == corrupted.shape[-1]
    assert found.places[5].name == "M1N5"
    by_hand = []
    for i in range(corrupted.shape[-1]):

        def change(value, i=i):
            value = value.clone()
            value[..., i] = corrupted[..., i]
            return value

        by_hand.append(clean - logit_diff(opened, PAIR.clean, change=change)[0])
    torch.testing.assert_close(found.effect[0], torch.stack(by_hand), atol=1e-10, rtol=1e-8)


def test_neurons_at_positions_and_by_name_denoise(opened):
    found = pellucid.patch(
        opened, PAIR, sites="M1N2+M1N5", positions=[-1, 2], direction="denoising"
    )
    base, _ = logit_diff(opened, PAIR.corrupted)
    _, clean = logit_diff(opened, PAIR.clean)
    assert [place.name for place in found.places] == ["M1N2", "M1N5"]
    for row, position in enumerate((5, 2)):
        for column, i in enumerate((2, 5)):

            def change(value, position=position, i=i):
                value = value.clone()
                value[:, position, i] = clean[:, position, i]
                return value

            by_hand = logit_diff(opened, PAIR.corrupted, change=change)[0] - base
            assert float(found.effect[row, column]) == pytest.approx(float(by_hand), abs=1e-10)


def test_estimates_are_autograd_s_and_add_up_to_the_mlp_s(opened):
    found = pellucid.attribute(opened, PAIR, parts="M1.neurons")
    _, corrupted = logit_diff(opened, PAIR.corrupted)
    metric, clean = logit_diff(
        opened, PAIR.clean, change=lambda v: v.detach().requires_grad_(), grad=True
    )
    (gradient,) = torch.autograd.grad(metric, clean)
    by_hand = ((clean - corrupted) * gradient)[0].detach()
    torch.testing.assert_close(found.by_position[0], by_hand, atol=1e-10, rtol=1e-8)
    whole = pellucid.attribute(opened, PAIR, method="atp")
    mlp = whole.estimate[whole.nodes.index(Node("mlp", 1))]
    assert float(found.estimate.sum()) == pytest.approx(float(mlp), abs=1e-10)
    assert found.completeness == pytest.approx(whole.completeness)


def test_integrated_estimates_of_neurons_add_up_to_the_mlp_s(opened):
    found = pellucid.attribute(opened, PAIR, parts="M1.neurons", method="ig", steps=3)
    whole = pellucid.attribute(opened, PAIR, method="ig", steps=3)
    mlp = whole.estimate[whole.nodes.index(Node("mlp", 1))]
    assert float(found.estimate.sum()) == pytest.approx(float(mlp), abs=1e-10)
    with pytest.raises(TaskError, match="mixed twice"):
        pellucid.attribute(opened, PAIR, parts="M1.neurons", method="mask-ig")


def test_a_circuit_of_neurons_is_found_measured_saved_and_drawn(opened, tmp_path):
    over = "M0.neurons+M1.neurons"
    circuit = pellucid.discover(opened, PAIR, over=over, insist=True, budget=2000, target=0.7)
    total = sum(b.mlp.n_neurons for b in opened.anatomy.blocks[:2])
    measured = pellucid.faithfulness(opened, PAIR, circuit, random_sets=2)
    assert measured.out_of == total
    everything = pellucid.faithfulness(opened, PAIR, ["M1N2"], over="M1.neurons", random_sets=0)
    _, corrupted = logit_diff(opened, PAIR.corrupted)

    def but_one(value):
        return torch.where(torch.arange(value.shape[-1]) == 2, value, corrupted)

    by_hand, _ = logit_diff(opened, PAIR.clean, change=but_one)
    assert everything.metric_circuit == pytest.approx(float(by_hand), abs=1e-8)
    if circuit.nodes:
        assert measured.sufficiency == pytest.approx(circuit.sufficiency)
        circuit.plot()
    circuit.save(tmp_path / "neurons.json")
    assert Circuit.load(tmp_path / "neurons.json").nodes == circuit.nodes
    assert Circuit.load(tmp_path / "neurons.json").over == over


def test_a_trace_without_the_neurons_is_refused_or_recorded_again(opened):
    trace = pellucid.record(opened, PAIR)
    again = pellucid.attribute(opened, PAIR, trace=trace, parts="M1.neurons")
    fresh = pellucid.attribute(opened, PAIR, parts="M1.neurons")
    assert torch.equal(again.by_position, fresh.by_position)
    with pytest.raises(TaskError, match="hook_post"):
        pellucid.discover(opened, PAIR, over="M1.neurons", trace=trace)


def test_neurons_that_are_not_there_are_named(opened):
    for call in (
        lambda: pellucid.attribute(opened, PAIR, parts="M7.neurons"),
        lambda: pellucid.patch(opened, PAIR, sites="M7.neurons"),
        lambda: pellucid.discover(opened, PAIR, over="M7.neurons"),
    ):
        with pytest.raises(EditError, match=r"No part named M7\.neurons"):
            call()


@pytest.fixture(params=["probe first", "coordinate first"])
def probes(opened, request):
    """A kind of its own: two fixed directions in the stream that enters a layer.

    Beside it a coordinate of the stream, registered behind or before it.
    """
    d = opened.anatomy.d_model
    basis = torch.linalg.qr(torch.randn(d, 2, generator=torch.Generator().manual_seed(3)).double())
    basis = basis.Q.T

    def cut(x, i):
        return (x @ basis[i])[..., None]

    def put(x, piece, i):
        return x + (piece - cut(x, i)) * basis[i]

    probe = PartKind(
        kind="probe",
        form="L{layer}P{index}",
        site="resid_pre",
        count=lambda block: 2,
        all_of_layer="L{layer}.probes",
        cut=cut,
        put=put,
    )
    coordinate = PartKind(
        kind="coordinate", form="L{layer}D{index}", site="resid_pre", count=lambda block: d
    )
    before = dict(KINDS)
    for kind in (probe, coordinate):
        KINDS.pop(kind.kind, None)
    for kind in [probe, coordinate][:: 1 if request.param == "probe first" else -1]:
        register_part(kind)
    yield basis
    KINDS.clear()
    KINDS.update(before)


def stream_patched(model, prompt, change):
    """Logit difference with the stream that enters layer 1 changed by a plain hook."""
    module = model.module
    layers = module.transformer.h if hasattr(module, "transformer") else module.model.layers
    seen = []

    def hook(layer, args):
        seen.append(args[0])
        return (change(args[0]), *args[1:])

    handle = layers[1].register_forward_pre_hook(hook)
    try:
        with torch.no_grad():
            logits = module(torch.tensor([list(prompt)])).logits[0, -1]
    finally:
        handle.remove()
    return float(logits[PAIR.answer] - logits[PAIR.foil]), seen[0]


def test_a_kind_registered_by_a_user_is_ranked_patched_and_saved(opened, probes, tmp_path):
    clean, _ = stream_patched(opened, PAIR.clean, lambda x: x)
    _, corrupted = stream_patched(opened, PAIR.corrupted, lambda x: x)
    found = pellucid.patch(opened, PAIR, sites="L1.probes+L1D3")
    assert [place.name for place in found.places] == ["L1P0", "L1P1", "L1D3"]
    axis = torch.eye(opened.anatomy.d_model).double()[3]
    for column, direction in enumerate((probes[0], probes[1], axis)):

        def project(x, u=direction):
            return x + ((corrupted - x) @ u)[..., None] * u

        by_hand = clean - stream_patched(opened, PAIR.clean, project)[0]
        assert float(found.effect[0, column]) == pytest.approx(by_hand, abs=1e-10)

    ranked = pellucid.attribute(opened, PAIR, parts="L1.probes+L1D3")
    trace = pellucid.record(opened, PAIR, sites=[pellucid.Site("resid_pre", 1)])
    (site,) = trace.clean
    delta, gradient = trace.clean[site] - trace.corrupted[site], trace.gradient[site]
    expected = [float(((delta @ u) * (gradient @ u)).sum()) for u in (probes[0], probes[1], axis)]
    assert ranked.estimate.tolist() == pytest.approx(expected, abs=1e-10)

    measured = pellucid.faithfulness(opened, PAIR, ["L1P0"], over="L1.probes+L1D3", random_sets=0)
    assert measured.out_of == 3

    def but_the_first(x):
        return x + ((corrupted - x) @ probes[1])[..., None] * probes[1]

    circuit = pellucid.discover(opened, PAIR, over="L1.probes", insist=True)
    by_hand, _ = stream_patched(opened, PAIR.clean, but_the_first)
    one = pellucid.faithfulness(opened, PAIR, ["L1P0"], over="L1.probes", random_sets=0)
    assert one.metric_circuit == pytest.approx(by_hand, abs=1e-8)
    circuit.save(tmp_path / "probes.json")
    assert Circuit.load(tmp_path / "probes.json").names == circuit.names


@pytest.mark.smol
def test_all_neurons_of_one_mlp_of_a_real_model(smol):
    ranked = pellucid.attribute(smol, IOI, parts="M29.neurons")
    whole = pellucid.attribute(smol, IOI, method="atp")
    mlp = float(whole.estimate[whole.nodes.index(Node("mlp", 29))])
    assert len(ranked.nodes) == smol.anatomy.blocks[29].mlp.n_neurons == 1536
    assert float(ranked.estimate.sum()) == pytest.approx(mlp, abs=1e-3)
    best = [ranked.nodes[i] for i in ranked.estimate.abs().topk(2).indices.tolist()]
    found = pellucid.patch(smol, IOI, sites="+".join(node.name for node in best))
    down = smol.module.model.layers[29].mlp.down_proj
    clean, corrupted = (
        torch.tensor([smol.tokenizer(p)["input_ids"]]) for p in (IOI.clean, IOI.corrupted)
    )
    answer, foil = (smol.tokenizer(word)["input_ids"][0] for word in (IOI.answer, IOI.foil))

    def difference(ids, change):
        handle = down.register_forward_pre_hook(lambda module, args: (change(args[0]),))
        with torch.no_grad():
            logits = smol.module(ids).logits[0, -1]
        handle.remove()
        return float(logits[answer] - logits[foil])

    kept = []
    difference(corrupted, lambda value: kept.append(value) or value)
    base = difference(clean, lambda value: value)
    for place, effect in zip(found.places, found.effect[0].tolist(), strict=True):

        def change(value, i=place.head):
            value = value.clone()
            value[..., i] = kept[0][..., i]
            return value

        assert effect == pytest.approx(base - difference(clean, change), abs=1e-3)
