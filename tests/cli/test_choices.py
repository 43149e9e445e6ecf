"""Every option of the command line has the choices and the default of the library's parameter."""

import inspect
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import typer

import pellucid
from pellucid import options, zoo
from pellucid.cli.main import app
from pellucid.task.metrics import METRICS

HERE_ALONE = {
    "model", "source", "saved", "result", "prompts", "prompt_option", "as_json", "out", "plot",
    "plan", "fail_under", "each_position", "port", "browser", "listen", "names", "token",
    "write", "version", "offline", "tokenizer", "revision", "chat", "system",
}  # fmt: skip
"""What only a command line has: files, what is printed, where a model is."""
ROWS = ("attribute", "patch", "ablate", "edges", "circuit")
"""Commands whose ``top`` is how many rows are printed, which the library never cuts."""
RENAMED = {
    ("lens", "target"): "targets",
    ("lens", "position"): "positions",
    ("attention", "head"): "heads",
    ("compose", "sender"): "senders",
    ("compose", "receiver"): "receivers",
    ("compose", "kind"): "kinds",
    ("roles", "show"): "role",
    ("steer", "layer"): "layers",
    ("probe", "site"): "sites",
    ("probe", "position"): "positions",
    ("interchange", "position"): "positions",
    ("das", "position"): "positions",
    ("probe", "size"): "sizes",
    ("steer", "scale"): "scales",
    ("zoo run", "method"): "methods",
    ("dictionary fit", "latents"): "n_latents",
}
MORE = {("compose", "kind"): {"all"}, ("roles", "show"): {"all", "loss"}}
"""Choices for what the library leaves out, or has another function for."""
OTHER_DEFAULT = {
    ("lens", "show"), ("roles", "show"), ("compose", "kind"), ("neurons", "layer"),
    ("zoo run", "models"), ("zoo run", "method"), ("analyze", "include"),
    ("steer", "vector"), ("steer", "scale"),
    ("dictionary fit", "site"),
    ("probe", "site"), ("probe", "position"), ("probe", "size"),
    ("interchange", "position"), ("das", "position"),
}  # fmt: skip
"""None or "all" says here what leaving it out says there; ``neurons`` wants a layer there."""
NO_PARAMETER = {
    ("dla", "against"), ("zoo list", "models"), ("zoo certify", "models"), ("zoo run", "real"),
    ("generate", "off"), ("steer", "pairs"), ("probe", "labelled"), ("steer", "gguf"),
}  # fmt: skip
"""What chooses among functions, or what they are called with."""
LIBRARY: dict[str, list[Any]] = {
    "analyze": [pellucid.analyze],
    "study": [pellucid.study, pellucid.analyze],
    "attribute": [pellucid.attribute],
    "patch": [pellucid.patch],
    "ablate": [pellucid.ablate],
    "edges": [pellucid.attribute_edges],
    "circuit": [pellucid.discover_edges, pellucid.edge_faithfulness],
    "lens": [pellucid.logit_lens, pellucid.LogitLens.plot],
    "dla": [pellucid.direct_effects, pellucid.DirectEffects.plot],
    "neurons": [pellucid.neurons],
    "tokens": [pellucid.token_attribution, pellucid.TokenAttribution.plot],
    "attention": [pellucid.attention, pellucid.AttentionPatterns.plot],
    "roles": [pellucid.head_roles, pellucid.HeadRoles.plot],
    "generate": [pellucid.generate],
    "probe": [pellucid.probe],
    "interchange": [pellucid.interchange],
    "das": [pellucid.das],
    "steer": [pellucid.steer, pellucid.steering_vector],
    "compose": [pellucid.composition, pellucid.Composition.plot],
    "dictionary convert": [pellucid.read_dictionary, pellucid.Dictionary.export],
    "dictionary evaluate": [pellucid.evaluate_dictionary, pellucid.read_dictionary],
    "dictionary features": [pellucid.describe_latents, pellucid.read_dictionary],
    "dictionary attribute": [pellucid.attribute_features, pellucid.read_dictionary],
    "dictionary fit": [pellucid.fit_dictionary, pellucid.activations],
    "zoo run": [zoo.run],
}


def commands(room: typer.Typer = app, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the line with its function."""
    for command in room.registered_commands:
        assert command.callback is not None
        yield f"{path}{command.name or command.callback.__name__}", command.callback
    for group in room.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{path}{group.name} ")


def choices(hint: Any) -> set[str] | None:
    """The names that an annotation admits; None if it admits others too."""
    if get_origin(hint) is Annotated:
        return choices(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    parts = set(get_args(hint)) - {NoneType}
    if get_origin(hint) in (Union, UnionType) and len(parts) == 1:
        return choices(parts.pop())
    return None


OPTIONS = [
    (command, parameter)
    for command, function in commands()
    for parameter in inspect.signature(function).parameters.values()
]


@pytest.mark.parametrize(("command", "parameter"), OPTIONS, ids=lambda p: getattr(p, "name", p))
def test_an_option_is_the_parameter(command: str, parameter: inspect.Parameter):
    held = (command, parameter.name)
    if parameter.name in HERE_ALONE or (parameter.name == "top" and command in ROWS):
        pytest.skip("of the command line alone")
    if parameter.name in ("dtype", "device"):
        found = [inspect.signature(pellucid.load).parameters[parameter.name]]
        assert choices(parameter.annotation) in (None, set(get_args(options.DtypeName)))
        assert parameter.default in (options.DTYPE, None)
        return
    if parameter.name in ("prompt", "answer", "foil", "corrupted"):
        assert parameter.default is None
        return
    name = RENAMED.get(held, parameter.name)
    found = [
        known
        for function in LIBRARY.get(command, ())
        if (known := inspect.signature(function).parameters.get(name)) is not None
    ]
    assert found or held in NO_PARAMETER, f"{command} --{name}: what parameter is it?"
    for known in found:
        offered = choices(parameter.annotation)
        wanted = choices(known.annotation)
        if name == "metric" and wanted is None:
            wanted = {*METRICS, "kl"}
        if wanted is not None and offered is not None:
            assert offered - MORE.get(held, set()) == wanted - {"exact"}
        if held not in OTHER_DEFAULT:
            assert parameter.default == known.default


def test_every_command_is_walked():
    assert {command for command, _ in OPTIONS} >= {*LIBRARY, "models list", "app", "doctor"}


def test_a_name_that_is_no_choice_is_refused_with_the_names():
    with pytest.raises(pellucid.EditError, match="over='tails' is not known; choose one of"):
        options.demand_choice("over", "tails", options.Over, pellucid.EditError)
