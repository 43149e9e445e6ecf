"""Cases in which one head finds what another has marked: induction, and variables by reference."""

from random import Random

from pellucid.task.contrast import Contrast
from pellucid.zoo.case import Case, asked, case, changed
from pellucid.zoo.copying import BOS, ORDINARY, VOCAB, copy
from pellucid.zoo.plan import Back, Head, Look, Move, Plan, eye, one_hot


def induction_plan() -> Plan:
    """A head marks every token with the one before; a later one finds the mark and copies."""
    matches = Look("token", "before", eye(VOCAB))
    heads = (
        Head(name="prev", layer=0, looks=(Back(1),), moves=(copy("before"),)),
        Head(name="ind", layer=1, looks=(matches,), moves=(copy(),)),
    )
    return Plan(vocab=VOCAB, length=8, parts={"before": VOCAB}, heads=heads)


def induction_case(corruption: str, truth: str, *sufficient: str) -> Case:
    """``BOS A B x C D y A`` is continued with B."""

    def draw(random: Random) -> Contrast:
        a, b, x, c, d, y, e, f = random.sample(ORDINARY, 8)
        prompt = [BOS, a, b, x, c, d, y, a]
        changes, foil = {
            "value": ({2: f}, f),
            "key": ({1: c, 4: a}, d),
            "query": ({7: c}, d),
            "all": ({1: e, 2: f, 7: e}, f),
        }[corruption]
        return Contrast(prompt, changed(prompt, changes), b, foil)

    return Case(plan=induction_plan(), contrast=asked(draw), truth=truth, sufficient=sufficient)


@case("induction/value")
def induction_value() -> Case:
    """Another token follows the first A."""
    return induction_case("value", "embed>ind.v ind>logits")


@case("induction/key")
def induction_key() -> Case:
    """A stands elsewhere, so that another token follows it."""
    return induction_case("key", "embed>prev.v prev>ind.k ind>logits")


@case("induction/query")
def induction_query() -> Case:
    """Another token is to be continued."""
    return induction_case("query", "embed>ind.q ind>logits")


@case("induction/all")
def induction_all() -> Case:
    """A and B are others throughout: five edges are each necessary while two are sufficient, for a
    corrupted query finds a corrupted key as well as a clean one finds a clean one."""
    five = "embed>prev.v prev>ind.k embed>ind.q embed>ind.v ind>logits"
    return induction_case("all", five, "embed>ind.v ind>logits")


def chain_plan() -> Plan:
    """Values are bound to the names before them, names resolved to values, and the value fetched.

    ``resolve`` rests on BOS where a token is no name that was bound before.
    """
    resolves = (
        Look("token", "name", 2 * eye(VOCAB)),
        Look("one", "token", one_hot(VOCAB, BOS)[None]),
    )
    heads = (
        Head(name="bind", layer=0, looks=(Back(1),), moves=(copy("name"),)),
        Head(name="resolve", layer=1, looks=resolves, moves=(copy("value"),)),
        Head(
            name="fetch",
            layer=2,
            looks=(Look("token", "name", eye(VOCAB)),),
            moves=(Move("value", "out", eye(VOCAB)),),
        ),
    )
    parts = {"name": VOCAB, "value": VOCAB}
    return Plan(vocab=VOCAB, length=10, parts=parts, heads=heads)


def chain_case(corruption: str, truth: str) -> Case:
    """``x=5 z=7 y=x w=z, y?`` is 5."""

    def draw(random: Random) -> Contrast:
        x, z, y, w = random.sample(range(1, 5), 4)
        five, seven, other = random.sample(range(5, VOCAB), 3)
        prompt = [BOS, x, five, z, seven, y, x, w, z, y]
        changes, foil = {
            "value": ({2: other}, other),
            "pointer": ({6: z}, seven),
            "names": ({1: z, 3: x}, seven),
            "asked": ({9: w}, seven),
        }[corruption]
        return Contrast(prompt, changed(prompt, changes), five, foil)

    return Case(plan=chain_plan(), contrast=asked(draw), truth=truth)


@case("binding/value")
def chain_value() -> Case:
    """x is bound to another value."""
    return chain_case("value", "embed>resolve.v resolve>fetch.v fetch>logits")


@case("binding/pointer")
def chain_pointer() -> Case:
    """y refers to z instead of x."""
    return chain_case("pointer", "embed>resolve.q resolve>fetch.v fetch>logits")


@case("binding/names")
def chain_names() -> Case:
    """The two names change places, so that x has the other value."""
    return chain_case("names", "embed>bind.v bind>resolve.k resolve>fetch.v fetch>logits")


@case("binding/asked")
def chain_asked() -> Case:
    """Another variable is asked for."""
    return chain_case("asked", "embed>fetch.q fetch>logits")
