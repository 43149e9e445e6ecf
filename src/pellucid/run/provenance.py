"""How a result was made, written down by one decorator on every public call.

``with_provenance`` meters the passes, takes the time, and gives the result its ``Provenance``: the
model and its hash, the question, every option with its value, the seed, and the versions.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, wraps
from importlib.metadata import version
from inspect import Signature, signature
from pathlib import Path
from time import perf_counter
from typing import Any, ParamSpec, TypeAlias, TypeVar

import torch

from pellucid.arguments import checks_kinds
from pellucid.callbacks import counting_forwards
from pellucid.model.anatomy import Node, Slot
from pellucid.model.model import Model
from pellucid.model.running.changes import leaves_nothing
from pellucid.model.sites import Site
from pellucid.model.weights import holding_weights
from pellucid.passes import metering
from pellucid.results.provenance import InputFile, Plain, Provenance
from pellucid.results.result import Result
from pellucid.run.question import asked_by
from pellucid.task.contrast import Contrast, ContrastBatch

P = ParamSpec("P")
R = TypeVar("R", bound=Result)
_Asked: TypeAlias = Mapping[str, str | int | tuple[int, ...]]
_PARTS = ("clean", "corrupted", "answer", "foil")
WORDS = ("prompt", "corrupted", "answer", "foil")
"""Arguments that are the question where no contrast is given."""


def with_provenance(call: Callable[P, R]) -> Callable[P, R]:
    """Function decorator: what the call returns says how it was made.

    The kinds of its arguments are checked (``arguments.py``). While it runs, its forwards are told
    to callbacks under its name (``callbacks.py``).

    **Cost** no pass; hashing the weights once a model (half a second for 135 million parameters).
    """
    declared = signature(call)

    @checks_kinds
    @leaves_nothing
    @wraps(call)
    def recorded(*positional: P.args, **named: P.kwargs) -> R:
        begun, clock = datetime.now(UTC), perf_counter()
        with holding_weights():
            with counting_forwards(call.__name__), metering() as meter:
                result = call(*positional, **named)
            given = arguments(declared, positional, named)
            model = next((one for one in given.values() if isinstance(one, Model)), None)
            options = {
                name: plain_value(value) for name, value in given.items() if is_option(name, value)
            }
            said = command(call, declared, given)
            made = result.provenance or provenance_of(model, options.get("seed"), said)
            files = tuple(
                dict.fromkeys(file for value in given.values() for file in file_read_from(value))
            )
            asked = [one for value in given.values() for one in contrasts(value)]
        made = replace(
            made,
            created=begun.isoformat(timespec="seconds"),
            call=call.__name__,
            question=tuple(_question(given)),
            asked=asked_by(model, asked) if model else "",
            options=options,
            passes=meter.passes,
            seconds=round(perf_counter() - clock, 6),
            files=files,
        )
        return replace(result, provenance=made)

    return recorded


def provenance_of(model: Model | None, seed: Plain, command: str) -> Provenance:
    """Versions, weights and settings."""
    import pellucid

    return Provenance(
        pellucid=pellucid.__version__,
        torch=torch.__version__,
        transformers=version_of("transformers"),
        python=platform.python_version(),
        system=platform.platform(),
        model=model.name if model else "",
        model_source=str(getattr(model.origin, "kind", "object")) if model else "",
        weight_hash=model.weight_hash if model else "",
        dtype=str(model.dtype).removeprefix("torch.") if model else "",
        device=str(model.device) if model else "",
        threads=torch.get_num_threads(),
        seed=seed if isinstance(seed, int) else None,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


version_of = cache(version)


def file_read_from(value: Any) -> Iterator[InputFile]:
    """The file that a question was read from."""
    if isinstance(value, ContrastBatch) and value.file is not None:
        yield value.file


def arguments(
    declared: Signature, positional: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Every argument by its name, defaults too, those behind ``**`` among them."""
    bound = declared.bind(*positional, **named)
    bound.apply_defaults()
    flat: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if declared.parameters[name].kind is declared.parameters[name].VAR_KEYWORD:
            flat |= value
        else:
            flat[name] = value
    return flat


def is_option(name: str, value: Any) -> bool:
    """Whether an argument can change the result, and is neither the model nor the question."""
    if isinstance(value, Model) or name in (*WORDS, "command", "keep"):
        return False
    return next(contrasts(value), None) is None and name != "contrast"


def _question(given: Mapping[str, Any]) -> Iterator[_Asked]:
    """The contrasts among the arguments, or the words that are the question."""
    for value in given.values():
        for one in contrasts(value):
            yield {part: ids(getattr(one, part)) for part in _PARTS}
    words = {name: ids(given[name]) for name in WORDS if given.get(name) is not None}
    if words:
        yield words


def contrasts(value: Any) -> Iterator[Contrast]:
    """The contrasts that an argument holds."""
    if isinstance(value, Contrast):
        yield value
    elif isinstance(value, ContrastBatch):
        yield from value
    elif isinstance(value, list | tuple | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from contrasts(one)


def ids(value: Any) -> str | int | tuple[int, ...]:
    """Text or one id as it is; several ids as a tuple."""
    return value if isinstance(value, str | int) else tuple(int(one) for one in value)


def plain_value(value: Any) -> Plain:
    """A value that can be written down; what is none by its text, or by its type."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset | range):
        return ", ".join(str(plain_value(one)) for one in value)
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return str(value) if isinstance(value, Node | Slot | Site | Path) else type(value).__name__


def command(call: Callable[..., Any], declared: Signature, given: Mapping[str, Any]) -> str:
    """The call as one writes it, with the arguments that differ from their defaults.

    What is longer than a name or a number is called by its own name.
    """
    defaults = declared.parameters
    words = []
    for name, value in given.items():
        usual = defaults[name].default if name in defaults else Signature.empty
        short = value is None or isinstance(value, str | int | float)
        said = repr(value) if short else name
        if usual is Signature.empty and name in defaults:
            words.append(said)
        elif not (short and value == usual):
            words.append(f"{name}={said}")
    module = "pellucid.zoo" if ".zoo." in call.__module__ else "pellucid"
    return f"{module}.{call.__name__}({', '.join(words)})"
