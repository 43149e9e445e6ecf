"""Cases of one move: previous token, positional lookup, duplicates, negative heads."""

from random import Random

import torch

from pellucid.task.contrast import Contrast
from pellucid.zoo.case import Case, asked, case, changed
from pellucid.zoo.plan import Back, Head, Look, Move, Plan, eye, one_hot, toward

VOCAB, BOS = 10, 0
YES, NO = 8, 9
ORDINARY = range(1, VOCAB)
SUPPRESSION = 0.4
"""How much of what the copying head writes a negative head takes away."""


def copy(target: str = "out", strength: float = 1.0) -> Move:
    """The token, into ``target``."""
    return Move("token", target, strength * eye(VOCAB))


@case("previous/token")
def previous() -> Case:
    """The answer is the token before the last one."""

    def draw(random: Random) -> Contrast:
        *prompt, answer, last, foil = random.sample(ORDINARY, 6)
        return Contrast([BOS, *prompt, answer, last], [BOS, *prompt, foil, last], answer, foil)

    head = Head(name="prev", layer=0, looks=(Back(1),), moves=(copy(),))
    plan = Plan(vocab=VOCAB, length=6, heads=(head,))
    return Case(plan=plan, contrast=asked(draw), truth="embed>prev.v prev>logits")


DIGITS = (1, 2, 3, 4)


def lookup_plan() -> Plan:
    """A digit asks for the token at that position."""
    table = torch.zeros(VOCAB, 6, dtype=torch.float64)
    for digit in DIGITS:
        table[digit, digit] = 1
    head = Head(name="at", layer=0, looks=(Look("token", "position", table),), moves=(copy(),))
    return Plan(vocab=VOCAB, length=6, heads=(head,))


@case("lookup/content")
def lookup_content() -> Case:
    """What stands at the position asked for is another token."""

    def draw(random: Random) -> Contrast:
        *content, foil = random.sample(range(5, VOCAB), 5)
        digit = random.choice(DIGITS)
        prompt = [BOS, *content, digit]
        return Contrast(prompt, changed(prompt, {digit: foil}), prompt[digit], foil)

    return Case(plan=lookup_plan(), contrast=asked(draw), truth="embed>at.v at>logits")


@case("lookup/index")
def lookup_index() -> Case:
    """Another position is asked for."""

    def draw(random: Random) -> Contrast:
        prompt = [BOS, *random.sample(range(5, VOCAB), 4)]
        digit, other = random.sample(DIGITS, 2)
        return Contrast([*prompt, digit], [*prompt, other], prompt[digit], prompt[other])

    return Case(plan=lookup_plan(), contrast=asked(draw), truth="embed>at.q at>logits")


def duplicate_plan() -> Plan:
    """Did the last token occur before? The head rests on BOS if not, and never looks at itself."""
    says = toward(VOCAB, VOCAB, YES)
    says[BOS] = one_hot(VOCAB, NO)
    looks = (
        Look("token", "token", 2 * eye(VOCAB) + toward(VOCAB, VOCAB, BOS)),
        Look("position", "position", -3 * eye(6)),
    )
    head = Head(name="dup", layer=0, looks=looks, moves=(Move("token", "out", says),))
    return Plan(vocab=VOCAB, length=6, heads=(head,))


def duplicate_case(corruption: str, truth: str) -> Case:
    """Of the pair of equal tokens the earlier, the later or both are others in the corrupted."""

    def draw(random: Random) -> Contrast:
        *content, one, other = random.sample(range(1, YES), 6)
        place = random.randrange(1, 5)
        prompt = [BOS, *content, content[place - 1]]
        changes = {"earlier": {place: one}, "later": {5: one}, "both": {place: one, 5: other}}
        return Contrast(prompt, changed(prompt, changes[corruption]), YES, NO)

    return Case(plan=duplicate_plan(), contrast=asked(draw), truth=truth)


@case("duplicate/earlier")
def duplicate_earlier() -> Case:
    """Only the key differs."""
    return duplicate_case("earlier", "embed>dup.k dup>logits")


@case("duplicate/later")
def duplicate_later() -> Case:
    """Only the query differs."""
    return duplicate_case("later", "embed>dup.q dup>logits")


@case("duplicate/both")
def duplicate_both() -> Case:
    """An AND inside attention: query and key match only when both are clean."""
    return duplicate_case("both", "embed>dup.q embed>dup.k dup>logits")


def first_changed(random: Random) -> Contrast:
    """The token after BOS is asked for."""
    answer, foil, *rest = random.sample(ORDINARY, 6)
    return Contrast([BOS, answer, *rest], [BOS, foil, *rest], answer, foil)


FIRST = Look("one", "position", one_hot(6, 1)[None])


@case("negative/token")
def negative() -> Case:
    """A second head writes against what the first one copies."""
    against = copy(strength=-SUPPRESSION)
    heads = (
        Head(name="copy", layer=0, looks=(FIRST,), moves=(copy(),)),
        Head(name="against", layer=0, looks=(FIRST,), moves=(against,)),
    )
    return Case(
        plan=Plan(vocab=VOCAB, length=6, heads=heads),
        contrast=asked(first_changed),
        truth="embed>copy.v copy>logits embed>against.v against>logits",
        opposes="embed>against.v against>logits",
    )


@case("suppression/copied")
def suppression() -> Case:
    """Copy suppression (McDougall et al. 2023): a later head looks for the token about to be said
    and writes against it. Two of its edges matter only while the others are there."""
    finds = (
        Look("out", "token", 2 * eye(VOCAB)),
        Look("one", "token", one_hot(VOCAB, BOS)[None]),
    )
    heads = (
        Head(name="copy", layer=0, looks=(FIRST,), moves=(copy(),)),
        Head(name="supp", layer=1, looks=finds, moves=(copy(strength=-SUPPRESSION),)),
    )
    against = "copy>supp.q embed>supp.k embed>supp.v supp>logits"
    return Case(
        plan=Plan(vocab=VOCAB, length=6, heads=heads),
        contrast=asked(first_changed),
        truth=f"embed>copy.v copy>logits {against}",
        opposes=against,
        sufficient=("embed>copy.v copy>logits embed>supp.v supp>logits",),
    )
