"""Ready-made tasks: contrasts of known behaviours, made for a tokenizer from a seed.

Each task makes ``n`` different contrasts. It uses only words that are one token (with the space
before them) in the tokenizer at hand, so clean and corrupted prompts align and one task's prompts
are, for nearly every tokenizer, of one length. In most tasks the corrupted prompt makes the foil
right, so the metric of a model that can do the task changes its sign; not in ``greater_than`` and
``decision``. What prompts share of what decides them, a name or a country, stands in their
``fillers``, a sentence in ``group``. More tasks are in ``ioi_forms.py`` and ``conduct.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pellucid.arguments import checks_kinds
from pellucid.errors import TaskError, TokenError
from pellucid.task.conduct import decision, opposites, refusal, successor, sycophancy
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.draw import (
    distinct,
    enough,
    plain_tokens,
    single,
    single_pairs,
    split_year,
    whole_words,
)
from pellucid.task.ioi_forms import ioi_forms
from pellucid.task.tokens import Tokenizer, encode, listing, prompt_ids
from pellucid.task.words import (
    ARGUMENTS,
    CAPITALS,
    EVENTS,
    MEN,
    NOUNS,
    OBJECTS,
    PLACES,
    WOMEN,
)


@dataclass(frozen=True)
class Task:
    """A named maker of contrasts; ``about`` says what a model needs to do."""

    name: str
    about: str
    make: Callable[..., ContrastBatch]

    def __call__(self, tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
        """``n`` different contrasts for this tokenizer.

        **Raises** ``TaskError`` when so many cannot be made, ``TokenError`` for a tokenizer that
        does not read the words as the task needs them.
        """
        return self.make(tokenizer, n, seed)


def ioi(tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
    """Indirect object identification (Wang et al. 2022, arXiv:2211.00593).

    "When Mary and John went to the store, John gave a drink to" -> " Mary". Both orders of the
    names occur equally often. Corrupted by replacing the repeated name by the other (symmetric
    token replacement, Zhang & Nanda 2023, arXiv:2309.16042).
    """
    names = single(tokenizer, WOMEN + MEN, 4)
    places, objects = single(tokenizer, PLACES, 1), single(tokenizer, OBJECTS, 1)

    def draw(rng: Random) -> Contrast:
        one, two = rng.sample(names, 2)
        place, given, subject = rng.choice(places), rng.choice(objects), rng.choice((one, two))
        answer = one if subject == two else two
        start = f"When{one} and{two} went to the{place},"
        return Contrast(
            f"{start}{subject} gave a{given} to",
            f"{start}{answer} gave a{given} to",
            answer,
            subject,
            fillers={"answer": answer, "repeated": subject},
        )

    return distinct("ioi", draw, n, seed)


def greater_than(tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
    """A year that ends later than it began (Hanna et al. 2023, arXiv:2305.00586).

    "The war lasted from the year 1743 to the year 17" -> "5" rather than "3" where digits are
    tokens, and "44" ... "99" rather than "02" ... "42" where pairs of digits are. Corrupted, as
    published, by a first year that ends in 01: then both are possible, so the metric falls, and its
    sign is up to the model (SmolLM2 then prefers the earlier one).
    """
    events = single(tokenizer, EVENTS, 1)
    found = {
        (century, rest): split_year(tokenizer, f"{century}", f"{rest:02}")
        for century in range(11, 20)
        for rest in range(100)
    }
    digits = {len(after) == 2 for after in found.values() if after is not None}
    usable = range(20, 90) if digits == {True} else range(2, 99)
    years = [
        (century, rest)
        for (century, rest), after in found.items()
        if after is not None and found[century, 1] is not None and rest in usable
    ]
    if not years or len(digits) != 1:
        raise TokenError(
            "The tokenizer does not split years into a century and the digits after it; it reads "
            f"' 1743' as {listing(tokenizer, encode(tokenizer, ' 1743'))}. Choose another task."
        )
    # Of two digit tokens only the first is asked for: tens against tens.
    step, form = (10, "{}") if digits == {True} else (1, "{:02}")

    def draw(rng: Random) -> Contrast:
        event, (century, rest) = rng.choice(events), rng.choice(years)
        later = rng.randint(rest // step + 1, 99 // step)
        earlier = rng.randint(1, rest // step - 1)
        start, end = f"The{event} lasted from the year {century}", f" to the year {century}"
        return Contrast(
            f"{start}{rest:02}{end}", f"{start}01{end}", form.format(later), form.format(earlier)
        )

    return distinct("greater_than", draw, n, seed)


def agreement(tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
    """Subject-verb agreement across a noun of the other number (Linzen et al. 2016,
    arXiv:1611.01368; the prepositional set of Marks et al. 2024, arXiv:2403.19647).

    "The key near the cars" -> " is" rather than " are". Corrupted by the subject's other number;
    the noun in between stays.
    """
    pairs = single_pairs(tokenizer, NOUNS.items(), 3)

    def draw(rng: Random) -> Contrast:
        subject, other = rng.sample(pairs, 2)
        number = rng.randrange(2)
        between = f"{rng.choice((' near', ' behind', ' beside'))} the{other[1 - number]}"
        verbs = (" is", " are")
        return Contrast(
            f"The{subject[number]}{between}",
            f"The{subject[1 - number]}{between}",
            verbs[number],
            verbs[1 - number],
            fillers={"subject": subject[number]},
        )

    return distinct("agreement", draw, n, seed)


def pronoun(tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
    """The pronoun of a name (Mathwin et al. 2023, "Identifying a preliminary circuit for predicting
    gendered pronouns in GPT-2 small").

    "So Mary is a really great friend, isn't" -> " she" rather than " he". Corrupted by a name of
    the other gender. The names' usual gender is what is asked for, nothing about a person.
    """
    women, men = single(tokenizer, WOMEN, 2), single(tokenizer, MEN, 2)
    kinds = single(tokenizer, ("great", "good", "nice", "kind"), 1)
    roles = single(tokenizer, ("friend", "teacher", "student", "doctor", "writer", "leader"), 1)

    def draw(rng: Random) -> Contrast:
        said = [(rng.choice(women), " she"), (rng.choice(men), " he")]
        rng.shuffle(said)
        (name, answer), (other, foil) = said
        rest = f" is a really{rng.choice(kinds)}{rng.choice(roles)}, isn't"
        fillers = {"name": name}
        return Contrast(f"So{name}{rest}", f"So{other}{rest}", answer, foil, fillers=fillers)

    return distinct("pronoun", draw, n, seed)


def capitals(tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
    """The capital of a country, a fact recalled (the relation "capital of" of LRE, Hernandez et al.
    2023, arXiv:2308.09124).

    "The capital of France is" -> " Paris" rather than " Rome". Corrupted by the foil's country.
    """
    pairs = single_pairs(tokenizer, CAPITALS.items(), 3)

    def draw(rng: Random) -> Contrast:
        (country, city), (other, foil) = rng.sample(pairs, 2)
        return Contrast(
            f"The capital of{country} is", f"The capital of{other} is", city, foil,
            fillers={"country": country},
        )  # fmt: skip

    return distinct("capitals", draw, n, seed)


def docstring(tokenizer: Tokenizer, n: int = 32, seed: int = 0) -> ContrastBatch:
    """The next argument in a Python docstring (Heimersheim & Janiak 2023, "A circuit for Python
    docstrings in a 4-layer attention-only transformer").

    The function has five arguments, the docstring lists the first three; next is the fourth rather
    than the fifth. Corrupted by exchanging these two in the signature.
    """
    words = single(tokenizer, ARGUMENTS, 9)

    def draw(rng: Random) -> Contrast:
        one, two, three, answer, foil, about, again, still, function = rng.sample(words, 9)
        body = (
            f'):\n    """Return{about}{function}\n\n    :param{one}:{again}{still}\n'
            f"    :param{two}:{still}{about}\n    :param{three}:{about}{again}\n    :param"
        )
        start = f"def{function}(self,{one},{two},{three},"
        return Contrast(
            f"{start}{answer},{foil}{body}", f"{start}{foil},{answer}{body}", answer, foil,
            fillers={"answer": answer},
        )  # fmt: skip

    return distinct("docstring", draw, n, seed)


def induction(
    tokenizer: Tokenizer, n: int = 32, seed: int = 0, *, length: int = 20
) -> ContrastBatch:
    """Repeated random tokens (Olsson et al. 2022, arXiv:2209.11895).

    ``length`` random words, then the same again without the last: next is the last. Corrupted by
    another last word in the first copy. Prompts are ids, begun as the tokenizer begins a text.
    """
    words = whole_words(tokenizer)
    pool = words if len(words) > length else plain_tokens(tokenizer)
    enough(pool, length + 1, pool)
    begin = beginning(tokenizer)

    def draw(rng: Random) -> Contrast:
        *copy, answer, foil = rng.sample(pool, length + 1)
        return Contrast((*begin, *copy, answer, *copy), (*begin, *copy, foil, *copy), answer, foil)

    return distinct("induction", draw, n, seed)


def beginning(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The special tokens that the tokenizer puts before a prompt."""
    plain, whole = encode(tokenizer, "a"), prompt_ids("a", tokenizer)
    return whole[: len(whole) - len(plain)]


TASKS = {
    made.name: made
    for made in (
        Task("ioi", "find the name that is not repeated", ioi),
        Task("greater_than", "end later than the year it began", greater_than),
        Task("agreement", "make the verb agree with a distant subject", agreement),
        Task("pronoun", "choose he or she for a name", pronoun),
        Task("capitals", "recall a capital", capitals),
        Task("docstring", "continue a list of arguments in order", docstring),
        Task("induction", "continue a repeated random sequence", induction),
        Task("ioi_forms", "find the name that is not repeated, in twelve sentences", ioi_forms),
        Task("successor", "say which day, month or number comes next", successor),
        Task("opposites", "say the opposite of a word", opposites),
        Task("sycophancy", "repeat what the user is wrong about", sycophancy),
        Task("refusal", "decline what does harm", refusal),
        Task("decision", "decide on an application, in several tokens", decision),
    )
}


@checks_kinds
def tasks(*names: str) -> tuple[Task, ...]:
    """The built-in tasks of those names, or all; ``task(tokenizer, n, seed)`` makes contrasts.

    **Cost** no passes.
    **Raises** ``TaskError`` for a name that is not there, listing those that are.
    """
    return tuple(task(name) for name in names or TASKS)


def task(name: str) -> Task:
    """The built-in task of that name.

    **Raises** ``TaskError`` listing the names that there are.
    """
    if name not in TASKS:
        raise TaskError(f"No task is called {name!r}. There are {', '.join(TASKS)}.")
    return TASKS[name]
