"""`pellucid generate`: what the model writes, with parts of it switched off."""

from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import FigureOptions, ModelOptions, PromptOptions
from pellucid.cli.plan import PlanOptions
from pellucid.cli.terminal import progress


@expanded
def generate(
    one: PromptOptions,
    max_new_tokens: Annotated[
        int, option("Tokens to write at the most.", min=1)
    ] = options.MAX_NEW_TOKENS,
    temperature: Annotated[
        float, option("0 for the likeliest token each time, 1 to draw as the model says.", min=0)
    ] = options.TEMPERATURE,
    top_p: Annotated[
        float, option("Draw from the likeliest tokens that hold this share.", min=0.001, max=1)
    ] = options.TOP_P,
    seed: Annotated[int, option("Of what is drawn.")] = options.SEED,
    off: Annotated[
        str | None,
        option("Parts that write nothing at any step, as L9H6+M3 or L2.heads.", metavar="<parts>"),
    ] = None,
    *,
    model: ModelOptions,
    output: FigureOptions,
    costs: PlanOptions,
) -> None:
    """Write on behind a prompt, with edits at every step if asked."""
    from pellucid.model.parts import names_parts

    asked = one.only()
    if off is not None and not names_parts(off):
        raise typer.BadParameter(f"--off {off!r}: name parts, as L9H6, M3.neurons or heads+M4.")
    opened = model.opened()
    read = one.read_by(opened, asked)
    from pellucid.run.generation.generate import generate as run
    from pellucid.run.generation.switched_off import switched_off
    from pellucid.run.prompts import prompt_tokens

    edits = [] if off is None else switched_off(opened, off)
    steps = {"tokens written, one forward each": max_new_tokens}
    if costs.told(opened, prompt_tokens(opened, read), steps, 0, output.as_json):
        return
    with progress("Writing", total=max_new_tokens):
        result = run(
            opened,
            read,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            edits=edits,
        )
    output.draw(result, str(result), result.plot)
