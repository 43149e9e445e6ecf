"""Lenses against TransformerLens 4, an independent implementation. Run where it is installed."""

import copy

import pytest
import torch

import pellucid
from pellucid import Contrast, Model

bridges = pytest.importorskip("transformer_lens.model_bridge")
analysis = pytest.importorskip("transformer_lens.tools.analysis")
detector = pytest.importorskip("transformer_lens.head_detector")
pytestmark = [
    pytest.mark.optional,
    pytest.mark.smol,
    # The other library's own warnings are its own.
    pytest.mark.filterwarnings("ignore"),
]
PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
REPEATED = "one red fish swims home tonight. one red fish swims home tonight. one red fish"
KINDS = {
    "previous": "previous_token_head",
    "duplicate": "duplicate_token_head",
    "induction": "induction_head",
}


def bridge_of(model: Model):
    """A bridge around a copy, since a bridge changes the model that it is given."""
    return bridges.TransformerBridge.boot_transformers(
        "meta-llama/Llama-3.2-1B", hf_model=copy.deepcopy(model.module), tokenizer=model.tokenizer
    )


@pytest.fixture(scope="module")
def raw(smol):
    return bridge_of(smol)


@pytest.fixture(scope="module")
def folded(smol):
    """The final norm's gain folded into the unembedding, which their attribution asks for."""
    bridge = bridge_of(smol)
    bridge.enable_compatibility_mode()
    return bridge


@pytest.fixture(scope="module")
def ids(smol) -> list[int]:
    return smol.tokenizer(PROMPT)["input_ids"]


def test_the_logit_lens_reads_the_same_logits_and_ranks(smol, raw, ids):
    targets = [" Mary", " John"]
    ours = pellucid.logit_lens(smol, ids, targets=targets)
    wanted = [smol.tokenizer(t)["input_ids"][0] for t in targets]
    theirs = analysis.logit_lens(
        raw, torch.tensor([ids]), positions=None, targets=wanted, return_type="logits"
    )
    whole = [0, *(i for i, point in enumerate(ours.points) if point.sublayer == "mlp")]
    found = theirs.values[-len(whole) :, 0]  # layer pos target
    torch.testing.assert_close(ours.prompt.target_logit[whole], found, rtol=1e-4, atol=2e-3)
    ranks = theirs.readout.target_ranks[-len(whole) :, 0] + 1
    assert (ours.prompt.target_rank[whole] == ranks).float().mean() > 0.99  # near ties may swap


def test_shares_of_heads_and_sublayers_are_the_same(smol, folded, ids):
    ours = pellucid.direct_effects(smol, Contrast(PROMPT, CORRUPTED, " Mary", " John"))
    shares = dict(zip((t.name for t in ours.terms), ours.per_example[0].tolist(), strict=True))
    answer, foil = (smol.tokenizer(t)["input_ids"][0] for t in (" Mary", " John"))

    def theirs(unit: str) -> dict[str, float]:
        found = analysis.direct_logit_attribution(
            folded, torch.tensor([ids]), answer, foil, unit=unit
        )
        return dict(zip(found.labels, found.attribution.flatten().tolist(), strict=True))

    heads = theirs("head")
    for name in (name for name in shares if "H" in name):
        assert heads[name] == pytest.approx(shares[name], abs=2e-4)
    parts = theirs("component")
    assert parts["embed"] == pytest.approx(shares["embed"], abs=2e-4)
    for layer in range(30):
        assert parts[f"{layer}_mlp_out"] == pytest.approx(shares[f"M{layer}"], abs=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_heads_look_where_their_detector_says(smol, raw, kind):
    tokens = raw.to_tokens(REPEATED)
    ours = pellucid.attention(smol, tokens[0].tolist())
    theirs = detector.detect_head(raw, REPEATED, KINDS[kind], exclude_bos=True).flatten()
    # Theirs is the part on targets of all attention that is not on the first token; heads that
    # rest there have next to none, and a ratio of rounding errors.
    elsewhere = tokens.shape[1] - 1 - ours.share["first"].nansum(-1)
    torch.testing.assert_close(
        ours.share[kind].nansum(-1), theirs * elsewhere, rtol=1e-3, atol=1e-3
    )
