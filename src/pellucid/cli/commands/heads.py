"""`pellucid attention`, `roles` and `compose`: what heads look at, do, and read of each other."""

from functools import partial
from typing import Annotated, Literal, TypeAlias

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import FigureOptions, ModelOptions, PromptOptions
from pellucid.cli.terminal import progress

RolesView: TypeAlias = Literal["all", "loss", options.Role]


@expanded
def attention(
    one: PromptOptions,
    head: Annotated[list[str] | None, option("Just this one, as L9H6; repeatable.")] = None,
    top: Annotated[
        int | None, option("Keep those that look most at a telling token.", min=1)
    ] = None,
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        options.AttentionView, option("What --plot draws: patterns, or a map of all heads.")
    ] = options.ATTENTION_VIEW,
) -> None:
    """Show what heads look at in a prompt."""
    asked = one.only()
    opened = model.opened()
    from pellucid.lens.heads.attention import attention as run

    with progress("Reading attention"):
        result = run(opened, one.read_by(opened, asked), heads=head or None, top=top)
    output.draw(result, str(result), lambda: result.plot(show))


@expanded
def roles(
    seed: Annotated[int, option("Of the random tokens.")] = options.SEED,
    sequences: Annotated[int, option("How many.", min=1)] = options.ROLE_SEQUENCES,
    length: Annotated[int, option("Random tokens, each said twice.", min=2)] = options.ROLE_LENGTH,
    nulls: Annotated[int, option("Null draws.", min=1)] = options.ROLE_NULLS,
    controls: Annotated[
        int, option("Random sets of heads beside each role's.", min=1)
    ] = options.ROLE_CONTROLS,
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        RolesView, option("What --plot draws: maps of roles, or the loss curve.")
    ] = "all",
) -> None:
    """Type every head by what it does on random tokens said twice."""
    opened = model.opened()
    from pellucid.lens.heads.roles import head_roles, most_forwards_of_roles

    with progress("Typing heads", total=most_forwards_of_roles(nulls, controls)):
        result = head_roles(
            opened, seed=seed, sequences=sequences, length=length, nulls=nulls, controls=controls
        )
    role = None if show == "all" else show
    figure = result.plot_loss if show == "loss" else partial(result.plot, role)
    output.draw(result, str(result), figure)


@expanded
def compose(
    sender: Annotated[list[str] | None, option("Just this head; repeatable.")] = None,
    receiver: Annotated[list[str] | None, option("Just this head; repeatable.")] = None,
    kind: Annotated[Literal["all", options.Composed], option("By query, key or value.")] = "all",
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        options.CompositionView, option("What --plot draws, of the first kind.")
    ] = options.COMPOSITION_VIEW,
) -> None:
    """Say how much heads read what earlier heads write, from the weights alone."""
    opened = model.opened()
    from rich.console import Console

    from pellucid.lens.composition.composition import composition

    kinds: tuple[options.Composed, ...] = ("q", "k", "v") if kind == "all" else (kind,)
    with Console(stderr=True).status("Composing heads"):
        result = composition(opened, sender or None, receiver or None, kinds=kinds)
    output.draw(result, str(result), lambda: result.plot(show=show))
