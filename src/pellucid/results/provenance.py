"""How a result was made: the record. ``run/provenance.py`` fills it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pellucid.results.passes import Passes
from pellucid.results.registry import stored

Plain: TypeAlias = float | int | str | bool | None


@stored
@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file that was read, so that another of the same name can be told from it."""

    name: str
    sha256: str


@stored
@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What is needed to make the same numbers again.

    Fields with a default were not written down by early versions.
    """

    pellucid: str
    torch: str
    transformers: str
    python: str
    model: str
    """Its name; empty, like all that is said of it, where no model was given."""
    model_source: str
    weight_hash: str
    dtype: str
    device: str
    threads: int
    seed: int | None
    """None where the call takes no seed."""
    command: str
    """What to type or to call."""
    created: str
    """When the call began: UTC, ISO 8601."""
    call: str = ""
    """The public function, ``attribute``."""
    question: tuple[Mapping[str, str | int | tuple[int, ...]], ...] = ()
    """What was asked, as it was given: contrasts as ``clean corrupted answer foil``, else
    ``prompt``."""
    asked: str = ""
    """SHA-256 over the token ids of the contrasts; empty where none was given."""
    options: Mapping[str, Plain] = field(default_factory=dict)
    """Every other argument; what is no plain value by its text or its type."""
    passes: Passes = field(default_factory=Passes)
    note: str = ""
    """What speaks against relying on it: that a file without a checksum could not be checked."""
    seconds: float = 0.0
    system: str = ""
    """Operating system and processor."""
    files: tuple[InputFile, ...] = ()
    """Files of prompts that the question was read from."""
