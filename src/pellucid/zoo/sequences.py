"""Cases over a whole sequence: sort, reverse, and the fraction of tokens equal to one.

The last two as Tracr compiles them (Lindner et al. 2023, arXiv:2301.05062).
"""

from random import Random

import torch

from pellucid.task.contrast import Contrast
from pellucid.zoo.case import Case, asked, case, changed
from pellucid.zoo.copying import BOS, VOCAB, copy
from pellucid.zoo.plan import Head, Look, Move, Neuron, Plan, eye, one_hot

END = 9
_NUMBERS = range(1, END)


def sort_plan() -> Plan:
    """Prefers, of the numbers above the last one, the smaller by one unit a step; never itself."""
    table = torch.zeros(VOCAB, VOCAB, dtype=torch.float64)
    for number in _NUMBERS:
        for greater in range(number + 1, END):
            table[number, greater] = VOCAB - greater
    looks = (Look("token", "token", table), Look("position", "position", -VOCAB * eye(7)))
    head = Head(name="next", layer=0, looks=looks, moves=(copy(),))
    return Plan(vocab=VOCAB, length=7, heads=(head,))


def _following(number: int, numbers: list[int]) -> int:
    """The next greater one, or 0."""
    return min((n for n in numbers if n > number), default=0)


def sort_case(corruption: str, truth: str, hidden: str = "") -> Case:
    """``BOS 5 2 7 4 END 4`` is continued with 5, the next in order."""

    def draw(random: Random) -> Contrast:
        while True:
            numbers = random.sample(_NUMBERS, 4)
            last, other = random.choice(numbers), random.choice(_NUMBERS)
            answer, place = _following(last, numbers), random.randrange(1, 5)
            prompt = [BOS, *numbers, END, last]
            at = prompt.index(answer)
            changes = {
                "content": {at: other},
                "order": {place: other},
                "query": {6: other},
                "both": {at: other},
            }[corruption]
            corrupted = changed(prompt, changes)
            foil = _following(corrupted[6], corrupted[1:5])
            moved = bool(foil) and corrupted.index(foil) != at
            plain = answer and other not in (*numbers, last) and last in corrupted[1:5]
            if corruption == "query":
                plain = answer and other in numbers and other != last
            stays = {"content": not moved, "order": moved and place != at}
            if plain and foil not in (0, answer) and stays.get(corruption, moved):
                return Contrast(prompt, corrupted, answer, foil)

    return Case(plan=sort_plan(), contrast=asked(draw), truth=truth, hidden=hidden)


@case("sort/content")
def sort_content() -> Case:
    """The next number is another, at the same place."""
    return sort_case("content", "embed>next.v next>logits")


@case("sort/order")
def sort_order() -> Case:
    """A number elsewhere comes in between; which one it is shows only where the order was lost."""
    return sort_case("order", "embed>next.k next>logits", hidden="embed>next.v")


@case("sort/query")
def sort_query() -> Case:
    """The successor of another number is asked for."""
    return sort_case("query", "embed>next.q next>logits")


@case("sort/both")
def sort_both() -> Case:
    """The next number is one that is not next, so another place takes its turn."""
    return sort_case("both", "embed>next.k embed>next.v next>logits")


_LENGTH = 7


def reverse_plan() -> Plan:
    """Finds END, computes from its position and the own one where to read, and reads there.

    After END at e, position p says what stands at 2e - p - 1.
    """
    neurons = [
        Neuron(
            layer=0,
            reads={"end": one_hot(_LENGTH, end), "position": one_hot(_LENGTH, own)},
            bias=-1.0,
            writes={"target": one_hot(_LENGTH, 2 * end - own - 1)},
        )
        for end in range(2, _LENGTH)
        for own in range(end, _LENGTH)
        if 2 * end - own - 1 > 0
    ]
    ends = Look("one", "token", one_hot(VOCAB, END)[None])
    there = Look("target", "position", eye(_LENGTH))
    heads = (
        Head(name="end", layer=0, looks=(ends,), moves=(Move("position", "end", eye(_LENGTH)),)),
        Head(name="read", layer=1, looks=(there,), moves=(copy(),)),
    )
    return Plan(
        vocab=VOCAB,
        length=_LENGTH,
        parts={"end": _LENGTH, "target": _LENGTH},
        heads=heads,
        neurons=tuple(neurons),
    )


def reverse_case(corruption: str, truth: str) -> Case:
    """``BOS a b c d END d`` is continued with c."""

    def draw(random: Random) -> Contrast:
        a, b, c, d, other = random.sample(_NUMBERS, 5)
        prompt = [BOS, a, b, c, d, END, d]
        changes, foil = {
            "content": ({3: other}, other),
            "length": ({4: END, 5: d}, a),
        }[corruption]
        return Contrast(prompt, changed(prompt, changes), c, foil)

    return Case(plan=reverse_plan(), contrast=asked(draw), truth=truth)


@case("reverse/content")
def reverse_content() -> Case:
    """Another token stands where the last head reads."""
    return reverse_case("content", "embed>read.v read>logits")


@case("reverse/length")
def reverse_length() -> Case:
    """END stands one earlier, so that another place is read."""
    return reverse_case("length", "embed>end.k end>M0 M0>read.q read>logits")


MARK, FEW, MANY = 1, 2, 3


@case("fraction/marks")
def fraction() -> Case:
    """Which fraction of the tokens is MARK? An MLP marks them and a head takes the mean."""
    marked = Neuron(
        layer=0,
        reads={"token": one_hot(VOCAB, MARK)},
        bias=-0.5,
        writes={"hit": one_hot(1, 0, value=2)},
    )
    says = one_hot(VOCAB, MANY) - one_hot(VOCAB, FEW)
    mean = Head(name="mean", layer=1, moves=(Move("hit", "out", says[None]),))
    plan = Plan(vocab=VOCAB, length=8, parts={"hit": 1}, heads=(mean,), neurons=(marked,))

    def draw(random: Random) -> Contrast:
        prompt = [BOS, *random.choices(range(4, VOCAB), k=7)]
        places = random.sample(range(1, 8), 3)
        return Contrast(changed(prompt, dict.fromkeys(places, MARK)), prompt, MANY, FEW)

    return Case(plan=plan, contrast=asked(draw), truth="embed>M0 M0>mean.v mean>logits")
