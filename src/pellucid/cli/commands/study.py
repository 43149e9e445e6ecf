"""`pellucid study`: several questions, or saved analyses, side by side."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import (
    ChatOptions,
    ModelOptions,
    OutputOptions,
    Prompts,
    RankOptions,
    SearchOptions,
)
from pellucid.cli.question import AskedQuestion, asked_in
from pellucid.cli.terminal import progress, show, tell, typed
from pellucid.errors import PellucidError, ResultFileError

if TYPE_CHECKING:
    from pellucid.analysis.result import Analysis
    from pellucid.model.model import Model
    from pellucid.results.provenance import InputFile
    from pellucid.studies.result import Study


@dataclass(frozen=True, kw_only=True)
class SearchesOptions(SearchOptions):
    """How the circuit of each of several questions is looked for."""

    budget: Annotated[int, option("Forwards a search may spend.", min=10)] = options.BUDGET
    insist: Annotated[bool, option("Claim circuits even if the foil is preferred.", "--insist")] = (
        False
    )


@expanded
def study(
    saved: Annotated[
        list[Path] | None,
        typer.Argument(help="Analyses or studies that --out wrote: folders or .json files."),
    ] = None,
    prompts: Prompts = None,
    *,
    chat: ChatOptions,
    model: ModelOptions,
    rank: RankOptions,
    circuit: SearchesOptions,
    output: OutputOptions,
) -> None:
    """What the circuits of several analyses share, and how far their estimates agree.

    Give saved analyses, or --prompts FILE to analyze each of its questions by itself, or both.
    """
    if not saved and prompts is None:
        raise typer.BadParameter("Give saved analyses, or questions with --prompts FILE.")
    found: dict[str, Analysis] = {}
    for path in saved or []:
        add(found, _analyses(path), str(path))
    if prompts is None:
        _show(found, None, output)
        return
    asked = _asked(prompts, circuit, chat)
    refuse_twice(found, _names(asked), str(prompts))
    rank.check()
    opened = model.opened()
    with progress("Judging corrupted prompts"):
        asked = asked.completed(opened, rank.metric)
    assert asked.contrasts is not None
    from pellucid.analysis.forwards import most_forwards
    from pellucid.analysis.options import AnalysisOptions
    from pellucid.studies.kept import kept_beside
    from pellucid.studies.study import numbered
    from pellucid.studies.study import study as run

    questions = numbered(asked.contrasts)
    chosen = AnalysisOptions(**asdict(rank), **asdict(circuit))
    most = len(questions) * most_forwards(opened, chosen)
    with kept_beside(output.out, opened, chosen) as kept:
        try:
            with progress(f"Analysing {len(questions)} questions", total=most):
                analysed = run(opened, questions, keep=kept, **chosen.changed)
        except (PellucidError, KeyboardInterrupt) as error:
            _show_finished(getattr(error, "finished", None), output)
            raise
        add(found, dict(zip(analysed.names, analysed.analyses, strict=True)), str(prompts))
        _show(found, None if saved else opened, output, asked.contrasts.file)


def _asked(prompts: Path, circuit: SearchOptions, chat: ChatOptions) -> AskedQuestion:
    """The questions of a file."""
    if circuit.ablation == "resample":
        raise typer.BadParameter(
            "--ablation resample takes values from other prompts; here each is analysed alone."
        )
    return asked_in(prompts, chat.template)


def _names(asked: AskedQuestion) -> list[str]:
    """What the questions of a file are called."""
    from pellucid.studies.study import numbered

    if asked.contrasts is not None:
        return list(numbered(asked.contrasts))
    return [f"{asked.name} {i}" for i in range(1, len(asked.decisions) + 1)]


def _show(
    found: "dict[str, Analysis]",
    model: "Model | None",
    output: OutputOptions,
    file: "InputFile | None" = None,
) -> None:
    """Write and print the study of what was found; ``model`` where all of it is of one."""
    from pellucid.run.provenance import provenance_of
    from pellucid.studies.result import Study

    made = provenance_of(model, None, typed())
    made = replace(made, files=() if file is None else (file,))
    result = replace(Study.of(found), provenance=made)
    output.show(result, str(result))


def _show_finished(finished: "Study | None", output: OutputOptions) -> None:
    """Print what was done before a question that failed, or an interrupt."""
    if finished is None:
        return
    show(finished, str(finished), as_json=output.as_json)
    kept = f" They are kept beside {output.out}, and the same command goes on from there."
    tell(
        f"Finished before it stopped: {', '.join(finished.names)}."
        f"{kept if output.out is not None else ''}",
        err=True,
    )


def add(found: "dict[str, Analysis]", more: "Mapping[str, Analysis]", source: str) -> None:
    """Put analyses from ``source`` beside those that were found before."""
    refuse_twice(found, more, source)
    found |= more


def refuse_twice(found: Collection[str], more: Collection[str], source: str) -> None:
    """Refuse a name that an analysis has already."""
    twice = [name for name in more if name in found]
    if twice:
        raise typer.BadParameter(
            f"{source}: {', '.join(twice)} is the name of an analysis given before. Rename one."
        )


def _analyses(path: Path) -> "dict[str, Analysis]":
    """What is saved there, by name: one analysis, called as its file is, or those of a study."""
    from pellucid.analysis.result import Analysis
    from pellucid.results.result import Result
    from pellucid.studies.result import Study

    held: Result = Result.load(path)
    if isinstance(held, Study):
        return dict(zip(held.names, held.analyses, strict=True))
    if not isinstance(held, Analysis):
        raise ResultFileError(
            f"{path} holds the kind {type(held).__name__}. A study is made of analyses: what "
            "`pellucid analyze --out` or `pellucid study --out` wrote."
        )
    return {path.resolve().name.removesuffix(".json"): held}
