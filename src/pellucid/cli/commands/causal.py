"""`pellucid interchange` and `das`: whether a place holds what tells two prompts apart."""

from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import FigureOptions, ModelOptions, QuestionOptions
from pellucid.cli.plan import PlanOptions
from pellucid.cli.terminal import progress


@expanded
def interchange(
    question: QuestionOptions,
    site: Annotated[str, option('Where values are exchanged, as "L12 resid_pre" or "L9 z".')],
    position: Annotated[
        list[int] | None, option("At these together, -1 the last and the default; repeatable.")
    ] = None,
    draws: Annotated[
        int, option("Random dimensions and placebo changes.", min=0)
    ] = options.EXCHANGE_DRAWS,
    seed: Annotated[int, option("Of these draws.")] = options.SEED,
    *,
    model: ModelOptions,
    output: FigureOptions,
    costs: PlanOptions,
) -> None:
    """Put clean prompts' values into corrupted ones, and see what they say."""
    _demand_site(site)
    asked = question.ask()
    opened = model.opened()
    from pellucid.causal.interchange import interchange as run
    from pellucid.run.question import encode_contrast

    contrast = asked.contrast(opened, "logit_diff")
    steps = {"both prompts": 2, "the exchange": 1, "controls": 2 * draws}
    tokens = encode_contrast(opened, contrast).clean
    if costs.told(opened, tokens, steps, 0, output.as_json):
        return
    with progress("Exchanging", total=sum(steps.values())):
        where = tuple(position) if position else -1
        result = run(opened, contrast, site, positions=where, draws=draws, seed=seed)
    output.draw(result, str(result), result.plot)


@expanded
def das(
    question: QuestionOptions,
    site: Annotated[str, option('Where directions are learned, as "L12 resid_pre" or "L9 z".')],
    k: Annotated[int, option("Directions to learn.", min=1)] = 1,
    position: Annotated[
        list[int] | None, option("At these together, -1 the last and the default; repeatable.")
    ] = None,
    steps: Annotated[int, option("Steps of learning.", min=1)] = options.DAS_STEPS,
    random_model: Annotated[
        bool, option("Also learn in a model of random weights.", "--random-model/--no-random-model")
    ] = True,
    seed: Annotated[int, option("Of the split, the start and the controls.")] = options.SEED,
    *,
    model: ModelOptions,
    output: FigureOptions,
    costs: PlanOptions,
) -> None:
    """Learn directions that hold what tells two prompts apart; needs --prompts."""
    _demand_site(site)
    if question.prompts is None:
        raise typer.BadParameter("Learning and holding out takes several examples: --prompts FILE.")
    asked = question.ask()
    opened = model.opened()
    from pellucid.causal.das import das as run
    from pellucid.run.question import encode_contrast

    contrast = asked.contrast(opened, "logit_diff")
    learned = (2 + random_model) * steps
    parts = {
        "prompts of both parts": 4,
        "steps of learning, controls too": learned,
        "exchanges and controls": 12 + 2 * options.EXCHANGE_DRAWS,
    }
    tokens = encode_contrast(opened, contrast).clean
    if costs.told(opened, tokens, parts, learned, output.as_json):
        return
    with progress("Learning directions", total=sum(parts.values())):
        where = tuple(position) if position else -1
        result = run(
            opened,
            contrast,
            site,
            k=k,
            positions=where,
            steps=steps,
            random_model=random_model,
            seed=seed,
        )
    output.draw(result, str(result), result.plot)


def _demand_site(site: str) -> None:
    from pellucid.model.sites import site_named

    site_named(site)
