"""A result under the name that was asked for: .json and .csv are files, anything else a folder."""

from pathlib import Path
from typing import Any, Protocol

from pellucid.results.disk.csv_table import csv_of
from pellucid.results.disk.files import demand_file, write_file
from pellucid.results.disk.folders import demand_folder
from pellucid.results.disk.places import place
from pellucid.results.disk.saved import SAVED

FILES = (".json", ".csv")
"""Endings of what is one file."""


class Writable(Protocol):
    """A result."""

    def to_json(self, *, indent: int | None = None) -> str:
        """As one JSON document."""

    def to_frame(self) -> Any:
        """As a pandas table."""

    def save(self, path: str | Path) -> Path:
        """As a folder."""


def demand_out(path: str | Path) -> Path:
    """The absolute path of a result that can be written, looked at before anything is run.

    **Raises** ``ResultFileError`` when what stands there is not to be replaced, or nothing can be
    written.
    """
    if place(path).suffix in FILES:
        return demand_file(path)
    return demand_folder(path, SAVED)


def write_out(result: Writable, path: str | Path) -> Path:
    """Write ``result`` under ``path``, and give the absolute path.

    **Raises** ``ResultFileError`` as ``demand_out`` does, and when the disk is full.
    """
    target = place(path)
    if target.suffix == ".json":
        return write_file(target, result.to_json(indent=1))
    if target.suffix == ".csv":
        return write_file(target, csv_of(result.to_frame()))
    return result.save(target)
