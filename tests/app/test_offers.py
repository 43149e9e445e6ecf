"""What the page offers before anything is chosen, and what a queued job is told."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pellucid.app.examples import examples_for
from pellucid.app.jobs import Worker
from pellucid.app.rivals import rival_among
from pellucid.app.server import events

PROMPT = ["When", " Mary", " and", " John", " went"]


@pytest.mark.parametrize(
    ("words", "rival"),
    [
        ([" Mary", " the", " Elizabeth", " John"], " John"),  # named in the prompt
        ([" Mary", " the", " Mar", " Elizabeth"], " Elizabeth"),  # of the same list
        ([" Paris", " the", " John", " London"], " London"),
        ([" Zorg", " the", " Blip", " John"], " John"),  # a name that was said, of no list
        ([" Zorg", " the", "Blip", " Blip"], " Blip"),  # a space before it, and a capital
        ([" she", ",", " it", " he"], " he"),
        ([" are", ":", " of", " is"], " is"),
        (["3", " the", "five", "5"], "5"),
        ([" Zorg", ",", " the"], ","),  # nothing alike: the second likeliest
        ([" Paris", " paris", " Par", " the"], " paris"),  # another spelling is no rival
        (["only"], "only"),
    ],
)
def test_the_foil_is_the_strongest_token_that_could_stand_in_the_answers_place(words, rival):
    place, why = rival_among(words, PROMPT)
    assert words[place] == rival
    assert why


@pytest.mark.smol
def test_the_default_model_knows_answer_and_foil_of_every_example(smol):
    found = examples_for(smol)
    assert all({"answer", "foil", "corrupted"} <= set(one) for one in found)


def test_a_model_that_does_not_know_a_word_as_one_token_gets_the_prompt_alone(small):
    found = examples_for(small)
    assert found
    assert all(("answer" in one) == ("foil" in one) for one in found)


def test_next_offers_a_rival_that_is_not_the_answer(ask):
    found = ask(kind="next", prompt="a b")["result"]
    assert found["rival"]["id"] != found["candidates"][0]["id"]
    assert 0 <= found["rival"]["probability"] <= found["candidates"][0]["probability"]


def test_a_queued_job_says_for_whom_it_waits():
    worker, begun, go = Worker(), threading.Event(), threading.Event()

    def first() -> int:
        begun.set()
        go.wait(20)
        return 1

    worker.add(first, kind="roles")
    worker.add(lambda: 2, kind="next")
    last = worker.add(lambda: 3, kind="lens")
    assert begun.wait(20)

    async def told() -> list[dict]:
        found = []
        async for text in events(last, lambda: worker.ahead(last)):
            found.append(json.loads(text.removeprefix("data: ")))
            go.set()
        return found

    with ThreadPoolExecutor(1) as apart:  # a browser's loop may run in this thread
        said = apart.submit(asyncio.run, told()).result(timeout=40)
    assert said[0] == {"event": "waiting", "ahead": ["roles", "next"]}
    assert said[-1]["result"] == 3
    assert worker.ahead(last) == []
