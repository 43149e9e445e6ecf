"""Activations in a folder: written part by part, gone on with after a kill, opened without loading.

    activations.json         settings, sizes, cost, versions; replaced last when a part is written
    tokens.safetensors       ids [token];  lengths  [text 2], kept and given;  digests  [text 32]
    blocks.L.HOOK.safetensors   values [token ...], one file a site

While it is written it stands beside its place, hidden; what a killed writer left is cut back to the
last whole part.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.errors import ResultFileError
from pellucid.model.sites import Site
from pellucid.passes import Passes
from pellucid.results.checksum import CHECKSUM, demand_unchanged, read_json, signed
from pellucid.results.disk.files import replace_file
from pellucid.results.disk.growing import GrowingTensor, mapped
from pellucid.results.disk.places import reporting
from pellucid.run.corpus.fill import Layout
from pellucid.run.corpus.texts import Text, as_tensors

MANIFEST, SCHEMA = "activations.json", 2
TABLES: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
    "tokens": (torch.int32, ()),
    "lengths": (torch.int64, (2,)),
    "digests": (torch.uint8, (32,)),
}


@dataclass(frozen=True, kw_only=True)
class About:
    """Where activations come from."""

    model: str
    weight_hash: str
    """``Model.weight_hash`` of the model that was read."""
    sites: tuple[str, ...]
    dtype: str | None
    """What values were asked to be kept in; None for the model's own."""
    batching: str
    too_long: str
    memory_budget: int
    notes: tuple[str, ...] = ()
    passes: Passes = field(default_factory=Passes)
    versions: Mapping[str, str]

    def difference(self, other: "About") -> str | None:
        """The first setting in which two differ, in words."""
        for name in ("weight_hash", "sites", "dtype", "batching", "too_long", "memory_budget"):
            one, two = getattr(self, name), getattr(other, name)
            if one != two:
                return f"it has {name}={two!r}, not {one!r}"
        return None


@dataclass(frozen=True)
class Manifest:
    """What ``activations.json`` says."""

    about: About
    texts: int
    rows: Mapping[str, int]
    """Rows of each file."""

    def to_json(self) -> bytes:
        """The file's content."""
        body = {"schema": SCHEMA, "kind": "activations", **asdict(self)}
        return json.dumps(signed(body), indent=1).encode()

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """That of ``folder``.

        **Raises** ``ResultFileError`` when it is missing, damaged or newer.
        """
        try:
            body = read_json((folder / MANIFEST).read_text(encoding="utf-8"))
            if int(body["schema"]) > SCHEMA:
                raise ResultFileError(
                    f"{folder} was written with schema {body['schema']}; this version reads up to "
                    f"{SCHEMA}. Upgrade pellucid."
                )
            if body["schema"] != 1 or CHECKSUM in body:  # early folders have no checksum
                demand_unchanged(body)
            about = {**body["about"], "passes": Passes(**body["about"]["passes"])}
            for name in ("sites", "notes"):
                about[name] = tuple(about[name])
            rows = {str(name): int(n) for name, n in body["rows"].items()}
            return cls(About(**about), int(body["texts"]), rows)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResultFileError(
                f"{folder} holds no activations that can be read: {type(error).__name__}: {error}. "
                "Give a folder that activations(folder=...) or save() wrote."
            ) from error


class Writer:
    """Appends parts to a draft."""

    def __init__(self, draft: Path, target: Path, about: About, layouts: Sequence[Layout]) -> None:
        self.draft, self.target = draft, target
        self._files = {
            name: GrowingTensor(draft / f"{name}.safetensors", *table)
            for name, table in TABLES.items()
        } | {
            one.site.name: GrowingTensor(_file(draft, one.site), one.dtype, one.row)
            for one in layouts
        }
        if (draft / MANIFEST).exists():
            self.manifest = Manifest.read(draft)
        else:
            self.manifest = Manifest(about, 0, dict.fromkeys(self._files, 0))
        with reporting(target):
            for name, file in self._files.items():
                file.keep(self.manifest.rows[name])

    def check(self, texts: Iterator[Text]) -> None:
        """Take from ``texts`` those that were read already.

        **Raises** ``ResultFileError`` when they are other texts.
        """
        demand_same(self._files["digests"].read(self.manifest.texts), texts, self.draft)

    def append(self, texts: Sequence[Text], values: Mapping[Site, Tensor], spent: About) -> None:
        """Write one part; it counts once all of it is on the disk.

        ``spent`` has the passes of this part, and the notes of all.
        """
        parts = dict(zip(TABLES, as_tensors(texts), strict=True))
        parts |= {site.name: value for site, value in values.items()}
        rows = dict(self.manifest.rows)
        with reporting(self.target):
            for name, part in parts.items():
                self._files[name].append(part)
                rows[name] += len(part)
            about = replace(spent, passes=self.manifest.about.passes + spent.passes)
            self.manifest = Manifest(about, self.manifest.texts + len(texts), rows)
            replace_file(self.draft / MANIFEST, self.manifest.to_json())

    def close(self) -> None:
        """Write the headers, so that the files can be read."""
        with reporting(self.target):
            for name, file in self._files.items():
                file.close(self.manifest.rows[name])


def demand_same(digests: Tensor, texts: Iterator[Text], folder: Path) -> None:
    """Take one text for each digest.

    **Raises** ``ResultFileError`` naming the first that is another.
    """
    for number, digest in enumerate(digests):
        text = next(texts, None)
        if text is None or text.digest != bytes(digest.tolist()):
            found = "is not there" if text is None else "is another"
            raise ResultFileError(
                f"{folder} holds {len(digests)} texts, and text {number} of those given {found}. "
                "Give the texts of the first call, or remove the folder."
            )


def resumable(draft: Path, about: About) -> bool:
    """Whether ``draft`` has parts that can be gone on with.

    **Raises** ``ResultFileError`` when it has parts that were read under other settings.
    """
    if not (draft / MANIFEST).exists():
        return False
    if difference := about.difference(Manifest.read(draft).about):
        raise ResultFileError(
            f"Reading into this folder was begun before and not ended, in {draft}, and "
            f"{difference}. Give the settings of then to go on, or remove that folder."
        )
    return True


def opened_values(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """The manifest and every tensor, none of them loaded.

    **Raises** ``ResultFileError`` for a folder that is not whole.
    """
    from safetensors import SafetensorError

    manifest = Manifest.read(folder)
    found = {}
    for name, rows in manifest.rows.items():
        try:
            found[name] = mapped(folder / f"{name}.safetensors")
        except (OSError, SafetensorError) as error:
            raise ResultFileError(
                f"{folder} is damaged: {name}: {error}. Make it again."
            ) from error
        if len(found[name]) != rows:
            raise ResultFileError(
                f"{folder} is damaged: {name} has {len(found[name])} rows and not {rows}."
            )
    return manifest, found


def versions() -> dict[str, str]:
    """Of what computes the values."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers")}


def _file(folder: Path, site: Site) -> Path:
    return folder / f"{site.name}.safetensors"


def plain_dtype(dtype: Any) -> str | None:
    """``float32`` for ``torch.float32``."""
    return None if dtype is None else str(dtype).removeprefix("torch.")
