"""Results survive being written down, and a broken file says what is wrong with it."""

import json
import os
from dataclasses import replace

import pytest
import torch

import pellucid
from pellucid import Analysis, Attribution, Circuit, Faithfulness, PatchEffects, Result
from pellucid.errors import ResultFileError
from pellucid.results.checksum import digest_of_file, signed
from pellucid.results.disk.saved import tensors_name


@pytest.fixture(scope="module")
def results(one_tiny, pair):
    return [
        pellucid.analyze(one_tiny, pair, insist=True, random_sets=2),
        pellucid.attribute(one_tiny, pair),
        pellucid.discover(one_tiny, pair, insist=True),
        pellucid.faithfulness(one_tiny, pair, ["L0H1"]),
        pellucid.patch(one_tiny, pair, sites="resid", positions="each"),
    ]


def put_tensor(value):
    """A change of the JSON of an attribution: another tensor."""
    return lambda body: {**body, "fields": {**body["fields"], "difference": value}}


def same(one, other) -> bool:
    """Equal field by field, tensors by value."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.allclose(one, other, 0, 0, equal_nan=True)
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, f), getattr(other, f)) for f in one.__dataclass_fields__)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


def test_what_is_saved_is_what_is_loaded(results, tmp_path):
    kinds = [Analysis, Attribution, Circuit, Faithfulness, PatchEffects]
    for kind, result in zip(kinds, results, strict=True):
        folder = result.save(tmp_path / kind.__name__)
        assert same(kind.load(folder), result)
        assert same(kind.load(folder / "result.json"), result)
        result.save(folder)  # replaces itself
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_what_to_json_gives_is_read_back_whole(results, tmp_path):
    file = tmp_path / "result.json"
    patches = results[-1]
    without_places = replace(patches, places=(), per_example=patches.per_example[:, :, :0])
    for result in [*results, without_places]:
        file.write_text(result.to_json())
        assert same(type(result).load(file), result)


def test_what_is_not_finite_is_nan_when_json_is_read_back(results, tmp_path):
    values = torch.full_like(results[-1].per_example, torch.inf)
    (tmp_path / "r.json").write_text(replace(results[-1], per_example=values).to_json())
    assert PatchEffects.load(tmp_path / "r.json").per_example.isnan().all()


@pytest.mark.parametrize(
    "broken",
    [
        "[1]",
        "{}",
        '{"schema": 2}',
        json.dumps(signed({"schema": 2, "type": "PatchEffects", "fields": {}})),
    ],
)
def test_a_json_file_of_something_else_is_refused(broken, tmp_path):
    (tmp_path / "r.json").write_text(broken)
    with pytest.raises(ResultFileError, match=r"r\.json is (not a readable saved|damaged)"):
        PatchEffects.load(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        ({"tensor": [[1.0], [1.0, 2.0]], "dtype": "float32"}, "damaged"),
        ({"tensor": [1.0], "dtype": "float32", "shape": [7]}, "damaged"),
        ({"tensor": [1.0], "dtype": "nonsense"}, "damaged"),
        ({"tensor": [[1.0]], "dtype": "float32"}, "damaged.*metric_clean|metric_clean should be"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(results, tmp_path, tensor, says):
    body = json.loads(results[-1].to_json())
    body["fields"]["metric_clean"] = tensor
    (tmp_path / "r.json").write_text(json.dumps(signed(body)))
    with pytest.raises(ResultFileError, match=says):
        PatchEffects.load(tmp_path / "r.json")


def test_json_is_json_without_nan(results):
    for result in results:
        text = result.to_json()
        assert json.loads(text)["schema"] == 2
        assert "NaN" not in text
        assert "Infinity" not in text


def test_what_is_written_as_json_is_read_back(results, tmp_path):
    for result in results:
        again = Result.from_json(result.to_json())
        assert type(again) is type(result)
        assert same(again, result)
        folder = result.save(tmp_path / "one")
        body, tensors = sorted(folder.iterdir())
        found = Result.from_json(body.read_text(), tensors=tensors.read_bytes())
        assert same(found, result)
        assert same(Result.load(folder), result)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: {**body, "schema": 3}, "Upgrade pellucid"),
        (lambda body: {**body, "type": "Model"}, "holds the kind 'Model', which this version"),
        (lambda body: {**body, "type": []}, "does not know"),
        (lambda body: {**body, "fields": {}}, "damaged"),
        (put_tensor({"tensor": [[1], [1, 2]], "dtype": "float32"}), "damaged"),
        (put_tensor({"tensor": [10**30], "dtype": "int64"}), "damaged"),
        (put_tensor({"tensor": [1.0], "dtype": "manual_seed"}), "'manual_seed' is no dtype"),
        (put_tensor({"stored": "t0"}), "damaged: KeyError"),
    ],
)
def test_json_that_cannot_be_read_says_why(results, change, says):
    body = json.loads(results[1].to_json())
    with pytest.raises(ResultFileError, match=says):
        Result.from_json(json.dumps(signed(change(body))))


@pytest.mark.parametrize(
    "text", ["", "{", "[{}]", "[" * 100_000, '{"schema": null}', '{"schema": 1}']
)
def test_what_is_no_result_at_all_is_refused(text):
    with pytest.raises(ResultFileError):
        Result.from_json(text)
    with pytest.raises(ResultFileError):
        Result.from_json('{"schema": 1}', tensors=b"no tensors")


def test_an_interrupted_save_leaves_the_old_result(results, tmp_path, monkeypatch):
    import safetensors.torch

    folder = results[1].save(tmp_path / "kept")
    monkeypatch.setattr(safetensors.torch, "save_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        results[1].save(folder)
    assert same(Attribution.load(folder), results[1])
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def test_what_cannot_be_read_says_why(results, tmp_path):
    folder = results[1].save(tmp_path / "result")
    with pytest.raises(ResultFileError, match=r"Read it with Attribution\.load"):
        Circuit.load(folder)
    body = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**body, "schema": 99}))
    with pytest.raises(ResultFileError, match="Upgrade pellucid"):
        Attribution.load(folder)
    (folder / "result.json").write_text('{"schema": 1, "type"')
    with pytest.raises(ResultFileError, match="not a readable saved result"):
        Attribution.load(folder)
    with pytest.raises(ResultFileError, match="not a readable saved result"):
        Attribution.load(tmp_path / "nowhere")


def edited(folder, change):
    """A saved result whose fields, or tensors, were changed, and the checksum after them."""
    from safetensors.torch import load_file, save_file

    body = json.loads((folder / "result.json").read_text())
    (before,) = folder.glob("tensors-*.safetensors")
    tensors = load_file(before)
    change(body["fields"], {name: f["stored"] for name, f in body["fields"].items()
                            if isinstance(f, dict) and "stored" in f}, tensors)  # fmt: skip
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, before)
    body["tensors"] = digest_of_file(before)
    before.rename(folder / tensors_name(body["tensors"]))
    (folder / "result.json").write_text(json.dumps(signed(body)))
    return folder


def put(name, value):
    return lambda fields, keys, tensors: fields.update({name: value})


def turn(name, change):
    return lambda fields, keys, tensors: tensors.update({keys[name]: change(tensors[keys[name]])})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("steps", "many"), r"Attribution\.steps should be int, and is a str: 'many'"),
        (put("steps", True), "steps should be int, and is a bool"),
        (put("steps", None), "steps should be int, and is None"),
        (put("method", "magic"), r"method should be Literal\['atp-mask'"),
        (put("nodes", ["L0H1"]), r"nodes should be tuple\["),
        (put("passes", 3), "passes should be Passes, and is a int: 3"),
        (put("passes", {"type": "Passes", "fields": {"forwards": 1.5}}), "forwards should be int"),
        (put("surprise", 1), "unexpected keyword argument 'surprise'"),
        (turn("by_position", torch.Tensor.long), "by_position.*example pos node"),
        (turn("by_position", lambda t: t[0]), "by_position.*example pos node"),
        (turn("difference", lambda t: t.repeat(2)), r"difference.*\[2\]"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change, says, results, tmp_path):
    folder = edited(results[1].save(tmp_path / "result"), change)
    with pytest.raises(ResultFileError, match=says):
        Attribution.load(folder)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_what_is_saved_has_the_permissions_that_the_user_wants(mask, results, tmp_path):
    before = os.umask(mask)
    try:
        folder = results[1].save(tmp_path / "result")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o666 & ~mask}


def test_a_folder_of_something_else_is_not_replaced(results, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(ResultFileError, match="not a saved result"):
        results[1].save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_the_summary_fits_eighty_columns(results):
    assert max(len(line) for line in str(results[0]).splitlines()) <= 80
