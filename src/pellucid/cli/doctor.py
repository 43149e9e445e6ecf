"""What this installation has and lacks, as data for `pellucid doctor`.

Each check looks at one thing and opens no model. A check that itself fails becomes a problem in the
list: somebody who runs the doctor has trouble already.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from pellucid.options import MODEL

# The oldest versions that pyproject.toml allows, of the packages that a model cannot open without.
REQUIRED = {
    "torch": (2, 6),
    "transformers": (5, 0),
    "safetensors": (0, 5),
    "gguf": (0, 17),
    "numpy": (2, 0),
    "platformdirs": (4, 0),
    "filelock": (3, 0),
}
OPTIONAL = ("transformer-lens", "nnsight", "peft", "captum", "mlflow", "wandb", "ray")
ROOM_BYTES = 2_000_000_000  # the largest embedded model converted, with its temporary copies


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what to do (empty when nothing)."""

    name: str
    status: Literal["ok", "warning", "problem"]
    found: str
    advice: str = ""


def examine() -> list[Check]:
    """Look at versions, devices, caches, embedded models and optional packages.

    Cost: imports torch; walks the two cache folders; opens no model and uses no network.
    """
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("pellucid", _pellucid),
        *((package, _required(package)) for package in REQUIRED),
        ("devices", _devices),
        ("pellucid cache", _our_cache),
        ("hugging face cache", _hub_cache),
        ("default model", _default_model),
        ("other embedded models", _other_models),
        ("optional packages", _optional),
    ]
    return [_guarded(name, check) for name, check in checks]


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # a broken installation can raise anything on import
        return Check(
            name,
            "problem",
            f"the check failed: {type(error).__name__}: {error}",
            "Install Pellucid anew in a fresh virtual environment.",
        )


def _python() -> Check:
    return Check("python", "ok", f"{sys.version.split()[0]} on {sys.platform}")


def _pellucid() -> Check:
    version = _version("pellucid")
    if version is None:
        return Check(
            "pellucid",
            "warning",
            "not installed as a package (run from its source folder)",
            "Install it with `pip install -e .` so that results can name its version.",
        )
    return Check("pellucid", "ok", version)


def _required(package: str) -> Callable[[], Check]:
    def check() -> Check:
        version, oldest = _version(package), REQUIRED[package]
        wanted = ".".join(str(number) for number in oldest)
        advice = f"Install it with `pip install '{package}>={wanted}'`."
        if version is None:
            return Check(package, "problem", "not installed", advice)
        if _numbers(version) < oldest:
            return Check(package, "problem", f"{version}, older than {wanted}", advice)
        return Check(package, "ok", version)

    return check


def _devices() -> Check:
    import torch

    from pellucid.model.opening.placement import available_devices

    names = ", ".join(available_devices())
    threads = torch.get_num_threads()
    found = f"{names}; {threads} threads of {os.cpu_count()} processors"
    return Check("devices", "ok", found)


def _our_cache() -> Check:
    from pellucid.model.opening.gguf_cache import cache_folder, leftovers

    folder = cache_folder()
    found = f"{folder}: {_size(folder.rglob('*'))}"
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(nearest, os.W_OK):
        advice = "Set PELLUCID_CACHE to a folder that can be written."
        return Check("pellucid cache", "problem", f"{found}, not writable", advice)
    if left := leftovers():
        advice = "They go when the next GGUF file is converted, unless one is being converted now."
        return Check("pellucid cache", "warning", f"{found}, {len(left)} unfinished", advice)
    free = shutil.disk_usage(nearest).free
    found = f"{found}, {_readable(free)} free on its disk"
    if free < ROOM_BYTES:
        advice = f"Converting a GGUF file may need {_readable(ROOM_BYTES)}. Free some space."
        return Check("pellucid cache", "warning", found, advice)
    return Check("pellucid cache", "ok", found)


def _hub_cache() -> Check:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    models = len(list(folder.glob("models--*")))
    found = f"{folder}: {models} models, {_size(folder.glob('models--*/blobs/*'))}"
    return Check("hugging face cache", "ok", found)


def _default_model() -> Check:
    from pellucid.model.opening.embedded import EMBEDDED

    found, installed, converted = _embedded(MODEL)
    if not installed:
        advice = f"Install it with `{EMBEDDED[MODEL].install}`, or pass a model of your own."
        return Check("default model", "warning", found, advice)
    if not converted:
        return Check("default model", "ok", found, "The first opening converts it, in about 10 s.")
    return Check("default model", "ok", found)


def _other_models() -> Check:
    from pellucid.model.opening.embedded import EMBEDDED

    others = [name for name in EMBEDDED if name != MODEL]
    states = [_embedded(name) for name in others]
    absent = [
        EMBEDDED[name].install
        for name, (_, installed, _) in zip(others, states, strict=True)
        if not installed
    ]
    advice = f"Optional: `{'`, `'.join(absent)}`." if absent else ""
    return Check("other embedded models", "ok", "; ".join(state[0] for state in states), advice)


def _embedded(name: str) -> tuple[str, bool, bool]:
    """Describe an embedded model; whether its packages are there; whether it was converted."""
    from pellucid.errors import MissingDependencyError
    from pellucid.model.opening.embedded import EMBEDDED, find
    from pellucid.model.opening.gguf_cache import folder_for, made_with

    try:
        find(name)
    except MissingDependencyError:
        return f"{name}: not installed", False, False
    converted = made_with(folder_for(EMBEDDED[name].sha256)) is not None
    return (
        f"{name}: installed, {'converted' if converted else 'not converted yet'}",
        True,
        converted,
    )


def _optional() -> Check:
    versions = {package: _version(package) for package in OPTIONAL}
    there = [f"{package} {version}" for package, version in versions.items() if version]
    absent = [package for package, version in versions.items() if not version]
    found = f"installed: {', '.join(there) or 'none'}; not installed: {', '.join(absent) or 'none'}"
    return Check("optional packages", "ok", found)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("+")[0].split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


def _size(paths: Iterable[Path]) -> str:
    return _readable(sum(path.lstat().st_size for path in paths if path.is_file()))


def _readable(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
