"""What the app says that a question takes is never passed, so that the time left stays true."""

import pytest

from pellucid.app.handlers import TAKES, forwards_of, work_for
from pellucid.app.requests import Asked
from pellucid.passes import metering

PROMPT = "When Mary and John went to the store"
OTHER = "When Mary and Mary went to the store"
NODES = ("L0H0", "L1H2", "M2")
ASKED = {
    "lens": {}, "sweep": {}, "lenses": {}, "off": {"nodes": NODES},
    "edges": {"nodes": NODES}, "together": {"groups": (NODES[:1], NODES[1:])},
}  # fmt: skip
QUESTIONS = [
    *((kind, more) for kind, more in ASKED.items()),
    ("patch", {"sites": "heads"}),
    ("patch", {"sites": "resid"}),
    ("circuit", {}),
    ("circuit", {"corrupted": ""}),
]


@pytest.mark.parametrize(("kind", "more"), QUESTIONS, ids=str)
def test_a_question_takes_no_more_than_was_said(small, kind, more):
    question = {"prompt": PROMPT, "corrupted": OTHER, "answer": " Mary", "foil": " John"}
    asked = Asked(kind=kind, **{**question, **more})
    total = forwards_of(small, asked)
    assert total > 0
    with metering() as meter:
        work_for(small, asked)()
    assert 0 < meter.passes.forwards <= total


def test_every_total_is_held():
    assert {kind for kind, _ in QUESTIONS} | {"roles"} == set(TAKES)


def test_a_question_that_cannot_be_asked_has_no_total(small):
    asked = Asked(kind="circuit", prompt=PROMPT, answer=" Mary", foil="")
    assert forwards_of(small, asked) == 0
