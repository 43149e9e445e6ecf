"""Values of a corpus are those of plain hooks and of ``record``, however they are read and kept."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import pellucid
from pellucid import Activations, Callback, Model, Site, activations
from pellucid.errors import (
    ArgumentError,
    BudgetError,
    ContextLengthError,
    EditError,
    NonFiniteError,
    ResultFileError,
    TaskError,
    TokenError,
)
from pellucid.model.sites import HOOK_NAMES, site_named
from pellucid.passes import metering
from pellucid.run.record import record
from tests.models.families import tiny_model as of_family
from tests.results.disk.writers import Nursery

LENGTHS = (5, 1, 9, 3, 9, 12, 2)
TEXTS = [[(3 * i + 7 * n) % 31 for i in range(n)] for n in LENGTHS]
SITES = [Site("z", 1), Site("resid_pre", 0), Site("mlp_out", 1)]


@pytest.fixture(scope="module")
def llama():
    return Model.build(of_family("llama").double().eval())


@pytest.mark.parametrize("variety", ["llama", "tiny"])
def test_every_site_has_the_values_of_a_recording(variety, one_tiny, llama, pair):
    model = llama if variety == "llama" else one_tiny
    absent = {"router", "experts"} | ({"pattern"} if variety == "tiny" else set())
    kinds = [kind for kind in HOOK_NAMES if kind not in absent]
    sites = [Site(kind, layer) for kind in kinds for layer in (0, 1)]
    trace = record(model, pair, sites=[Site("resid_pre", 0)], observed=sites)
    found = activations(model, [pair.clean, pair.corrupted], sites)
    for site in sites:
        for number, side in enumerate((trace.clean, trace.corrupted)):
            values = found.text(number)[site]
            expected = side[site] if site.kind == "pattern" else side[site][0]
            torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)


def closeness(family: str) -> dict[str, float]:
    """How closely two runs of a model in float64 agree; norms of gemma compute in float32."""
    single = family.startswith("gemma")
    return {"rtol": 1e-5, "atol": 1e-6} if single else {"rtol": 1e-11, "atol": 1e-12}


@pytest.mark.parametrize("batching", ["padded", "packed"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_values_are_those_of_plain_hooks_on_each_text_alone(name, batching):
    module = of_family(name).double().eval()
    model, seen = Model.build(module), {}
    block = model.anatomy.blocks[1].module
    handles = [
        block.register_forward_pre_hook(
            lambda m, args, kwargs: seen.update(stream=(args or [kwargs["hidden_states"]])[0]),
            with_kwargs=True,
        ),
        model.anatomy.blocks[1].attention.out_proj.register_forward_pre_hook(
            lambda m, args: seen.update(z=args[0])
        ),
    ]
    alone = []
    with torch.no_grad():
        for text in TEXTS:
            module(torch.tensor([text]))
            alone.append(dict(seen))
    for handle in handles:
        handle.remove()
    found = activations(model, TEXTS, ["L1 resid_pre", "blocks.1.attn.hook_z"], batching=batching)
    assert found.notes == ()
    for number, expected in enumerate(alone):
        one = found.text(number)
        for site, key in (("L1 resid_pre", "stream"), ("L1 z", "z")):
            own = one[site].flatten(1)
            torch.testing.assert_close(own, expected[key][0], **closeness(name))


def test_texts_are_not_packed_where_that_is_not_shown_to_be_exact(one_tiny):
    found = activations(one_tiny, TEXTS, SITES, batching="packed")
    assert "Texts were padded" in found.notes[0]
    plain = activations(one_tiny, TEXTS, SITES)
    assert plain.notes == ()
    assert all(torch.equal(found.values[site], plain.values[site]) for site in SITES)


def test_rows_say_which_token_of_which_text_they_are(llama):
    found = activations(llama, TEXTS, [*SITES, Site("pattern", 1)])
    assert found.tokens.tolist() == [i for text in TEXTS for i in text]
    assert found.text_of.tolist() == [n for n, text in enumerate(TEXTS) for _ in text]
    assert found.positions.tolist() == [p for text in TEXTS for p in range(len(text))]
    assert found.mask.sum(1).tolist() == list(LENGTHS)
    assert found.passes.forwards == len(TEXTS)
    rectangle = found.padded("L1 z")
    assert rectangle.shape[:2] == (7, 12)
    assert torch.equal(rectangle[found.mask], found["L1 z"])
    assert not rectangle[~found.mask].any()
    assert found["L1 pattern"].shape[0::2] == (7, 12)
    assert torch.equal(found["L1 pattern"][0, :, :5, :5], found.text(0)["L1 pattern"][0])
    torch.testing.assert_close(found["L1 pattern"].sum(-1)[:, 0], found.mask.double())
    assert torch.equal(found.text(-1)["L1 z"], found["L1 z"][-2:])
    assert repr(found).endswith("7 texts, 41 tokens, 4 sites>")


def test_batches_hold_every_token_once(one_tiny):
    found = activations(one_tiny, TEXTS * 9, Site("z", 0))
    in_order = list(found.batches("L0 z", 10))
    assert torch.equal(torch.cat(in_order), found["L0 z"])
    assert {len(batch) for batch in in_order[:-1]} == {10}
    shuffled, again, other = (
        list(found.batches("L0 z", 10, shuffle_seed=seed)) for seed in (0, 0, 1)
    )
    assert {len(batch) for batch in shuffled[:-1]} == {10}
    assert all(map(torch.equal, shuffled, again))
    assert not torch.equal(torch.cat(shuffled), torch.cat(in_order))
    assert not torch.equal(torch.cat(shuffled), torch.cat(other))
    key = lambda rows: sorted(map(tuple, rows.flatten(1).tolist()))  # noqa: E731
    assert key(torch.cat(shuffled)) == key(torch.cat(in_order))


def test_layers_behind_the_last_site_are_not_run(one_tiny, monkeypatch):
    model, ran = one_tiny, []
    layer = {block.attention.module: i for i, block in enumerate(model.anatomy.blocks)}
    kind = type(model.anatomy.blocks[0].attention.module)
    plain = kind.forward

    def forward(part, *args):
        ran.append(f"layer {layer[part]}")
        return plain(part, *args)

    # Not by a hook: while there is one, every layer is run.
    monkeypatch.setattr(kind, "forward", forward)
    weight = model.anatomy.unembed.weight
    before = weight.detach().clone()
    activations(model, TEXTS[:1], "L0 z")
    ran.clear()
    with torch.no_grad():
        weight.fill_(torch.nan)  # a product with it would not be finite, and is not made
    try:
        found = activations(model, TEXTS, ["L0 z", "L1 resid_pre"])
    finally:
        with torch.no_grad():
            weight.copy_(before)
    assert "layer 0" in ran
    # The tries run everything once, to compare.
    assert ran.count("layer 1") < ran.count("layer 0") - 2
    assert found["L1 resid_pre"].isfinite().all()


def test_dtype_and_names(one_tiny):
    found = activations(one_tiny, TEXTS, ["mlp_out", "blocks.0.hook_resid_post"], dtype="float32")
    assert {value.dtype for value in found.values.values()} == {torch.float32}
    assert found.sites == (*(Site("mlp_out", layer) for layer in range(3)), Site("resid_pre", 1))
    assert site_named("L2.q") == Site("q", 2) == site_named("blocks.2.attn.hook_q")
    whole = activations(one_tiny, TEXTS, Site("mlp_out", 2))
    torch.testing.assert_close(whole["L2 mlp_out"].float(), found["L2 mlp_out"])


def test_values_that_do_not_fit_a_dtype_are_refused():
    model = Model.build(of_family("llama").eval())
    with torch.no_grad():
        model.module.get_input_embeddings().weight.mul_(1e6)
    with pytest.raises(NonFiniteError, match="not finite in torch.float16".replace(".", r"\.")):
        activations(model, TEXTS, "L0 resid_pre", dtype=torch.float16)
    found = activations(model, TEXTS, "L0 resid_pre", dtype=torch.bfloat16)
    assert found["L0 resid_pre"].dtype == torch.bfloat16


def arrays():
    yield from TEXTS


@pytest.mark.parametrize(
    "texts",
    [
        tuple(TEXTS),
        [np.array(text) for text in TEXTS],
        (torch.tensor(text) for text in TEXTS),
        arrays(),
        map(tuple, TEXTS),
    ],
)
def test_texts_may_be_held_in_many_ways(one_tiny, texts):
    found = activations(one_tiny, texts, "L0 z")
    assert torch.equal(found["L0 z"], activations(one_tiny, TEXTS, "L0 z")["L0 z"])


def test_one_text_and_a_rectangle_of_ids(one_tiny):
    rectangle = torch.tensor([TEXTS[2], TEXTS[4]])
    found = activations(one_tiny, rectangle, "L0 z")
    assert found.n_texts == 2
    assert activations(one_tiny, rectangle[0], "L0 z").n_texts == 1
    assert activations(one_tiny, TEXTS[0], "L0 z").n_texts == 1


def test_files_of_texts(random_gpt2, tmp_path):
    model = pellucid.load(random_gpt2)
    texts = ["Mary went to the store", "a 10 b", "John"]
    (tmp_path / "a.txt").write_text("\n".join([texts[0], "", *texts[1:], ""]))
    (tmp_path / "a.jsonl").write_text("".join(f'{{"text": "{one}", "n": 1}}\n' for one in texts))
    plain = activations(model, texts, "L1 z")
    for name in ("a.txt", "a.jsonl"):
        found = activations(model, tmp_path / name, "L1 z")
        assert torch.equal(found["L1 z"], plain["L1 z"])
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"words": "b"}\n')
    with pytest.raises(TaskError, match=r"bad\.jsonl, line 2"):
        activations(model, tmp_path / "bad.jsonl", "L1 z")
    with pytest.raises(TaskError, match=r"\.txt \(one a line\) or \.jsonl"):
        activations(model, tmp_path / "a.csv", "L1 z")
    with pytest.raises(TaskError, match="cannot be read"):
        activations(model, tmp_path / "nowhere.txt", "L1 z")
    with pytest.raises(TokenError, match="text 1"):
        activations(model, ["a", ""], "L1 z")


@pytest.mark.parametrize(
    ("texts", "options", "error", "says"),
    [
        ([], {}, TaskError, "There are no texts"),
        (iter(()), {}, TaskError, "There are no texts"),
        ([[1, 2], []], {}, TokenError, "text 1 is empty"),
        ([[1, 2], [1, 99]], {}, TokenError, "outside the vocabulary"),
        ([[1], 2.5], {}, TokenError, "text 1"),
        (["words"], {}, TokenError, "no tokenizer"),
        (7, {}, TaskError, "give a string, token ids"),
        ([[1] * 65], {}, ContextLengthError, "Text 0 has 65 tokens; the model reads at most 64"),
        (TEXTS, {"sites": "L9 z"}, EditError, "layers 0 to 2"),
        (TEXTS, {"sites": "z9"}, EditError, "No site is called 'z9'"),
        (TEXTS, {"sites": []}, EditError, "No site was asked for"),
        (TEXTS, {"sites": [3]}, ArgumentError, r"sites\[0\] should be Site or text"),
        (TEXTS, {"dtype": "int8"}, TaskError, "kept in one of float64"),
        (TEXTS, {"batching": "sorted"}, TaskError, "choose one of"),
        (TEXTS, {"too_long": "drop"}, TaskError, "choose one of"),
        (TEXTS, {"memory_budget": 5000}, BudgetError, r"Values of the first \d texts"),
        (TEXTS, {"memory_budget": 60_000}, BudgetError, "a text of 12 tokens takes"),
        (TEXTS, {"folder": "x", "device": "cuda"}, TaskError, "leave device= out"),
    ],
)
def test_what_cannot_be_read_says_why(one_tiny, texts, options, error, says):
    sites = options.pop("sites", ["L0 z"])
    with pytest.raises(error, match=says):
        activations(one_tiny, texts, sites, **options)


def test_contrasts_and_models_that_are_not_opened_are_refused(one_tiny, pair, batch):
    for texts in (pair, [pair], batch):
        with pytest.raises(TaskError):
            activations(one_tiny, texts, "L0 z")
    with pytest.raises(TaskError, match="has not been opened"):
        activations(one_tiny.module, TEXTS, "L0 z")


def test_long_texts_are_cut_where_asked(one_tiny):
    texts = [[1] * 70, [2] * 64, [3]]
    found = activations(one_tiny, texts, "L0 z", too_long="truncate")
    assert found.truncated == (0,)
    assert found.lengths.tolist() == [[64, 70], [64, 64], [1, 1]]


class Log(Callback):
    def __init__(self):
        self.steps = []

    def on_step(self, progress):
        self.steps.append((progress.what, progress.done, progress.total, progress.unit))


def test_texts_are_told_as_they_are_read(one_tiny, tmp_path):
    log = Log()
    with pellucid.watching(log):
        activations(one_tiny, TEXTS, "L0 z", folder=tmp_path / "a", memory_budget=9_000_000)
    assert log.steps[-1] == ("Reading activations", 7, 7, "texts")
    log.steps.clear()
    with pellucid.watching(log):
        activations(one_tiny, iter(TEXTS), "L0 z")
    assert log.steps[-1] == ("Reading activations", 7, None, "texts")


# Folders


def same(one, other):
    return (
        one.sites == other.sites
        and all(torch.equal(one.values[site], other.values[site]) for site in one.sites)
        and torch.equal(one.tokens, other.tokens)
        and torch.equal(one.lengths, other.lengths)
        and torch.equal(one.digests, other.digests)
    )


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
def test_a_folder_holds_what_memory_would(llama, tmp_path, dtype):
    sites = [*SITES, Site("pattern", 1)]
    plain = activations(llama, TEXTS, sites, dtype=dtype)
    found = activations(llama, TEXTS, sites, dtype=dtype, folder=tmp_path / "a")
    assert same(found, plain)
    assert same(Activations.open(tmp_path / "a"), plain)
    assert same(Activations.open(plain.save(tmp_path / "b")), plain)
    assert found.about.weight_hash == llama.weight_hash
    assert found.passes == plain.passes
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    with pytest.raises(ResultFileError, match="exists"):
        plain.save(tmp_path / "a")


def test_files_are_plain_safetensors(one_tiny, tmp_path):
    from safetensors.torch import load_file

    found = activations(one_tiny, TEXTS, SITES, folder=tmp_path / "a")
    read = load_file(tmp_path / "a" / "blocks.1.attn.hook_z.safetensors")
    assert torch.equal(read["values"], found["L1 z"])


def test_a_whole_folder_is_opened_and_nothing_run_of_its_texts(one_tiny, tmp_path):
    activations(one_tiny, TEXTS, SITES, folder=tmp_path / "a")
    with metering() as first:
        again = activations(one_tiny, iter(TEXTS), SITES, folder=tmp_path / "a")
    with metering() as all_of_it:
        activations(one_tiny, TEXTS, SITES)
    assert first.passes.forwards == all_of_it.passes.forwards - len(TEXTS)
    assert again.n_texts == len(TEXTS)


@pytest.mark.parametrize(
    ("texts", "options", "says"),
    [
        ([*TEXTS, [1]], {}, "the first 7 of these texts only"),
        (TEXTS[:-1], {}, "text 6 of those given is not there"),
        ([[1, 2], *TEXTS[1:]], {}, "text 0 of those given is another"),
        (TEXTS, {"sites": ["L1 z"]}, "it has sites="),
        (TEXTS, {"dtype": "float32"}, "it has dtype='None|it has dtype=None, not 'float32'"),
    ],
)
def test_a_folder_of_something_else_is_refused(one_tiny, tmp_path, texts, options, says):
    activations(one_tiny, TEXTS, ["L0 z"], folder=tmp_path / "a")
    with pytest.raises(ResultFileError, match=says):
        activations(one_tiny, texts, **{"sites": ["L0 z"], "folder": tmp_path / "a", **options})


def test_a_folder_of_another_model_and_of_others_are_refused(one_tiny, tiny, tmp_path):
    activations(one_tiny, TEXTS, "L0 z", folder=tmp_path / "a")
    if tiny.weight_hash != one_tiny.weight_hash:
        with pytest.raises(ResultFileError, match="weight_hash"):
            activations(tiny, TEXTS, "L0 z", folder=tmp_path / "a")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(ResultFileError, match="holds no activations"):
        activations(one_tiny, TEXTS, "L0 z", folder=tmp_path / "thesis")
    assert os.listdir(tmp_path / "thesis") == ["chapter.txt"]


def test_a_damaged_folder_says_so(one_tiny, tmp_path):
    activations(one_tiny, TEXTS, "L0 z", folder=tmp_path / "a")
    values = tmp_path / "a" / "blocks.0.attn.hook_z.safetensors"
    values.write_bytes(values.read_bytes()[:-8])
    with pytest.raises(ResultFileError, match="is damaged"):
        Activations.open(tmp_path / "a")
    manifest = tmp_path / "a" / "activations.json"
    text = manifest.read_text()
    for old, new in (('"forwards": ', '"forwards": -'), ('"texts": ', '"texts": 1, "texts": ')):
        manifest.write_text(text.replace(old, new))
        with pytest.raises(ResultFileError, match=r"checksum is another one|stands twice"):
            Activations.open(tmp_path / "a")
    manifest.write_text('{"schema": 99}')
    with pytest.raises(ResultFileError, match="Upgrade pellucid"):
        Activations.open(tmp_path / "a")


def test_what_was_begun_under_other_settings_is_not_lost(one_tiny, tmp_path, monkeypatch):
    def interrupted():
        yield from TEXTS * 40
        raise KeyboardInterrupt

    settings = {"folder": tmp_path / "a", "memory_budget": 9_000_000}
    many = {**settings, "sites": ["neurons", "resid_pre"]}
    monkeypatch.setattr("pellucid.run.corpus.activations.PART", 100_000)
    with pytest.raises(KeyboardInterrupt):
        activations(one_tiny, interrupted(), **many)
    with pytest.raises(ResultFileError, match=r"begun before and not ended, in .*sites="):
        activations(one_tiny, TEXTS * 40, "L0 z", **settings)
    with pytest.raises(ResultFileError, match="text 1 of those given is another"):
        activations(one_tiny, [TEXTS[0]] * 300, **many)
    with metering() as meter:
        found = activations(one_tiny, TEXTS * 40, **many)
    assert found.passes.forwards == 280 > meter.passes.forwards
    plain = activations(one_tiny, TEXTS * 40, many["sites"])  # in other calls: other roundings
    for site in plain.sites:
        torch.testing.assert_close(found[site], plain[site], rtol=1e-12, atol=1e-12)
    assert os.listdir(tmp_path) == ["a"]


READING = (
    """
import time
from pellucid import Model, activations
from pellucid.model.tiny import TinyConfig, TinyTransformer
import pellucid.run.corpus.activations as module
module.PART = 20_000
texts = [[(3 * i + 7 * n) % 31 for i in range(1 + n % 13)] for n in range(150)]
model = Model.build(TinyTransformer(TinyConfig()))
def slowly():
    for text in texts:
        time.sleep(0.001)
        yield text
""",
    """
activations(model, slowly(), ["L0 z", "L1 resid_pre"], folder=sys.argv[1])
""",
)


def demand_the_same_after_killed_readings(tmp_path, *, count):
    """Kill a reading up to five times at random moments and let it end: it gives the same bits."""
    target, whole, drawn, kills = tmp_path / "killed", tmp_path / "whole", random.Random(0), 0
    with Nursery(READING, whole) as nursery:
        assert not nursery.killed_after(None)
    with Nursery(READING, target) as nursery:
        while kills < count:
            for _ in range(5):
                kills += nursery.killed_after(drawn.uniform(0, 0.15))
                if target.exists():
                    break
            else:
                assert not nursery.killed_after(None)
            assert same(Activations.open(target), Activations.open(whole))
            assert sorted(os.listdir(tmp_path)) == ["killed", "whole"]
            shutil.rmtree(target)


def test_a_killed_reading_is_gone_on_with_to_the_same_bits(tmp_path):
    demand_the_same_after_killed_readings(tmp_path, count=10)


@pytest.mark.smol
def test_the_stated_peak_of_memory_is_kept(smol, tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of memory is read from Linux")
    texts = [
        "The quick brown fox jumps over the lazy dog and runs away. " * n for n in range(1, 18)
    ]
    options = {"sites": ["resid_pre", "L9 z"], "memory_budget": 120 << 20}
    activations(smol, texts[:3], **options)  # what libraries make once
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    found = activations(smol, texts, folder=tmp_path / "a", **options)
    assert resident("VmHWM") - before < options["memory_budget"]
    assert sum(value.nbytes for value in found.values.values()) > options["memory_budget"]


def resident(name):
    """Bytes of this process that are or were in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


@pytest.mark.smol
def test_a_real_model_gives_what_hugging_face_gives(smol):
    texts = ["The capital of France is Paris.", "Once", "When Mary and John went to the store"]
    found = activations(smol, texts, ["resid_pre", "blocks.29.hook_resid_post"])
    for number, text in enumerate(texts):
        ids = smol.tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            states = smol.module(ids, output_hidden_states=True).hidden_states
        for layer in range(30):
            own = found.text(number)[Site("resid_pre", layer)]
            torch.testing.assert_close(own, states[layer][0], rtol=1e-4, atol=2e-3)
