"""A type of saved results has one full name, and a name one type."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import pellucid
from pellucid import PatchEffects, Result
from pellucid.errors import ResultFileError
from pellucid.results.checksum import signed
from pellucid.results.registry import full_name, own_types, registered, stored

EARLY = """
{"schema": 1, "type": "Circuit", "fields": {
  "nodes": [{"type": "Node", "fields": {"kind": "head", "layer": 0, "head": 1}},
            {"type": "Node", "fields": {"kind": "mlp", "layer": 1, "head": null}}],
  "over": "heads+mlps", "method": "verified", "ablation": "corrupted", "target": 0.85,
  "estimates": [1.25, -0.5], "sufficiency": 0.9, "comprehensiveness": null, "minimal": true,
  "drops": [0.5, 0.25], "note": "", "budget": 150,
  "passes": {"type": "Passes", "fields": {"forwards": 12, "backwards": 0, "calls": 3}}}}
"""
"""As the first version wrote it."""


@dataclass(frozen=True, kw_only=True)
class Gauge(Result):
    """As somebody writes one in a module of theirs."""

    accuracy: float
    direction: torch.Tensor


def test_names_are_full_and_pellucids_own_are_written_short():
    assert full_name(PatchEffects) == "pellucid.PatchEffects"
    assert full_name(pellucid.Passes) == "pellucid.Passes"
    assert full_name(Gauge) == f"{__name__}.Gauge"
    probe = Gauge(accuracy=0.5, direction=torch.ones(3))
    assert json.loads(probe.to_json())["type"] == f"{__name__}.Gauge"
    again = Result.from_json(probe.to_json())
    assert isinstance(again, Gauge)
    assert again.direction.equal(probe.direction)
    assert "Gauge" not in own_types()


def test_a_class_called_like_one_of_ours_changes_nothing_for_ours(one_tiny, pair, tmp_path):
    effects = pellucid.patch(one_tiny, pair)
    ours = pellucid.PatchEffects

    class PatchEffects(Result):
        pass

    text = effects.to_json()
    assert json.loads(text)["type"] == "PatchEffects"
    assert type(Result.from_json(text)) is ours
    assert type(ours.load(effects.save(tmp_path / "effects"))) is ours
    with pytest.raises(ResultFileError, match=r"holds the kind PatchEffects, not .*PatchEffects"):
        PatchEffects.from_json(text)


def test_a_second_class_of_the_same_full_name_is_refused_where_it_is_defined():
    class First(Result, name="mylab.Steering"):
        pass

    with pytest.raises(TypeError, match=r"saved as 'mylab\.Steering', and so is .*First.*name="):

        class Second(Result, name="mylab.Steering"):
            pass

    assert registered("mylab.Steering") is First
    with pytest.raises(TypeError, match="begin"):

        class Third(Result, name="pellucid.PatchEffects"):
            pass

    with pytest.raises(TypeError, match="with a dot"):
        stored(name="Steering")(type("Fourth", (), {}))


def test_a_module_that_defines_a_class_twice_is_refused(tmp_path):
    body = "from pellucid import Result\nclass Mine(Result): pass\n"
    (tmp_path / "once.py").write_text(body)
    (tmp_path / "twice.py").write_text(f"{body}class Mine(Result): pass\n")
    code = "import once\ntry:\n    import twice\nexcept TypeError as error: print(error)"
    path = {"PYTHONPATH": f"{Path(pellucid.__file__).parent.parent}:{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True
    )
    assert "would be saved as 'twice.Mine', and so is twice.Mine" in done.stdout


def test_what_is_made_anew_in_its_own_place_is_no_second_class():
    def made():
        class Local(Result):
            pass

        return Local

    first, second = made(), made()
    assert first is not second
    assert registered(full_name(second)) is second

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Slotted(Result, name="mylab.Slotted"):
        value: int

    assert full_name(Slotted) == "mylab.Slotted"
    assert Result.from_json(Slotted(value=3).to_json()) == Slotted(value=3)


def test_files_of_before_full_names_are_read(one_tiny, pair):
    with pytest.warns(UserWarning, match="without a checksum"):
        circuit = Result.from_json(EARLY)
    assert isinstance(circuit, pellucid.Circuit)
    assert circuit.names == ("L0H1", "M1")
    assert circuit.passes == pellucid.Passes(forwards=12, calls=3)
    assert (circuit.provenance, circuit.refusal) == (None, None)
    fields = {"accuracy": 0.5, "direction": {"tensor": [1.0], "dtype": "float32", "shape": [1]}}
    early = {"schema": 1, "type": "Gauge", "fields": fields}
    for kind in (Gauge, Result):
        with pytest.warns(UserWarning, match="nothing shows whether its numbers"):
            assert isinstance(kind.from_json(json.dumps(early)), Gauge)
    written = json.loads(pellucid.attribute(one_tiny, pair).to_json())
    written["type"] = "pellucid.Attribution"  # the full name is read too
    assert isinstance(Result.from_json(json.dumps(signed(written))), pellucid.Attribution)


def test_a_kind_that_is_not_imported_names_what_to_import():
    body = json.dumps(signed({"schema": 2, "type": "thesis.probes.Other", "fields": {}}))
    with pytest.raises(ResultFileError, match=r"Import the module that defines thesis\.probes\."):
        Result.from_json(body)
    inside = {"places": {"type": "thesis.Place", "fields": {}}}
    body = json.dumps(signed({"schema": 2, "type": "PatchEffects", "fields": inside}))
    with pytest.raises(ResultFileError, match="Import the module"):
        PatchEffects.from_json(body)
