"""`pellucid study`: several questions, or saved analyses, side by side."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.options import (
    AsJson,
    Device,
    Dtype,
    Method,
    MetricOption,
    ModelSource,
    Offline,
    Out,
    Prompts,
    check_method,
    check_out,
)
from pellucid.cli.terminal import deliver, open_model, progress
from pellucid.errors import ResultFileError
from pellucid.options import (
    ABLATION,
    BUDGET,
    DTYPE,
    METRIC,
    MODEL,
    NODE_METHOD,
    OVER,
    RANDOM_SETS,
    SEED,
    TARGET,
    Ablation,
    Over,
)

if TYPE_CHECKING:
    from pellucid.analysis.result import Analysis


def study(
    saved: Annotated[
        list[Path] | None,
        typer.Argument(help="Analyses or studies that --out wrote: folders or .json files."),
    ] = None,
    prompts: Prompts = None,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    metric: MetricOption = METRIC,
    method: Method = NODE_METHOD,
    over: Annotated[Over, typer.Option("--over", help="Parts that may be replaced.")] = OVER,
    ablation: Annotated[
        Ablation, typer.Option("--ablation", help="What parts are replaced with.")
    ] = ABLATION,
    target: Annotated[float, typer.Option(min=0.01, max=1, help="Sufficiency to reach.")] = TARGET,
    budget: Annotated[int, typer.Option(min=10, help="Forwards a search may spend.")] = BUDGET,
    random_sets: Annotated[
        int, typer.Option(min=0, help="Random circuits to compare with.")
    ] = RANDOM_SETS,
    seed: Annotated[int, typer.Option(help="Seed of the random sets.")] = SEED,
    insist: Annotated[
        bool, typer.Option("--insist", help="Claim circuits even if the foil is preferred.")
    ] = False,
    as_json: AsJson = False,
    out: Out = None,
    offline: Offline = False,
) -> None:
    """What the circuits of several analyses share, and how far their estimates agree.

    Give saved analyses, or --prompts FILE to analyze each of its questions by itself, or both.
    """
    check_out(out)
    if not saved and prompts is None:
        raise typer.BadParameter("Give saved analyses, or questions with --prompts FILE.")
    found: dict[str, Analysis] = {}
    for path in saved or []:
        add(found, _analyses(path), str(path))
    from pellucid.studies.result import Study

    if prompts is not None:
        from pellucid.studies.study import numbered
        from pellucid.studies.study import study as run
        from pellucid.task.prompt_file import read_prompts

        check_method(method, metric)
        if ablation == "resample":
            raise typer.BadParameter(
                "--ablation resample takes values from other prompts; here each is analysed alone."
            )
        questions = numbered(read_prompts(prompts))
        refuse_twice(found, questions, str(prompts))
        opened = open_model(model, offline, dtype=dtype, device=device)
        with progress(f"Analysing {len(questions)} questions"):
            analysed = run(
                opened,
                questions,
                metric=metric,
                method=method,
                over=over,
                ablation=ablation,
                target=target,
                budget=budget,
                random_sets=random_sets,
                seed=seed,
                insist=insist,
            )
        add(found, dict(zip(analysed.names, analysed.analyses, strict=True)), str(prompts))
    result = Study.of(found)
    deliver(result, str(result), as_json=as_json, out=out)


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
