"""Indirect objects in many sentences: templates of our own in the published forms.

Wang et al. 2022 (arXiv:2211.00593) have names in both orders (ABBA, BABA), and with the names long
before, early or late in the sentence. Here each form has four sentences; which one a prompt is of
is its ``group``, so that intervals know what is shared.

What is corrupted decides what can be found (Zhang & Nanda 2023, arXiv:2309.16042):

    repeat      the repeated name becomes the other one: the answer flips
    third_name  the repeated name becomes a third one: neither is told apart any more
    swap        both names change places wherever they stand: the answer flips, their order with it
"""

from collections.abc import Callable
from random import Random
from typing import Literal, TypeAlias

from pellucid.errors import TaskError
from pellucid.options import demand_choice
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.draw import distinct, single
from pellucid.task.tokens import Tokenizer
from pellucid.task.words import MEN, OBJECTS, PLACES, WOMEN

IoiCorruption: TypeAlias = Literal["repeat", "third_name", "swap"]
FORMS: dict[str, tuple[str, ...]] = {
    "early": (
        "When{one} and{two} went to the{place},{subject} gave a{object} to",
        "After{one} and{two} left the{place},{subject} handed a{object} to",
        "While{one} and{two} were at the{place},{subject} offered a{object} to",
        "Then{one} and{two} walked to the{place}, and{subject} gave a{object} to",
    ),
    "late": (
        "At the{place} on a quiet morning,{one} met{two}, and{subject} gave a{object} to",
        "Behind the old{place} at the end of town,{one} saw{two}, and{subject} sent a{object} to",
        "In the{place}, as every year in May,{one} joined{two}, and{subject} passed a{object} to",
        "Near the{place}, before it was dark,{one} found{two}, and{subject} brought a{object} to",
    ),
    "long": (
        "Friends since school,{one} and{two} had not met for years. They talked all day at the"
        "{place}, and in the evening{subject} gave a{object} to",
        "There were many people, but{one} and{two} knew nobody else. When the{place} had closed,"
        "{subject} handed a{object} to",
        "The letter had come for{one} and{two} together. On the way to the{place} it began to rain,"
        " and{subject} gave a{object} to",
        "Both{one} and{two} had been told to wait. Nobody came to the{place}, so in the end"
        "{subject} left a{object} to",
    ),
}


def ioi_forms(
    tokenizer: Tokenizer, n: int = 48, seed: int = 0, *, corruption: IoiCorruption = "repeat"
) -> ContrastBatch:
    """Indirect object identification in twelve sentences of three forms, names in both orders.

    **Raises** ``TaskError`` for a corruption that is not known.
    """
    demand_choice("corruption", corruption, IoiCorruption, TaskError)
    names = single(tokenizer, WOMEN + MEN, 4)
    places, objects = single(tokenizer, PLACES, 1), single(tokenizer, OBJECTS, 1)
    sentences = {
        f"{form} {number}": sentence
        for form, some in FORMS.items()
        for number, sentence in enumerate(some, 1)
    }

    def draw(rng: Random) -> Contrast:
        group, sentence = rng.choice(list(sentences.items()))
        one, two, third = rng.sample(names, 3)
        subject = rng.choice((one, two))
        answer = one if subject == two else two
        told: Callable[..., str] = _filled(sentence, rng.choice(places), rng.choice(objects))
        corrupted = {
            "repeat": told(one, two, answer),
            "third_name": told(one, two, third),
            "swap": told(two, one, answer),
        }[corruption]
        return Contrast(
            told(one, two, subject), corrupted, answer, subject,
            group=group, fillers={"answer": answer, "repeated": subject},
        )  # fmt: skip

    return distinct("ioi_forms", draw, n, seed)


def _filled(sentence: str, place: str, given: str) -> Callable[[str, str, str], str]:
    """The sentence, which still takes its two names and the repeated one."""
    return lambda one, two, subject: sentence.format(
        one=one, two=two, subject=subject, place=place, object=given
    )
