"""Composition against the whole matrices, known answers, and rotations really drawn."""

import math

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, Olmo2Config, Olmo2ForCausalLM

import pellucid
from pellucid import Composition, EditError, Model, Site, UnsupportedArchitectureError
from pellucid.lens.composition.factors import compose, factors, reader, writer
from pellucid.lens.composition.weights import fold_of, head_matrices
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.handbuilt import INDUCTION, PREVIOUS_TOKEN, VOCAB, induction_model
from tests.models.readable import readable, shake, small_gpt2, small_llama


def gpt2_matrices(model):
    """W_Q, W_K, W_V [layer head d_head d_model] and W_O [layer head d_model d_head], folded."""
    blocks, centre = model.module.transformer.h, torch.eye(32) - torch.ones(32, 32) / 32
    found = []
    for block in blocks:
        joined = block.ln_1.weight[:, None] * block.attn.c_attn.weight  # d_model 3*d_model
        q, k, v = (centre.double() @ joined).T.split(32)
        heads = [w.reshape(4, 8, 32) for w in (q, k, v)]
        found.append((*heads, block.attn.c_proj.weight.reshape(4, 8, 32).mT))
    return found


def llama_matrices(model):
    found = []
    for block in model.module.model.layers:
        gain, a = block.input_layernorm.weight, block.self_attn
        q = (a.q_proj.weight * gain).reshape(4, 8, 32)
        k, v = ((p.weight * gain).reshape(2, 8, 32)[[0, 0, 1, 1]] for p in (a.k_proj, a.v_proj))
        found.append((q, k, v, a.o_proj.weight.reshape(32, 4, 8).transpose(0, 1)))
    return found


@pytest.mark.parametrize(
    ("make", "matrices", "centres"),
    [(small_gpt2, gpt2_matrices, True), (small_llama, llama_matrices, False)],
)
def test_scores_are_those_of_the_whole_matrices(make, matrices, centres):
    model = make()
    found = pellucid.composition(model)
    layers = matrices(model)
    for sender in found.senders:
        *_, value, output = (w[sender.head] for w in layers[sender.layer])
        w_ov = output @ value
        if centres:
            w_ov = w_ov - w_ov.mean(0)
        for receiver in found.receivers:
            q, k, v, o = (w[receiver.head] for w in layers[receiver.layer])
            for kind, whole in {"q": k.T @ q, "k": q.T @ k, "v": o @ v}.items():
                got = found.between(sender.name, receiver.name, kind)
                if sender.layer >= receiver.layer:
                    assert math.isnan(got)
                    continue
                wanted = (whole @ w_ov).norm() / (whole.norm() * w_ov.norm())
                assert got == pytest.approx(float(wanted), rel=1e-5)


def test_chance_mean_and_spread_are_those_of_rotations_drawn():
    generator = torch.Generator().manual_seed(0)
    d, draws = 6, 40_000
    reads = torch.randn(1, 2, d, generator=generator, dtype=torch.float64)
    writes = torch.randn(1, 3, d, generator=generator, dtype=torch.float64)
    turned = torch.linalg.qr(torch.randn(draws, d, d, generator=generator, dtype=torch.float64))
    rotation = turned.Q * turned.R.diagonal(dim1=1, dim2=2).sign()[:, None]
    squared = (reads @ rotation @ writes.mT).square().sum((1, 2))
    score, z, _ = compose(factors(reads), factors(writes), d)[:, 0, 0].tolist()
    norms = float(reads.norm() * writes.norm())
    assert float(squared.mean()) == pytest.approx(norms**2 / d, rel=0.02)
    observed = (score * norms) ** 2
    assert z == pytest.approx(float((observed - squared.mean()) / squared.std()), abs=0.03)


def test_no_rotation_goes_beyond_the_maximum_and_one_reaches_it():
    generator = torch.Generator().manual_seed(1)
    reads = torch.randn(1, 3, 8, generator=generator, dtype=torch.float64)
    writes = torch.randn(1, 3, 8, generator=generator, dtype=torch.float64)
    left, s, _ = torch.linalg.svd(writes, full_matrices=False)
    aligned = left * s[:, None] @ torch.linalg.svd(reads, full_matrices=False).Vh
    top = compose(factors(reads), factors(writes), 8)
    assert float(top[0]) < float(top[2])
    best = compose(factors(reads), factors(aligned), 8)
    assert float(best[0]) == pytest.approx(float(best[2])) == pytest.approx(float(top[2]))


def test_a_head_that_writes_what_a_key_reads_reaches_the_maximum():
    found = pellucid.composition(Model.build(induction_model()))
    frame = found.to_frame()
    pair = frame.query(f"sender == '{PREVIOUS_TOKEN}' and node == '{INDUCTION}'")
    by_kind = pair.set_index("composition")
    # Twelve directions of one size each way: no rotation does better than 1 / sqrt(12).
    assert by_kind.loc["k", "score"] == pytest.approx(VOCAB**-0.5, rel=1e-5)
    assert by_kind.loc["k", "score"] == pytest.approx(by_kind.loc["k", "maximum"], rel=1e-5)
    assert by_kind.loc["q", "score"] == pytest.approx(0, abs=1e-6)
    assert by_kind.loc["v", "score"] == pytest.approx(0, abs=1e-6)
    assert by_kind.loc["k", "z"] > 10 > 0 > by_kind.loc["q", "z"]
    # The other heads read and write nothing, so they have no score.
    assert set(frame["sender"]) == {PREVIOUS_TOKEN}
    assert set(frame["node"]) == {INDUCTION}


def test_independent_heads_score_as_chance_does():
    config = TinyConfig(hidden_size=64, num_attention_heads=8, num_key_value_heads=8, head_dim=8)
    found = pellucid.composition(Model.build(TinyTransformer(config, seed=3).eval()))
    frame = found.to_frame()
    assert found.chance == pytest.approx(1 / 8)
    assert float((frame["score"] ** 2).mean() ** 0.5) == pytest.approx(1 / 8, rel=0.03)
    assert abs(float(frame["z"].mean())) < 0.3
    assert float(frame["z"].std()) == pytest.approx(1, abs=0.25)


def test_eigenvalue_scores_are_those_of_the_vocabulary_matrices():
    model = small_gpt2()
    found = pellucid.composition(model).heads_frame().set_index("node")
    embed = model.module.transformer.wte.weight
    normed = torch.nn.functional.normalize(embed - embed.mean(-1, keepdim=True), dim=-1)
    final = model.module.transformer.ln_f.weight
    unembed = model.module.lm_head.weight * final
    unembed = unembed - unembed.mean(-1, keepdim=True)
    for layer, matrices in enumerate(gpt2_matrices(model)):
        for head in range(4):
            q, k, v, o = (w[head] for w in matrices)
            for column, whole in {
                "copying": unembed @ o @ v @ normed.T,
                "matching": normed @ q.T @ k @ normed.T,
            }.items():
                values = torch.linalg.eigvals(whole)
                wanted = float(values.real.sum() / values.abs().sum())
                assert found.loc[f"L{layer}H{head}", column] == pytest.approx(wanted, abs=1e-5)


def test_the_hand_built_induction_head_copies_and_matches_nothing():
    found = pellucid.composition(Model.build(induction_model())).heads_frame().set_index("node")
    assert found.loc[INDUCTION, "copying"] == pytest.approx(1)
    assert math.isnan(found.loc["L0H0", "copying"])


def gemma2():
    config = Gemma2Config(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    return Gemma2ForCausalLM(config)


def olmo2():
    config = Olmo2Config(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    return Olmo2ForCausalLM(config)


@pytest.fixture(params=["gpt2", "llama", "gemma2", "olmo2"])
def model(request):
    if request.param in ("gpt2", "llama"):
        return {"gpt2": small_gpt2, "llama": small_llama}[request.param]()
    torch.manual_seed(0)
    module = {"gemma2": gemma2, "olmo2": olmo2}[request.param]().double().eval()
    shake(module)
    return Model.build(module)


@pytest.mark.parametrize("kind", ["q", "k", "v"])
def test_folded_matrices_read_the_stream_as_the_model_does(model, kind):
    """The odd part of what the model projects from x is the folded matrix times x, to a scale."""
    attention = model.anatomy.blocks[1].attention
    with undisturbed(model.module):
        m = head_matrices(attention, 32)
    matrix = {"q": m.query, "k": m.key, "v": m.value}[kind]
    x = torch.randn(1, 5, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = {}
    for sign in (1, -1):

        def keep(value, sign=sign):
            seen[sign] = value

        taps = {Site("resid_pre", 1): lambda _, sign=sign: sign * x, Site(kind, 1): keep}
        with undisturbed(model.module), torch.no_grad():
            forward(model.module, model.anatomy, Batch(tokens=torch.arange(1, 6)[None]), taps=taps)
    odd = ((seen[1] - seen[-1]) / 2)[0]
    mine = torch.einsum("pd,hcd->phc", x[0], matrix)
    both = [t.flatten(1) / t.flatten(1).norm(dim=1, keepdim=True) for t in (odd, mine)]
    torch.testing.assert_close(both[0], both[1], rtol=1e-4, atol=1e-5)


def test_a_norm_behind_the_output_projection_is_folded_too():
    torch.manual_seed(0)
    module = gemma2().double().eval()
    shake(module)
    model = Model.build(module)
    attention = model.anatomy.blocks[0].attention
    found = head_matrices(attention, 32).output
    gain = 1 + module.model.layers[0].post_attention_layernorm.weight
    wanted = attention.head_weight() * gain
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [7, 8])
@pytest.mark.parametrize("kind", [torch.nn.LayerNorm, torch.nn.RMSNorm])
def test_the_gain_of_a_norm_is_read_off_its_answers(width, kind):
    norm = kind(width, dtype=torch.float64)
    shake(norm)
    found = fold_of(norm, width, torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(found.gain, norm.weight.detach())
    assert found.centres == (kind is torch.nn.LayerNorm)


class Squashed(torch.nn.Module):
    """A norm that is no ordinary one: what it gives is bent afterwards."""

    def forward(self, x):
        return torch.tanh(torch.nn.functional.rms_norm(x, x.shape[-1:]))


def test_a_norm_that_cannot_be_folded_is_refused_and_leaves_copying_unmeasured():
    tiny = TinyTransformer(TinyConfig())
    for layer in tiny.layers:
        layer.attention_norm = Squashed()
    model = readable(tiny)
    with pytest.raises(UnsupportedArchitectureError, match="Squashed is no layer norm"):
        pellucid.composition(model)
    roles = pellucid.head_roles(model, sequences=2, length=8, nulls=1, controls=1)
    assert "copying" in roles.unmeasured
    assert "previous" not in roles.unmeasured


def test_factors_keep_the_norms_of_the_whole_matrices():
    model = small_llama()
    with undisturbed(model.module):
        m = head_matrices(model.anatomy.blocks[0].attention, 32)
    w_ov = torch.einsum("hdo,hdi->hoi", m.output, m.shared(m.value))
    w_qk = torch.einsum("hdq,hdk->hqk", m.query, m.shared(m.key))
    for factor, whole in (
        (writer(m), w_ov),
        (reader(m, "v"), w_ov),
        (reader(m, "q"), w_qk),
        (reader(m, "k"), w_qk),
    ):
        torch.testing.assert_close(factor.norm(dim=(1, 2)), whole.norm(dim=(1, 2)))


def test_some_heads_and_kinds_are_those_of_all():
    model = small_llama()
    whole = pellucid.composition(model)
    part = pellucid.composition(model, "L0H1", ["L2H3", "L1H0"], kinds=("k",))
    assert part.score.shape == (1, 2, 1)
    for receiver in ("L1H0", "L2H3"):
        wanted = whole.between("L0H1", receiver, "k")
        assert part.between("L0H1", receiver, "k") == pytest.approx(wanted)
    with pytest.raises(EditError, match="not in this result"):
        part.between("L0H1", "L1H0", "q")


def test_what_is_not_there_is_named():
    model = small_llama()
    with pytest.raises(
        EditError, match="senders=: No part named L7H0: there are L0H0, L0H1 to L2H3"
    ):
        pellucid.composition(model, "L7H0")
    with pytest.raises(EditError, match="choose from"):
        pellucid.composition(model, kinds=("o",))


def test_it_is_saved_and_reads_well(tmp_path):
    found = pellucid.composition(small_llama())
    again = Composition.load(found.save(tmp_path / "composition"))
    assert torch.equal(again.score, found.score) or again.score.isnan().any()
    assert again.to_frame().equals(found.to_frame())
    assert str(again) == str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert "K-composition" in str(found)


@pytest.mark.smol
def test_smollm2_s_induction_heads_read_keys_from_its_previous_token_head(smol):
    found = pellucid.composition(smol, receivers=["L17H3", "L17H4", "L17H5", "L18H6"], kinds=("k",))
    for receiver in found.receivers:
        part = found.to_frame().query(f"node == '{receiver.name}'")
        best = part.nlargest(2, "score")
        assert "L16H0" in set(best["sender"])
        row = part.set_index("sender").loc["L16H0"]
        assert row["score"] > 3 * found.chance
        assert row["score"] > 0.8 * row["maximum"]
