"""`pellucid study`: several questions, or saved analyses, side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pellucid.arguments import (
    AblationName,
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
from pellucid.console import deliver, open_model, progress

if TYPE_CHECKING:
    from pellucid.analysis.result import Analysis


def study(
    saved: Annotated[
        list[Path] | None, typer.Argument(help="Analyses that --out wrote: folders or .json files.")
    ] = None,
    prompts: Prompts = None,
    model: ModelSource = "smollm2-135m",
    dtype: Dtype = "float32",
    device: Device = None,
    metric: MetricOption = "logit_diff",
    method: Method = "atp",
    over: Annotated[
        Literal["heads", "heads+mlps"], typer.Option("--over", help="Parts that may be replaced.")
    ] = "heads",
    ablation: Annotated[
        AblationName, typer.Option("--ablation", help="What parts are replaced with.")
    ] = "corrupted",
    random_sets: Annotated[int, typer.Option(min=0, help="Random circuits to compare with.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the random sets.")] = 0,
    as_json: AsJson = False,
    out: Out = None,
    offline: Offline = False,
) -> None:
    """What the circuits of several analyses share, and how far their estimates agree.

    Give saved analyses, or --prompts FILE to analyze each of its questions by itself, or both.
    """
    check_out(out)
    check_method(method, metric)
    if not saved and prompts is None:
        raise typer.BadParameter("Give saved analyses, or questions with --prompts FILE.")
    if ablation == "resample":
        raise typer.BadParameter(
            "--ablation resample takes values from other prompts; here each is analysed by itself."
        )
    found = {path.stem: _analysis(path) for path in saved or []}
    if len(found) < len(saved or []):
        raise typer.BadParameter("Two of the saved analyses have the same name. Rename one.")
    from pellucid.analysis.study import Study

    if prompts is not None:
        from pellucid.analysis.studying import numbered
        from pellucid.analysis.studying import study as run
        from pellucid.task.prompt_file import read_prompts

        questions = numbered(read_prompts(prompts))
        if twice := found.keys() & questions:
            raise typer.BadParameter(
                f"{', '.join(twice)}: a saved analysis has the name of a question in {prompts}. "
                "Rename one."
            )
        opened = open_model(model, offline, dtype=dtype, device=device)
        with progress(f"Analysing {len(questions)} questions"):
            analysed = run(
                opened,
                questions,
                metric=metric,
                method=method,
                over=over,
                ablation=ablation,
                random_sets=random_sets,
                seed=seed,
            )
        found |= zip(analysed.names, analysed.analyses, strict=True)
    result = Study.of(found)
    deliver(result, str(result), as_json=as_json, out=out)


def _analysis(path: Path) -> "Analysis":
    from pellucid.analysis.result import Analysis

    return Analysis.load(path)
