"""What shows a result is found by its type, and only when something is to be shown."""

import inspect
import subprocess
import sys
from dataclasses import dataclass

import pytest

import pellucid
from pellucid import Result
from pellucid.results.prose import Section, section
from pellucid.results.registry import own_types
from pellucid.results.views import _SHOWN_BY, shown, shows


@dataclass(frozen=True, kw_only=True)
class Steered(Result):
    strength: float


@dataclass(frozen=True, kw_only=True)
class SteeredTwice(Steered):
    again: float


@shows(Steered, "story")
def story_of(found: Steered) -> tuple[Section, ...]:
    return (section(found, "Summary", ["Steered by {strength:.1f}."]),)


def test_a_users_result_is_told_by_what_was_registered_for_it():
    found = Steered(strength=2.0)
    assert found.story() == story_of(found)
    assert "Steered by 2.0." in found.to_markdown()
    assert "Steered by " in found.to_html()
    assert "srcdoc=" in found._repr_html_()
    assert SteeredTwice(strength=3.0, again=1.0).story()[0].sentences[0][1].text == "3.0"


def test_a_result_of_which_nothing_is_registered_says_what_to_do():
    with pytest.raises(TypeError, match=r"@shows\(Steered, \'figure\'\)"):
        shown(Steered(strength=1.0), "figure")


def test_a_later_function_takes_the_place_of_an_earlier_one(one_tiny, pair):
    found = pellucid.attribute(one_tiny, pair)
    found.plot()
    kind = (pellucid.Attribution, "figure")
    before = _SHOWN_BY[kind]
    try:
        shows(*kind)(lambda found, per, tokens: (per, tokens))
        assert found.plot(per="position", tokens=["a"]) == ("position", ["a"])
    finally:
        _SHOWN_BY[kind] = before


def test_every_own_result_that_can_be_drawn_or_exported_has_what_does_it():
    shown_by = {}
    for name in (*pellucid.__all__, "zoo"):
        getattr(pellucid, name)
    shown_by = {(kind.__name__, what) for kind, what in _SHOWN_BY}
    for kind in own_types().values():
        for method, what in (("plot", "figure"), ("export", "file"), ("plot_loss", "loss figure")):
            assert hasattr(kind, method) == ((kind.__name__, what) in shown_by), (kind, what)
            if hasattr(kind, method):
                assert inspect.getdoc(getattr(kind, method))


def test_making_results_imports_nothing_that_shows_them():
    code = (
        "import sys, pellucid\n"
        "for name in pellucid.__all__: getattr(pellucid, name)\n"
        "print({'pellucid.views', 'matplotlib', 'pellucid.report'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
