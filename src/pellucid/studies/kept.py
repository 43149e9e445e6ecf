"""Analyses of a study that is under way, kept in a folder until all of them are there.

Each is called after the weights, the question and the options that it is of, so that a study that
was stopped goes on from there, and takes nothing that is of something else.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pellucid.analysis.options import AnalysisOptions
from pellucid.analysis.result import Analysis
from pellucid.errors import ResultFileError, TaskError
from pellucid.model.model import Model
from pellucid.results.disk.folders import kept_parts
from pellucid.results.disk.places import discard
from pellucid.task.contrast import ContrastBatch, Contrasts


@dataclass(frozen=True)
class Kept:
    """What is kept; without a folder nothing is."""

    folder: Path | None
    model: Model
    options: AnalysisOptions

    def find(self, contrast: Contrasts) -> Analysis | None:
        """The analysis of this question, if it was kept; one that was changed is thrown away."""
        place = self._place(contrast)
        if place is None or not place.exists():
            return None
        try:
            return Analysis.load(place)
        except ResultFileError:
            discard(place)
            return None

    def keep(self, contrast: Contrasts, analysis: Analysis) -> None:
        """Keep an analysis."""
        place = self._place(contrast)
        if place is not None:
            analysis.save(place)

    def _place(self, contrast: Contrasts) -> Path | None:
        if self.folder is None:
            return None
        from pellucid import __version__

        of = (
            __version__,
            self.model.weight_hash,
            str(self.model.dtype),
            [one.to_dict() for one in ContrastBatch.of(contrast)],
            sorted(asdict(self.options).items()),
        )
        return self.folder / hashlib.sha256(repr(of).encode()).hexdigest()[:32]


@contextmanager
def kept_beside(path: str | Path | None, model: Model, options: AnalysisOptions) -> Iterator[Kept]:
    """Keep analyses beside ``path`` while the block runs, and after an exception; None for not.

    **Raises** ``TaskError`` for a metric without a name, since nothing says whether another is the
    same; ``ResultFileError`` when nothing can be written there, or another process does.
    """
    if path is None:
        yield Kept(None, model, options)
        return
    if not isinstance(options.metric, str):
        raise TaskError("keep= needs a metric that has a name. Leave keep= out, or name one.")
    with kept_parts(path) as folder:
        yield Kept(folder, model, options)
