"""`pellucid probe`: what can be read off values inside a model, with every control."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import FigureOptions, ModelOptions
from pellucid.cli.plan import PlanOptions
from pellucid.cli.terminal import progress


@expanded
def probe(
    labelled: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A .csv or .jsonl of text, label and, where there is one, group."
        ),
    ],
    site: Annotated[
        list[str] | None,
        option('Where values are read, as "L9 resid_pre" or a kind; repeatable.'),
    ] = None,
    position: Annotated[
        list[str] | None,
        option("last, mean, max, or tokens by number, -1 the last; repeatable."),
    ] = None,
    size: Annotated[
        list[int] | None,
        option("Coordinates to read; 1, 16 and all if not given; repeatable.", min=1),
    ] = None,
    test_share: Annotated[
        float, option("Share of the groups that is only scored.", min=0.01, max=0.5)
    ] = 0.3,
    shuffles: Annotated[int, option("Draws of shuffled labels.", min=0)] = 3,
    random_model: Annotated[
        bool, option("Also probe a model of random weights.", "--random-model/--no-random-model")
    ] = True,
    seed: Annotated[int, option("Of splits and controls.")] = options.SEED,
    *,
    model: ModelOptions,
    output: FigureOptions,
    costs: PlanOptions,
) -> None:
    """Say what linear probes can read, beside every control that they need."""
    from pellucid.task.columns import read_columns

    where = [_position(one) for one in position or [options.TEXT_POSITION]]
    rows = read_columns(labelled, ("text", "label"), optional=("group",))
    opened = model.opened()
    from pellucid.probing.probe import probe as run
    from pellucid.run.prompts import read_prompt
    from pellucid.steering.controls import rows_of

    texts = [text for text, _, _ in rows]
    steps = {"texts, read": len(texts)}
    if random_model:
        steps["the same in a model of random weights"] = len(texts)
    ids = [read_prompt(opened, text) for text in texts]
    if costs.told(opened, rows_of(opened, ids[:1]).tokens, steps, 0, output.as_json):
        return
    groups = [group for _, _, group in rows]
    with progress("Probing", total=sum(steps.values())):
        result = run(
            opened,
            texts,
            [label for _, label, _ in rows],
            sites=site or "resid_pre",
            positions=where[0] if len(where) == 1 else where,
            groups=groups if any(groups) else None,
            sizes=tuple(size) if size else options.PROBE_SIZES,
            test_share=test_share,
            shuffles=shuffles,
            random_model=random_model,
            seed=seed,
        )
    output.draw(result, str(result), result.plot)


def _position(given: str) -> options.TextPosition | int:
    if given in get_args(options.TextPosition):
        return given  # type: ignore[return-value]
    try:
        return int(given)
    except ValueError as error:
        raise typer.BadParameter(
            f"--position {given!r}: choose one of {', '.join(get_args(options.TextPosition))}, or "
            "give a number."
        ) from error
