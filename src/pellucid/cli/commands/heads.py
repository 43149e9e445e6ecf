"""`pellucid attention`, `roles` and `compose`: what heads look at, do, and read of each other."""

from typing import Annotated, Literal, TypeAlias

import typer

from pellucid.cli.options import (
    AsJson,
    Device,
    Dtype,
    ModelSource,
    Offline,
    Out,
    Plot,
    PromptArgument,
    PromptOption,
    check_out,
    check_plot,
    one_prompt,
)
from pellucid.cli.terminal import deliver, draw, open_model, progress
from pellucid.options import (
    ATTENTION_VIEW,
    COMPOSITION_VIEW,
    DTYPE,
    LENS_TOP,
    MODEL,
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


def attention(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    head: Annotated[
        list[str] | None, typer.Option("--head", help="Just this one, as L9H6; repeatable.")
    ] = None,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    show: Annotated[
        AttentionView,
        typer.Option("--show", help="What --plot draws: patterns, or a map of all heads."),
    ] = ATTENTION_VIEW,
    offline: Offline = False,
) -> None:
    """Show what heads look at in a prompt."""
    check_out(out)
    check_plot(plot)
    asked = one_prompt(prompt, prompt_option)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.lens.heads.attention import attention as run

    with progress("Reading attention"):
        result = run(opened, asked, heads=head or None)
    deliver(result, str(result), as_json=as_json, out=out)
    draw(plot, lambda: result.plot(show))


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
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    show: Annotated[
        RolesView,
        typer.Option("--show", help="What --plot draws: maps of roles, or the loss curve."),
    ] = "all",
    offline: Offline = False,
) -> None:
    """Type every head by what it does on random tokens said twice."""
    check_out(out)
    check_plot(plot)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.lens.heads.roles import head_roles

    with progress("Typing heads", total=2 * (1 + nulls) + ROLES * (1 + controls)):
        result = head_roles(
            opened, seed=seed, sequences=sequences, length=length, nulls=nulls, controls=controls
        )
    deliver(result, str(result), as_json=as_json, out=out)
    if show == "loss":
        draw(plot, result.plot_loss)
    else:
        draw(plot, lambda: result.plot(None if show == "all" else show))


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
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    show: Annotated[
        CompositionView, typer.Option("--show", help="What --plot draws, of the first kind.")
    ] = COMPOSITION_VIEW,
    offline: Offline = False,
) -> None:
    """Say how much heads read what earlier heads write, from the weights alone."""
    check_out(out)
    check_plot(plot)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from rich.console import Console

    from pellucid.lens.composition.composition import composition

    kinds: tuple[Composed, ...] = ("q", "k", "v") if kind == "all" else (kind,)
    with Console(stderr=True).status("Composing heads"):
        result = composition(opened, sender or None, receiver or None, kinds=kinds)
    deliver(result, str(result), as_json=as_json, out=out)
    draw(plot, lambda: result.plot(show=show))
