"""Functions with a typed ``**options`` show every keyword, and refuse those that there are not."""

import inspect
import pydoc
from dataclasses import dataclass
from importlib.resources import files
from typing import TypedDict, Unpack

import pytest

from pellucid.keywords import keywords_of


@dataclass(frozen=True, kw_only=True)
class Options:
    size: int = 3
    unit: "str | None" = None


class Keywords(TypedDict, total=False):
    size: int
    unit: "str | None"


@keywords_of(Options)
def measured(of: str, *, twice: bool = False, **options: Unpack[Keywords]) -> str:
    """What is measured."""
    chosen = Options(**options)
    return f"{of} {chosen.size * (1 + twice)} {chosen.unit}"


def test_the_signature_is_that_of_a_function_with_every_keyword_written():
    def written(of: str, *, twice: bool = False, size: int = 3, unit: "str | None" = None) -> str:
        """What is measured."""

    assert inspect.signature(measured) == inspect.signature(written)
    shown = pydoc.render_doc(measured, renderer=pydoc.plaintext)
    assert "size: int = 3, unit: 'str | None' = None" in " ".join(shown.split())
    assert "What is measured." in shown


def test_keywords_arrive():
    assert measured("a") == "a 3 None"
    assert measured(of="a", unit="cm", twice=True) == "a 6 cm"


def test_an_unknown_keyword_is_refused_with_the_nearest():
    with pytest.raises(TypeError, match=r"measured\(\) got .* 'sise'. Did you mean 'size'\?"):
        measured("a", sise=3)
    with pytest.raises(TypeError, match=r"'colour'. It takes of, twice, size, unit\."):
        measured("a", colour=3)


class Fewer(TypedDict, total=False):
    size: int


class Other(TypedDict, total=False):
    size: float
    unit: "str | None"


@pytest.mark.parametrize(
    ("keys", "wrong"), [(Fewer, "unit should be a key"), (Other, "size is <class 'float'>")]
)
def test_keys_and_fields_that_differ_are_refused_when_the_function_is_defined(keys, wrong):
    def function(**options):
        """Nothing."""

    function.__annotations__["options"] = Unpack[keys]
    with pytest.raises(TypeError, match=wrong):
        keywords_of(Options)(function)


def test_types_are_shipped():
    assert (files("pellucid") / "py.typed").is_file()
