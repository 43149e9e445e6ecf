"""`pellucid steer`: what adding a vector does, with the controls that it needs."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import FigureOptions, ModelOptions
from pellucid.cli.plan import PlanOptions
from pellucid.cli.terminal import progress, tell


@expanded
def steer(
    prompts: Annotated[
        list[str], typer.Argument(help="Prompts behind which it is measured.", show_default=False)
    ],
    toward: Annotated[str, option('The token to be made likelier, as " great".')],
    away: Annotated[str, option("The token it is held against.")],
    instruction: Annotated[
        str, option("Text that asks for the same, put before each prompt instead.")
    ],
    pairs: Annotated[
        Path | None,
        option("Pairs of texts to make it from: a .csv or .jsonl of positive, negative."),
    ] = None,
    vector: Annotated[
        Path | None, option("A saved vector instead: a folder, or a control vector (.gguf).")
    ] = None,
    method: Annotated[
        options.SteeringMethod, option("How it is made from pairs.")
    ] = options.STEERING_METHOD,
    layer: Annotated[
        list[int] | None, option("Where it is added; the best if not given; repeatable.")
    ] = None,
    scale: Annotated[
        list[float] | None,
        option("How much of it is added; 0.5, 1 and 2 if not given; repeatable."),
    ] = None,
    random_directions: Annotated[
        int, option("Directions of its length to compare with.", min=0)
    ] = options.RANDOM_DIRECTIONS,
    seed: Annotated[int, option("Of the random directions and the task.")] = options.SEED,
    *,
    model: ModelOptions,
    gguf: Annotated[Path | None, option("Also write the vector for llama.cpp here.")] = None,
    output: FigureOptions,
    costs: PlanOptions,
) -> None:
    """Measure what adding a direction to the stream does, and what else does it."""
    if (pairs is None) == (vector is None):
        raise typer.BadParameter("Give either --pairs FILE or --vector FILE.")
    if gguf is not None and gguf.suffix != ".gguf":
        raise typer.BadParameter(f"--gguf {str(gguf)!r}: give a name ending in .gguf.")
    from pellucid.task.columns import read_columns

    texts = [] if pairs is None else read_columns(pairs, ("positive", "negative"))
    opened = model.opened()
    from pellucid.run.prompts import read_prompt
    from pellucid.steering.controls import rows_of
    from pellucid.steering.steer import steer as run
    from pellucid.steering.steering_vector import steering_vector
    from pellucid.steering.vector import SteeringVector

    scales = tuple(scale) if scale else options.STEERING_SCALES
    steps = {
        "texts of the pairs, read": 2 * len(texts),
        "no steering, and the instruction": 6,
        "the vector and random directions, at every scale": 3
        * len(scales)
        * (1 + random_directions),
    }
    rows = rows_of(opened, [read_prompt(opened, one) for one in prompts])
    if costs.told(opened, rows.tokens, steps, 0, output.as_json):
        return
    with progress("Steering", total=sum(steps.values())):
        if vector is None:
            made = steering_vector(opened, [(a, b) for a, b in texts], method=method)
        elif vector.suffix == ".gguf":
            made = SteeringVector.from_gguf(vector)
        else:
            made = SteeringVector.load(vector)
        result = run(
            opened,
            made,
            prompts,
            toward,
            away,
            instruction=instruction,
            scales=scales,
            layers=layer or None,
            random_directions=random_directions,
            seed=seed,
        )
    if gguf is not None:
        writable = tuple(one for one in made.layers if one > 1)
        made.of_layers(writable).to_gguf(gguf)
        tell(f"Written to {gguf}", err=True)
    output.draw(result, str(result), result.plot)
