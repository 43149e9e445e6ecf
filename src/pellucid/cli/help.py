"""What ``--help`` says beside typer's own: short types, choices as a sentence, groups, examples.

A type of many choices in a column of its own leaves no room for the help at 80 columns.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ArgumentInfo

_Function: TypeAlias = "Callable[..., None]"
_SHORT: dict[Any, str] = {str: "<text>", Path: "<file>", int: "<number>", float: "<number>"}
_CALLED = {
    "against": "<prompt>",
    "answer": "<token>",
    "away": "<token>",
    "corrupted": "<prompt>",
    "foil": "<token>",
    "head": "<head>",
    "instruction": "<prompt>",
    "model": "<model>",
    "models": "<models>",
    "only": "<part>",
    "out": "<file>",
    "parts": "<parts>",
    "plot": "<file>",
    "prompt": "<prompt>",
    "prompt_option": "<prompt>",
    "prompts": "<prompt>",
    "receiver": "<head>",
    "replacement": "<token>",
    "revision": "<commit>",
    "sender": "<head>",
    "sites": "<parts>",
    "source": "<source>",
    "target": "<token>",
    "tokenizer": "<name>",
    "toward": "<token>",
    "device": "<device>",
}
"""What an option of text or a file is called by its name, where that says more than its type."""
_PROMPT = '"When Mary and John went to the store, John gave a drink to"'
_QUESTION = f'{_PROMPT} --answer " Mary" --foil " John"'
COMMAND_EXAMPLES = {
    "analyze": f"{_QUESTION} --out drink.json",
    "attribute": f"{_QUESTION} --top 10",
    "patch": f"{_QUESTION} --plot heads.png",
    "ablate": f'{_PROMPT} --answer " Mary" --top 10',
    "edges": f"{_QUESTION} --top 10",
    "circuit": f"{_QUESTION} --method top --size 100 --out circuit.json",
    "lens": f'{_PROMPT} --target " Mary" --plot lens.png',
    "dla": f"{_QUESTION} --plot shares.png",
    "neurons": f"{_QUESTION} --layer 26",
    "tokens": f"{_QUESTION}",
    "attention": f"{_PROMPT} --head L23H3 --plot attention.png",
    "roles": "--out roles.csv",
    "compose": "--kind k --plot composition.png",
    "generate": f"{_PROMPT} --off L23H3 --max-new-tokens 20",
    "probe": "labelled.csv --site 'L12 resid_pre' --plot probe.png",
    "interchange": "--prompts questions.csv --site 'L12 resid_pre' --position -2",
    "das": "--prompts questions.csv --site 'L12 resid_pre' --k 4",
    "steer": '"The party was" --pairs pairs.csv --toward " great" --away " bad" '
    '--instruction "Be happy. "',
    "study": "--prompts questions.csv --out study",
    "report": "drink.json --out drink.html",
    "app": "--model ./my-model --port 8000",
    "dictionary fit": "corpus.txt --site 'L12 resid_pre' --latents 4096 --out features",
    "dictionary evaluate": "features held-out.txt --out judged.json",
    "dictionary features": "features corpus.txt --latent 4021 --latent 7",
    "dictionary attribute": f"features {_QUESTION} --top 10",
    "dictionary convert": "layers.12 --format saelens --out as-saelens",
    "doctor": "",
    "models list": "",
    "models describe": "smollm2-135m",
    "models check": "./my-model",
    "models fetch": "openai-community/gpt2",
    "zoo list": "",
    "zoo certify": "--models 'induction/*'",
    "zoo run": "--method eap --models 'induction/*'",
}
"""What each command is called with, once."""


class _WithoutTypes:
    def get_params(self, ctx: Any) -> list[Any]:
        """Every parameter; ``<bool>`` and ``<str>`` do not stand beside flags and arguments."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in found:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
            elif isinstance(parameter, TyperArgument) and parameter.metavar is not None:
                parameter.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
        return found


class Command(_WithoutTypes, TyperCommand):
    """A command."""


class Group(_WithoutTypes, TyperGroup):
    """Several commands under one name."""


def add_command(
    group: typer.Typer, name: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function the command ``pellucid NAME``, with its example below the help."""
    shown = f"Example: pellucid {name} {COMMAND_EXAMPLES[name]}".rstrip()
    return group.command(name.split()[-1], cls=Command, epilog=shown)


def readable(annotation: Any, panel: str | None, name: str) -> Any:
    """The annotation of a parameter with a short type, choices in the help, and in a group.

    What is declared is shared between commands, so it is copied.
    """
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, declared = get_args(annotation)[:2]
    shown = copy.copy(declared)
    if shown.rich_help_panel is None and not isinstance(declared, ArgumentInfo):
        shown.rich_help_panel = panel
    if shown.metavar is None:
        shown.metavar, more = _named(kind, name)
        shown.help = f"{shown.help or ''} {more}".strip() or None
    return Annotated[kind, shown]


def _named(kind: Any, name: str) -> tuple[str | None, str]:
    """A type as one word, None for typer's own, and what its choices are."""
    while get_origin(kind) in (UnionType, Union, list):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Literal:
        *first, last = map(str, get_args(kind))
        return "<choice>", f"One of {', '.join(first)} and {last}."
    called = _CALLED.get(name) if kind is str else None
    return called or _SHORT.get(kind), ""
