"""Wrong values on every parameter of every public call: refused by name, and nothing is left.

The long form, with a thousand values for each call, is ``tests/soak/test_hostile.py``.
"""

import inspect

import numpy as np
import pytest
import torch

import pellucid
from pellucid import ArgumentError, Contrast, zoo
from pellucid.arguments import checks_kinds
from tests.hostile.entries import ENTRIES
from tests.hostile.trying import RECORDS, demand_refused
from tests.models.every_call import logits_of, state_of

VALUES = 6
"""Values for each parameter in the short form."""


def public_calls() -> set[str]:
    """What of the package can be called, but errors and what only calls make."""
    found = {
        name
        for name in pellucid.__all__
        if callable(one := getattr(pellucid, name))
        and not (inspect.isclass(one) and issubclass(one, Exception | pellucid.Result))
    }
    found |= {f"zoo.{name}" for name in zoo.__all__ if inspect.isfunction(getattr(zoo, name))}
    return found - RECORDS


def test_every_public_call_and_parameter_is_tried():
    assert public_calls() <= set(ENTRIES)
    for name, entry in ENTRIES.items():
        parameters = set(inspect.signature(entry.call).parameters) - {"self"}
        assert parameters == set(entry.wrong), name


@pytest.mark.parametrize("name", ENTRIES)
def test_wrong_values_are_refused_by_name(name, attacked, in_a_folder):
    state, logits = state_of(attacked.module), logits_of(attacked.module)
    demand_refused(name, attacked, values=VALUES)
    assert state_of(attacked.module) == state
    assert torch.equal(logits_of(attacked.module), logits)


@checks_kinds
def given(*, sizes: "tuple[int, ...] | None" = None, share: float = 0.5, name: str = "") -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"sizes": [1, True]}, r"given\(\): sizes\[1\] should be a whole number, and is a bool"),
        ({"sizes": {1, 2}}, "sizes should be a list of a whole number or None, and is a set"),
        ({"sizes": iter([1])}, "sizes should be a list of a whole number or None"),
        ({"sizes": "12"}, "and is a str: '12'. Give a list."),
        ({"share": float("nan")}, "share should be a number, and is a float: nan"),
        ({"share": "0.5"}, "share should be a number, and is a str"),
        ({"sizes": [10**400]}, r"sizes\[0\] should be a whole number"),
        ({"name": b"a"}, "name should be text, and is a bytes"),
        ({"name": "a\ud800"}, "half a character"),
    ],
)
def test_the_argument_and_what_was_found_are_told(keywords, said):
    with pytest.raises(ArgumentError, match=said) as raised:
        given(**keywords)
    assert raised.value.argument == next(iter(keywords))
    assert isinstance(raised.value, TypeError)


def test_numbers_and_lists_of_other_libraries_are_taken():
    given(sizes=np.array([1, 2]), share=np.float32(0.5))
    given(sizes=torch.tensor([1, 2]), share=1)
    given(sizes=[np.int64(1), torch.tensor(2)], name=np.str_("a"))


def test_python_says_what_is_missing_or_too_much():
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        given(size=3)


def test_a_question_of_wrong_parts_says_which():
    with pytest.raises(pellucid.TokenError, match="The clean is b'ab'"):
        Contrast(b"ab", "b", "c", "d")
    with pytest.raises(ArgumentError, match=r"corrupted should be text.* half a character"):
        Contrast("a", "b\udc80", "c", "d")
