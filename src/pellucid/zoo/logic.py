"""Cases of two bits and an MLP: AND, OR, XOR, a backup head, and a gate.

Two heads bring the bits to the last position; rectifiers combine them (x is how many are on):
AND is relu(x - 1), XOR relu(x) - 2 relu(x - 1), and OR relu(2 x) - relu(2 x - 1), which is full
with one bit though softness or a norm take some of it away.
"""

from random import Random

import torch

from pellucid.task.contrast import Contrast
from pellucid.zoo.case import Case, asked, case
from pellucid.zoo.copying import copy
from pellucid.zoo.plan import Back, Head, Look, Move, Neuron, Plan, one_hot

VOCAB, BOS = 10, 0
OFF, ON, END, NO, YES = 1, 2, 3, 4, 9
FILLER = range(5, 9)
RESTS = 8
"""More than the preference for a place: rotary positions differ by several units."""
RIGHT_OR_LEFT = "embed>left.v left>M0 embed>right.v right>M0 M0>logits"


def bit(target: str) -> Move:
    """Whether the token is OFF or ON, as one of two features."""
    matrix = torch.zeros(VOCAB, 2, dtype=torch.float64)
    matrix[OFF, 0] = matrix[ON, 1] = 1
    return Move("token", target, matrix)


Terms = tuple[tuple[float, float], ...]
"""A weight and a threshold for each rectifier."""
AND: Terms = ((1, 1),)
OR: Terms = ((1, 0), (-1, 1))
XOR: Terms = ((1, 0), (-2, 1))


def counting(
    layer: int, parts: tuple[str, str], terms: Terms, slope: float = 1.0
) -> tuple[Neuron, ...]:
    """YES by the sum of  weight x relu(slope x bits on - threshold),  against NO at a half."""
    reads = {part: one_hot(2, 1, value=slope) for part in parts}
    said = one_hot(VOCAB, YES)
    half = Neuron(layer=layer, reads={}, bias=1.0, writes={"out": one_hot(VOCAB, NO, value=0.5)})
    return half, *(
        Neuron(layer=layer, reads=reads, bias=-threshold, writes={"out": weight * said})
        for weight, threshold in terms
    )


def two_bits(terms: Terms, slope: float = 1.0) -> Plan:
    """Two heads, and the rectifiers that combine what they bring."""
    heads = (
        Head(name="left", layer=0, looks=(Back(2),), moves=(bit("a"),)),
        Head(name="right", layer=0, looks=(Back(1),), moves=(bit("b"),)),
    )
    neurons = counting(0, ("a", "b"), terms, slope)
    return Plan(vocab=VOCAB, length=6, parts={"a": 2, "b": 2}, heads=heads, neurons=neurons)


def both_off(random: Random) -> Contrast:
    """Both bits are on, and in the corrupted prompt off."""
    filler = random.choices(FILLER, k=2)
    return Contrast([BOS, *filler, ON, ON, END], [BOS, *filler, OFF, OFF, END], YES, NO)


@case("and/both")
def both_needed() -> Case:
    """Two heads are needed together."""
    return Case(plan=two_bits(AND), contrast=asked(both_off), truth=RIGHT_OR_LEFT)


@case("or/both")
def either_suffices() -> Case:
    """Either of two heads suffices, so cutting one changes nothing and no gradient is left."""
    return Case(
        plan=two_bits(OR, slope=2),
        contrast=asked(both_off),
        truth=RIGHT_OR_LEFT,
        sufficient=(
            "embed>left.v left>M0 M0>logits",
            "embed>right.v right>M0 M0>logits",
        ),
        necessary="M0>logits",
    )


def exclusive(random: Random, which: tuple[str, ...]) -> Contrast:
    """One of the bits, drawn from ``which``, is the other one in the corrupted prompt."""
    filler = random.choices(FILLER, k=2)
    clean = {"left": random.choice((OFF, ON)), "right": random.choice((OFF, ON))}
    flipped = random.choice(which)
    corrupted = {**clean, flipped: OFF + ON - clean[flipped]}
    answer, foil = (NO, YES) if clean["left"] == clean["right"] else (YES, NO)
    one, other = ([BOS, *filler, *bits.values(), END] for bits in (clean, corrupted))
    return Contrast(one, other, answer, foil)


@case("xor/left")
def exclusive_left() -> Case:
    """Only the left bit differs; the right one decides what that means."""
    return Case(
        plan=two_bits(XOR),
        contrast=asked(lambda random: exclusive(random, ("left",))),
        truth="embed>left.v left>M0 M0>logits",
    )


@case("xor/either")
def exclusive_either() -> Case:
    """The left bit differs in some examples, the right one in others."""
    return Case(
        plan=two_bits(XOR),
        contrast=asked(lambda random: exclusive(random, ("left", "right"))),
        truth=RIGHT_OR_LEFT,
    )


@case("backup/source")
def backup() -> Case:
    """A backup head copies the bit when the primary head did not, and rests on BOS when it did.

    Cutting what the primary reads changes nothing: the backup takes over. Cutting what the MLP
    reads of the primary breaks the answer, for the backup still sees it work.
    """
    rests = torch.zeros(2, VOCAB, dtype=torch.float64)
    rests[1, BOS] = RESTS
    heads = (
        Head(name="first", layer=0, looks=(Back(1),), moves=(bit("a"),)),
        Head(name="spare", layer=1, looks=(Look("a", "token", rests), Back(1)), moves=(bit("b"),)),
    )
    plan = Plan(
        vocab=VOCAB,
        length=6,
        parts={"a": 2, "b": 2},
        heads=heads,
        neurons=counting(1, ("a", "b"), OR, slope=2),
    )

    def draw(random: Random) -> Contrast:
        filler = random.choices(FILLER, k=3)
        return Contrast([BOS, *filler, ON, END], [BOS, *filler, OFF, END], YES, NO)

    first, spare = "embed>first.v first>M1 M1>logits", "embed>spare.v spare>M1 M1>logits"
    return Case(
        plan=plan,
        contrast=asked(draw),
        truth=f"{first} embed>spare.v spare>M1",
        hidden="first>spare.q",
        opposes="first>spare.q",
        sufficient=(first, spare),
        necessary="first>M1 M1>logits",
    )


def gate_case(changes: tuple[str, ...], truth: str) -> Case:
    """A gated MLP says the content when the bit is on, else NO."""
    content_head = Head(name="content", layer=0, looks=(Back(2),), moves=(copy("content"),))
    gate_head = Head(name="gate", layer=0, looks=(Back(1),), moves=(bit("a"),))
    off = Neuron(
        layer=0, reads={"a": one_hot(2, 0)}, bias=-0.5, writes={"out": one_hot(VOCAB, NO, value=2)}
    )
    passing = (
        Neuron(
            layer=0,
            reads={"a": one_hot(2, 1)},
            bias=-0.5,
            times={"content": one_hot(VOCAB, token)},
            writes={"out": one_hot(VOCAB, token, value=2)},
        )
        for token in FILLER
    )
    plan = Plan(
        vocab=VOCAB,
        length=6,
        parts={"a": 2, "content": VOCAB},
        heads=(content_head, gate_head),
        neurons=(off, *passing),
    )

    def draw(random: Random) -> Contrast:
        *filler, content, other = random.sample(FILLER, 4)
        corrupted = [
            other if "content" in changes else content,
            OFF if "gate" in changes else ON,
        ]
        foil = NO if "gate" in changes else other
        return Contrast(
            [BOS, *filler, content, ON, END], [BOS, *filler, *corrupted, END], content, foil
        )

    return Case(plan=plan, contrast=asked(draw), truth=truth)


@case("gate/content")
def gate_content() -> Case:
    """What passes the gate is another token."""
    return gate_case(("content",), "embed>content.v content>M0 M0>logits")


@case("gate/bit")
def gate_bit() -> Case:
    """The gate is closed."""
    return gate_case(("gate",), "embed>gate.v gate>M0 M0>logits")


@case("gate/both")
def gate_both() -> Case:
    """The gate is closed and the content another."""
    both = "embed>content.v content>M0 embed>gate.v gate>M0 M0>logits"
    return gate_case(("content", "gate"), both)
