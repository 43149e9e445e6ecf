from importlib import metadata

import pytest

from pellucid.cli import doctor
from pellucid.cli.doctor import Check, examine
from pellucid.model.opening.embedded import EMBEDDED


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def named(name):
    return next(check for check in examine() if check.name == name)


def test_every_check_is_made_once_and_says_something():
    checks = examine()
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.found for check in checks)
    assert all(check.advice for check in checks if check.status != "ok")


def test_nothing_required_is_missing_here():
    assert not [check for check in examine() if check.status == "problem"]


def test_versions_are_those_of_the_packages():
    assert named("torch").found == metadata.version("torch")
    assert named("transformers").found == metadata.version("transformers")


def test_absent_package_is_a_problem_with_a_command(monkeypatch):
    real = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda package: None if package == "gguf" else real(package)
    )
    assert named("gguf") == Check(
        "gguf", "problem", "not installed", "Install it with `pip install 'gguf>=0.17'`."
    )


def test_old_package_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: "4.57.1")
    assert named("transformers").status == "problem"
    assert named("torch").status == "ok"


def test_absent_default_model_gives_the_command(monkeypatch):
    def absent(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "files", absent)
    check = named("default model")
    assert check.status == "warning"
    assert EMBEDDED["smollm2-135m"].install in check.advice


def test_a_check_that_fails_is_a_problem_and_stops_nothing(monkeypatch):
    def broken():
        raise ImportError("libtorch.so is not there")

    monkeypatch.setattr(doctor, "_devices", broken)
    check = named("devices")
    assert check.status == "problem"
    assert "libtorch.so" in check.found
    assert named("optional packages").status == "ok"


def test_unfinished_conversions_are_reported(cache):
    (cache / "gguf" / "abc-v1.x.part").mkdir(parents=True)
    check = named("pellucid cache")
    assert check.status == "warning"
    assert "1 unfinished" in check.found


def test_sizes_read_well():
    assert [doctor._readable(n) for n in (0, 999, 1000, 538_090_408, 2e9)] == [
        "0 B",
        "999 B",
        "1 kB",
        "538 MB",
        "2.0 GB",
    ]
