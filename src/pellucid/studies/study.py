"""Several questions, each analysed by itself, put side by side."""

from collections.abc import Mapping, Sequence
from typing import Unpack

from pellucid.analysis.analyze import analyze
from pellucid.analysis.forwards import most_forwards
from pellucid.analysis.options import AnalysisKeywords, AnalysisOptions
from pellucid.callbacks import expect
from pellucid.errors import TaskError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model
from pellucid.run.provenance import with_provenance
from pellucid.run.question import encode_contrast
from pellucid.studies.result import Study, fit
from pellucid.task.contrast import Contrast, ContrastBatch, Contrasts


@with_provenance
@keywords_of(AnalysisOptions)
def study(
    model: Model,
    contrasts: Mapping[str, Contrasts] | Sequence[Contrast] | ContrastBatch,
    *,
    command: str | None = None,
    **options: Unpack[AnalysisKeywords],
) -> Study:
    """Analyze every question by itself, with the same ``options``, those of ``analyze``.

    ``contrasts`` by name, or a sequence, whose questions are called by their number. A batch under
    a name is one question, asked in several wordings; a batch alone is as many questions.
    ``command`` is what was typed, for the provenance of each.

    **Cost** that of ``analyze`` for each.
    **Raises** ``TaskError`` for no questions and, before anything is run, for one that is not well
    posed, naming it; and whatever ``analyze`` raises.
    """
    if isinstance(contrasts, Contrast):
        raise TaskError("One contrast is one question: use analyze, or give several in a list.")
    if isinstance(contrasts, str) or not isinstance(contrasts, Mapping | Sequence | ContrastBatch):
        raise TaskError(f"Give contrasts, by name or in a list; found {contrasts!r}.")
    AnalysisOptions(**options)
    named = contrasts if isinstance(contrasts, Mapping) else numbered(contrasts)
    if not named:
        raise TaskError(
            "A study needs at least one question. Give contrasts, by name or in a list."
        )
    for name, contrast in named.items():
        if not isinstance(name, str) or not fit(name):
            raise TaskError(f"{name!r} is no name for a question. Give text that can be seen.")
        try:
            encode_contrast(model, contrast)
        except TaskError as error:
            raise error.about(name) from error
    expect(len(named) * most_forwards(model, AnalysisOptions(**options)))
    return Study.of(
        {name: analyze(model, one, command=command, **options) for name, one in named.items()}
    )


def numbered(contrasts: Sequence[Contrast] | ContrastBatch) -> dict[str, Contrasts]:
    """Each question under its number, after the name of the batch if it has one."""
    prefix = contrasts.name if isinstance(contrasts, ContrastBatch) else ""
    return {f"{prefix} {i}".strip(): one for i, one in enumerate(contrasts, start=1)}
