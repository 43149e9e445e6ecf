"""Several questions, each analysed by itself, put side by side."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Unpack

from pellucid.analysis.analyze import analyze
from pellucid.analysis.forwards import most_forwards
from pellucid.analysis.include import demand_includable
from pellucid.analysis.options import AnalysisKeywords, AnalysisOptions
from pellucid.analysis.result import Analysis
from pellucid.callbacks import expect
from pellucid.errors import EditError, PellucidError, TaskError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model
from pellucid.run.provenance import with_provenance
from pellucid.studies.kept import Kept, kept_beside
from pellucid.studies.result import Study, fit
from pellucid.task.contrast import Contrast, ContrastBatch, Contrasts


@with_provenance
@keywords_of(AnalysisOptions)
def study(
    model: Model,
    contrasts: Mapping[str, Contrasts] | Contrasts,
    *,
    command: str | None = None,
    keep: str | Path | Kept | None = None,
    **options: Unpack[AnalysisKeywords],
) -> Study:
    """Analyze every question by itself, with the same ``options``, those of ``analyze``.

    ``contrasts`` by name, or a sequence, whose questions are called by their number. A batch under
    a name is one question, asked in several wordings; a batch alone is as many questions.
    ``command`` is what was typed, for the provenance of each. With ``keep``, a name for the study
    to come, what is finished is kept in a hidden folder beside it until all is: a study that
    failed, was interrupted or killed goes on from there when it is called again.

    **Cost** that of ``analyze`` for each.
    **Raises** ``TaskError`` for no questions and, before anything is run, for one that is not well
    posed, naming it; and whatever ``analyze`` raises, with the name of the question, and with the
    study of those before it as the error's ``finished``.
    """
    if isinstance(contrasts, Contrast):
        raise TaskError("One contrast is one question: use analyze, or give several in a list.")
    if isinstance(contrasts, str) or not isinstance(contrasts, Mapping | Sequence | ContrastBatch):
        raise TaskError(f"Give contrasts, by name or in a list; found {contrasts!r}.")
    chosen = AnalysisOptions(**options)
    named = contrasts if isinstance(contrasts, Mapping) else numbered(contrasts)
    if not named:
        raise TaskError(
            "A study needs at least one question. Give contrasts, by name or in a list."
        )
    lengths = demand_well_posed(model, named, chosen)
    with nullcontext(keep) if isinstance(keep, Kept) else kept_beside(keep, model, chosen) as kept:
        known = {name: kept.find(asked) for name, asked in named.items()}
        left = [lengths[name] for name, found in known.items() if found is None]
        expect(sum(most_forwards(model, chosen, length=length) for length in left))
        done: dict[str, Analysis] = {}
        for name, asked in named.items():
            found = known[name]
            if found is None:
                with naming(name, done):
                    found = analyze(model, asked, command=command, **options)
                kept.keep(asked, found)
            done[name] = found
    return Study.of(done)


@contextmanager
def naming(name: str, done: Mapping[str, Analysis]) -> Iterator[None]:
    """What goes wrong inside names the question, and carries the study of those before it."""
    try:
        yield
    except BaseException as error:
        finished = Study.of(done) if done else None
        if isinstance(error, PellucidError):
            raise error.about(name).after(finished) from error
        error.add_note(f"It happened at the question {name}; `finished` holds those before it.")
        error.finished = finished  # type: ignore[attr-defined]
        raise


def demand_well_posed(
    model: Model, named: Mapping[str, Contrasts], chosen: AnalysisOptions
) -> dict[str, int]:
    """How many tokens each question has.

    **Raises** ``TaskError`` for a name or a question that is none, and ``EditError`` for one of
    which something cannot be included, naming it.
    """
    lengths = {}
    for name, contrast in named.items():
        if not isinstance(name, str) or not fit(name):
            raise TaskError(f"{name!r} is no name for a question. Give text that can be seen.")
        try:
            lengths[name] = demand_includable(model, contrast, chosen.include)
        except (TaskError, EditError) as error:
            raise error.about(name) from error
    return lengths


def numbered(contrasts: Sequence[Contrast] | ContrastBatch) -> dict[str, Contrasts]:
    """Each question under its number, after the name of the batch if it has one."""
    prefix = contrasts.name if isinstance(contrasts, ContrastBatch) else ""
    return {f"{prefix} {i}".strip(): one for i, one in enumerate(contrasts, start=1)}
