"""`pellucid attention`, `roles` and `compose`: what heads look at, do, and read of each other."""

from functools import partial
from typing import Annotated, Literal, TypeAlias

import typer

from pellucid.cli.expand import expanded
from pellucid.cli.options import FigureOptions, ModelOptions, PromptOptions
from pellucid.cli.terminal import progress
from pellucid.options import (
    ATTENTION_VIEW,
    COMPOSITION_VIEW,
    LENS_TOP,
    ROLE_LENGTH,
    ROLE_NULLS,
    ROLE_SEQUENCES,
    SEED,
    AttentionView,
    Composed,
    CompositionView,
    Role,
)

RolesView: TypeAlias = Literal["all", "loss", Role]
ROLES = 7


@expanded
def attention(
    one: PromptOptions,
    head: Annotated[
        list[str] | None, typer.Option("--head", help="Just this one, as L9H6; repeatable.")
    ] = None,
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        AttentionView,
        typer.Option("--show", help="What --plot draws: patterns, or a map of all heads."),
    ] = ATTENTION_VIEW,
) -> None:
    """Show what heads look at in a prompt."""
    asked = one.only()
    opened = model.opened()
    from pellucid.lens.heads.attention import attention as run

    with progress("Reading attention"):
        result = run(opened, asked, heads=head or None)
    output.draw(result, str(result), lambda: result.plot(show))


@expanded
def roles(
    seed: Annotated[int, typer.Option(help="Of the random tokens.")] = SEED,
    sequences: Annotated[int, typer.Option(min=1, help="How many.")] = ROLE_SEQUENCES,
    length: Annotated[
        int, typer.Option(min=2, help="Random tokens, each said twice.")
    ] = ROLE_LENGTH,
    nulls: Annotated[int, typer.Option(min=1, help="Null draws.")] = ROLE_NULLS,
    controls: Annotated[
        int, typer.Option(min=1, help="Random sets of heads beside each role's.")
    ] = LENS_TOP,
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        RolesView,
        typer.Option("--show", help="What --plot draws: maps of roles, or the loss curve."),
    ] = "all",
) -> None:
    """Type every head by what it does on random tokens said twice."""
    opened = model.opened()
    from pellucid.lens.heads.roles import head_roles

    with progress("Typing heads", total=2 * (1 + nulls) + ROLES * (1 + controls)):
        result = head_roles(
            opened, seed=seed, sequences=sequences, length=length, nulls=nulls, controls=controls
        )
    role = None if show == "all" else show
    figure = result.plot_loss if show == "loss" else partial(result.plot, role)
    output.draw(result, str(result), figure)


@expanded
def compose(
    sender: Annotated[
        list[str] | None, typer.Option("--sender", help="Just this head; repeatable.")
    ] = None,
    receiver: Annotated[
        list[str] | None, typer.Option("--receiver", help="Just this head; repeatable.")
    ] = None,
    kind: Annotated[
        Literal["all", Composed], typer.Option("--kind", help="By query, key or value.")
    ] = "all",
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        CompositionView, typer.Option("--show", help="What --plot draws, of the first kind.")
    ] = COMPOSITION_VIEW,
) -> None:
    """Say how much heads read what earlier heads write, from the weights alone."""
    opened = model.opened()
    from rich.console import Console

    from pellucid.lens.composition.composition import composition

    kinds: tuple[Composed, ...] = ("q", "k", "v") if kind == "all" else (kind,)
    with Console(stderr=True).status("Composing heads"):
        result = composition(opened, sender or None, receiver or None, kinds=kinds)
    output.draw(result, str(result), lambda: result.plot(show=show))
