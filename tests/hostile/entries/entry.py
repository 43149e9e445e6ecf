"""What a public call is tried with, and what many of them share."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st

import pellucid
from pellucid import Contrast, Model
from tests.hostile.values import (
    CHOICE,
    FLAG,
    NUMBER,
    OBJECT,
    OPTIONAL_OBJECT,
    WHOLE,
    wrong,
)

QUESTION = Contrast([20, 21, 22, 23], [20, 24, 22, 23], 30, 31)
EDGES = [("L0H1", "logits"), ("L0H1", "M1")]
Wrong = Mapping[str, st.SearchStrategy[Any]]

PARTS = wrong("none", "iterator", "text")
ESTIMATED: Wrong = {"metric": wrong("function"), "trace": OPTIONAL_OBJECT}
MEASURED: Wrong = {**ESTIMATED, "seed": WHOLE, "memory_budget": WHOLE, "ablation": CHOICE}
ANALYSED: Wrong = {
    "method": CHOICE,
    "search": CHOICE,
    "over": CHOICE,
    "opponents": CHOICE,
    "target": NUMBER,
    "budget": WHOLE,
    "ablation": CHOICE,
    "metric": ESTIMATED["metric"],
    "random_sets": WHOLE,
    "controls": WHOLE,
    "seed": WHOLE,
    "insist": FLAG,
    "include": wrong(),
}
ASKED: Wrong = {"model": OBJECT, "contrast": OBJECT}
WORD = wrong("text", "whole", "none")


@dataclass(frozen=True)
class Entry:
    """A public call: arguments that are right, by the model, and wrong values for each."""

    call: Callable[..., Any]
    right: Callable[[Model], dict[str, Any]]
    wrong: Wrong


def asking(**more: Any) -> Callable[[Model], dict[str, Any]]:
    return lambda model: {"model": model, "contrast": QUESTION, **more}


@functools.cache
def scores_of(module: torch.nn.Module) -> pellucid.EdgeScores:
    return pellucid.attribute_edges(pellucid.load(module), QUESTION, method="eap")
