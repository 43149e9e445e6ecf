"""Folders, hub names, objects and arguments. All sockets are blocked for the whole test run."""

import json
import os
import shutil
import subprocess
import sys
import time

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
from safetensors.torch import load_file, save_file

from pellucid import Contrast, load, patch
from pellucid.errors import (
    CorruptModelError,
    ModelError,
    ModelNotFoundError,
    TokenError,
    UnsupportedArchitectureError,
)
from pellucid.model.opening.load import resolve

TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def tiny(**changes):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=64,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        **changes,
    )
    return transformers.GPT2LMHeadModel(config).eval()


def words():
    from tokenizers import Tokenizer, models, pre_tokenizers

    backend = Tokenizer(models.WordLevel({f"w{i}": i for i in range(64)}, unk_token="w0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="w0")


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    tiny().save_pretrained(folder)
    words().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def change_weights(folder, change):
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


# Arguments


def test_opening_is_imported_and_refuses_without_torch():
    code = (
        "import sys\n"
        "from pellucid.errors import ModelError\n"
        "from pellucid.model.opening.load import load\n"
        "for bad in ({'dtype': 'int7'}, {'device': 'GPU 1'}, {'source': '/nowhere/at/all'}):\n"
        "    try: load(**bad)\n"
        "    except ModelError: pass\n"
        "    else: sys.exit('accepted')\n"
        "sys.exit(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)) or 0)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float12"}, "float12.*float32, float64, bfloat16, float16"),
        ({"dtype": torch.int8}, "int8"),
        ({"device": 0}, "'cpu' or 'cuda:0'"),
        ({"device": "cuda:77"}, "Available: cpu"),
        ({"device": "tpu"}, "Available: cpu"),
        ({"revision": "main"}, "hub name"),
        ({"tokenizer": 3}, "tokenizer is a int"),
        ({"tokenizer": print}, "builtin_function"),
    ],
)
def test_bad_arguments_are_refused(saved, arguments, message):
    with pytest.raises(ModelError, match=message):
        resolve(saved, **arguments)


@pytest.mark.parametrize("source", [3.14, torch.nn.Linear(2, 2), ("a", "b", "c"), ["gpt2"]])
def test_things_that_are_no_models_are_refused(source):
    with pytest.raises(ModelError, match=r"not a model|plain torch module|A tuple should be"):
        resolve(source)


# Folders


def test_folder_opens_to_the_same_logits(saved):
    opened = resolve(saved)
    assert torch.equal(logits(opened.hf), logits(tiny()))
    assert opened.hf.dtype == torch.float32
    assert opened.hf.device.type == "cpu"
    assert opened.tokenizer("w3 w1").input_ids == [3, 1]
    assert (opened.origin.kind, opened.origin.name) == ("folder", saved.name)
    assert opened.origin.path == str(saved)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.bfloat16, "torch.bfloat16"])
def test_dtype_is_the_one_asked_for(saved, dtype):
    assert resolve(str(saved), dtype=dtype, device="cpu").hf.dtype == torch.bfloat16


def test_tokenizer_that_is_passed_is_used(saved, tmp_path):
    tokenizer = words()
    assert resolve(saved, tokenizer=tokenizer).tokenizer is tokenizer
    tiny().save_pretrained(tmp_path / "bare")
    opened = resolve(tmp_path / "bare", tokenizer=str(saved))
    assert opened.tokenizer("w2").input_ids == [2]
    assert opened.origin.tokenizer == str(saved)
    with pytest.raises(ModelNotFoundError, match="holds no tokenizer"):
        resolve(saved, tokenizer=str(tmp_path / "bare"))


def spoil_tokenizer(folder, how):
    if how == "missing":
        for file in folder.glob("tokenizer*"):
            file.unlink()
        return
    file = folder / "tokenizer_config.json"
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    file.write_text(json.dumps(json.loads(file.read_text()) | own))
    (folder / "tokenizer.json").rename(folder / "vocab.txt")


@pytest.mark.parametrize(
    ("how", "message"),
    [("missing", "holds no tokenizer"), ("unknown", "could not be loaded")],
)
def test_a_folder_without_a_tokenizer_that_can_be_read_opens_and_says_so(folder, how, message):
    spoil_tokenizer(folder, how)
    model = load(folder)
    assert model.tokenizer is None
    (note,) = model.notes
    assert message in note
    assert "token ids" in note
    assert "tokenizer= (--tokenizer" in note
    assert model.describe()["notes"] == [note]
    question = Contrast([3, 7, 11], [3, 7, 5], 6, 8)
    assert patch(model, question).per_example.abs().max() > 0
    with pytest.raises(TokenError, match=r"no tokenizer.*ids.*tokenizer="):
        patch(model, Contrast("w3", "w4", 6, 8))
    assert not load(folder, tokenizer=words()).notes


def test_a_tokenizer_that_is_damaged_is_refused_with_the_way_around_it(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {')
    with pytest.raises(ModelError, match="--tokenizer"):
        load(folder)
    assert load(folder, tokenizer=words()).tokenizer is not None


def test_what_the_weights_are_on_the_disk_is_said(tmp_path):
    for name, notes in (("bfloat16", 0), ("float32", 0), ("float64", 1)):
        tiny().to(getattr(torch, name)).save_pretrained(tmp_path / name)
        model = load(tmp_path / name, tokenizer=words())
        assert model.describe()["stored_dtype"] == name
        assert len(model.notes) == notes
        assert model.dtype == torch.float32
    assert model.notes[0].startswith("The weights are float64 on the disk and were rounded to")
    assert not load(tmp_path / "float64", tokenizer=words(), dtype="float64").notes
    halved = load(tmp_path / "bfloat16", tokenizer=words(), dtype="float16")
    assert "rounded to float16" in halved.notes[0]


def test_code_beside_a_known_type_is_not_run_and_said(folder):
    code = 'raise SystemExit("it ran")'
    (folder / "own.py").write_text(code)
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoModelForCausalLM": "own.Own", "AutoConfig": "own.OwnConfig"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": own}))
    model = load(folder)
    assert type(model.module).__name__ == "GPT2LMHeadModel"
    (note,) = model.notes
    assert "own.Own" in note
    assert "was not run" in note


def test_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"no config\.json and no GGUF"):
        resolve(tmp_path)
    with pytest.raises(ModelNotFoundError, match="no file or folder"):
        resolve(tmp_path / "absent")
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"not a \.gguf file"):
        resolve(tmp_path / "model.bin")


def test_weights_cut_short_are_refused(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CorruptModelError, match=r"model\.safetensors cannot be read whole"):
        resolve(folder)


def test_weights_that_are_absent_are_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelNotFoundError, match="could not be opened"):
        resolve(folder)
    index = {"metadata": {}, "weight_map": {"transformer.wte.weight": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CorruptModelError, match=r"lacks model-1\.safetensors"):
        resolve(folder)


def test_parameter_without_values_is_refused(folder):
    name = "transformer.h.1.attn.c_attn.bias"
    change_weights(folder, lambda w: {key: value for key, value in w.items() if key != name})
    with pytest.raises(CorruptModelError, match=f"1 parameters, among them {name}"):
        resolve(folder)


def test_parameter_of_another_shape_is_refused(folder):
    change_weights(folder, lambda w: w | {"transformer.ln_f.bias": torch.zeros(17)})
    with pytest.raises(CorruptModelError, match=r"transformer\.ln_f\.bias"):
        resolve(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameter_that_is_not_finite_is_named(folder, value):
    name = "transformer.h.0.mlp.c_fc.bias"

    def spoil(weights):
        weights[name][3] = value
        return weights

    change_weights(folder, spoil)
    with pytest.raises(CorruptModelError, match=f"{name} holds 1 values of 64"):
        resolve(folder)


def test_config_that_cannot_be_used_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "never_heard_of"}))
    with pytest.raises(UnsupportedArchitectureError, match="never_heard_of"):
        resolve(folder)
    remote = {"auto_map": {"AutoModelForCausalLM": "code.Model", "AutoConfig": "code.Config"}}
    (folder / "config.json").write_text(json.dumps(config | remote | {"model_type": "custom"}))
    with pytest.raises(ModelError, match="Python code of its own"):
        resolve(folder)


@pytest.mark.parametrize("content", ["", '{"model_type": "gpt2", "n_la', "{not json", "\x00\x01"])
def test_config_cut_short_is_corrupt(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(CorruptModelError, match=r"config\.json cannot be read as JSON .*copy it"):
        resolve(folder)


def test_config_that_is_no_object_or_no_text_is_corrupt(folder):
    (folder / "config.json").write_text('["gpt2"]')
    with pytest.raises(CorruptModelError, match=r"holds no JSON object but \['gpt2'\]"):
        resolve(folder)
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptModelError, match="cannot be read as JSON"):
        resolve(folder)


@pytest.mark.parametrize(("field", "value"), [("n_layer", "three"), ("n_embd", {})])
def test_config_with_a_value_that_does_not_fit_is_corrupt(folder, field, value):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(CorruptModelError, match=f"does not fit .*{field}"):
        resolve(folder)


def test_config_that_counts_fewer_layers_than_there_are_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_layer": 1}))
    with pytest.raises(CorruptModelError, match=r"more layers .* among them transformer\.h\.1\."):
        resolve(folder)


# Hub names


@pytest.fixture
def cached(saved, tmp_path, monkeypatch):
    """A Hugging Face cache that holds tests/tiny at COMMIT."""
    home = tmp_path / "hub" / "models--tests--tiny"
    shutil.copytree(saved, home / "snapshots" / COMMIT)
    # With peft installed, transformers asks for an adapter, too: the cache knows of none.
    (home / ".no_exist" / COMMIT).mkdir(parents=True)
    (home / ".no_exist" / COMMIT / "adapter_config.json").touch()
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def test_cached_name_opens_offline(cached):
    for opened in (resolve("tests/tiny", offline=True), resolve("tests/tiny")):
        assert torch.equal(logits(opened.hf), logits(tiny()))
        assert opened.tokenizer("w3").input_ids == [3]
        assert (opened.origin.kind, opened.origin.name) == ("hub", "tests/tiny")
        assert opened.origin.revision == COMMIT
    assert resolve(tiny(), tokenizer="tests/tiny").tokenizer("w3").input_ids == [3]


@pytest.mark.parametrize("offline", [True, False])
def test_name_that_is_not_cached_says_so_soon(cached, offline):
    started = time.monotonic()
    with pytest.raises(ModelNotFoundError, match="not in the local Hugging Face cache") as caught:
        resolve("tests/other", offline=offline)
    assert ("offline was asked" in str(caught.value)) == offline
    assert (caught.value.__cause__ is None) == offline
    assert time.monotonic() - started < 20


def answering(monkeypatch, error):
    def model_info(self, *arguments, **options):
        raise error.__new__(error)

    monkeypatch.setattr(HfApi, "model_info", model_info)


def test_hub_that_says_no_is_believed(cached, monkeypatch):
    answering(monkeypatch, RepositoryNotFoundError)
    with pytest.raises(ModelNotFoundError, match="no model 'tests/tiny' that you may read"):
        resolve("tests/tiny")
    answering(monkeypatch, RevisionNotFoundError)
    with pytest.raises(ModelNotFoundError, match="no revision 'v9'"):
        resolve("tests/tiny", revision="v9")


def test_commit_that_the_hub_names_is_opened(cached, monkeypatch):
    class Info:
        sha = COMMIT

    monkeypatch.setattr(HfApi, "model_info", lambda *arguments, **options: Info())
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *arguments, **options: "")
    opened = resolve("tests/tiny", revision="main", tokenizer=words())
    assert opened.origin.revision == COMMIT


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_hub_that_stops_answering_gives_our_error(cached, monkeypatch):
    class Info:
        sha = COMMIT[::-1]

    monkeypatch.setattr(HfApi, "model_info", lambda *arguments, **options: Info())
    with pytest.raises(ModelError, match="could not be"):
        resolve("tests/tiny")


def test_name_that_reads_like_a_path_is_not_sought_on_the_hub():
    with pytest.raises(ModelNotFoundError, match="smollm2-135m, gemma3-270m"):
        resolve("some/long/path")


# Objects


def test_object_is_left_as_it_is():
    model = tiny().train()
    model.transformer.wte.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    opened = resolve(model)
    assert opened.hf is model
    assert opened.tokenizer is None
    assert opened.origin.kind == "object"
    assert model.training
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == [
        "transformer.wte.weight"
    ]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_object_keeps_its_dtype_and_device():
    assert resolve(tiny(), dtype="float32", device="cpu").hf is not None
    with pytest.raises(ModelError, match=r"float32 on cpu.*model\.to"):
        resolve(tiny(), dtype="float64")
    with pytest.raises(ModelError, match="float32 on cpu"):
        resolve(tiny(), device="cuda")


def test_objects_that_cannot_be_used_are_refused():
    with pytest.raises(UnsupportedArchitectureError, match="GPT2Model has no language-model head"):
        resolve(tiny().transformer)
    spoiled = tiny()
    with torch.no_grad():
        spoiled.transformer.h[1].attn.c_proj.weight[2, 3] = float("nan")
    with pytest.raises(CorruptModelError, match=r"transformer\.h\.1\.attn\.c_proj\.weight"):
        resolve(spoiled)
    with torch.device("meta"):
        empty = tiny()
    with pytest.raises(ModelError, match="not in memory"):
        resolve(empty)


def test_large_finite_values_are_not_taken_for_infinite():
    model = tiny()
    with torch.no_grad():
        model.transformer.wpe.weight.fill_(3e38)
    assert resolve(model).hf is model
