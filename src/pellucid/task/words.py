"""Small word lists of one class each, from which tasks and corrupted prompts are made.

Words of a list can stand in for each other grammatically. They are all common, so that most are
one token in most vocabularies; whoever uses a list keeps those that are.
"""


def _listed(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


WOMEN = _listed(
    "Mary Sarah Anna Emma Laura Alice Julia Lisa Jane Susan Karen Emily Rachel Maria Linda "
    "Barbara Helen Nancy Elizabeth Margaret Ruth Kate Amy Michelle Jessica"
)
MEN = _listed(
    "John Tom James Robert David Michael William Paul Mark George Peter Jack Daniel Henry "
    "Thomas Charles Richard Joseph Edward Frank Martin Simon Adam Andrew Steven"
)
CAPITALS = {
    "France": "Paris",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "England": "London",
    "Russia": "Moscow",
    "China": "Beijing",
    "Japan": "Tokyo",
    "Egypt": "Cairo",
    "Greece": "Athens",
    "Ireland": "Dublin",
    "Austria": "Vienna",
    "Poland": "Warsaw",
    "Portugal": "Lisbon",
    "Cuba": "Havana",
    "Kenya": "Nairobi",
    "Iran": "Tehran",
    "Iraq": "Baghdad",
    "Sweden": "Stockholm",
    "Norway": "Oslo",
    "Denmark": "Copenhagen",
    "Finland": "Helsinki",
    "Belgium": "Brussels",
    "Hungary": "Budapest",
    "Thailand": "Bangkok",
    "Syria": "Damascus",
    "Peru": "Lima",
    "Canada": "Ottawa",
}
PLURALS = {
    "key": "keys",
    "dog": "dogs",
    "cat": "cats",
    "car": "cars",
    "book": "books",
    "teacher": "teachers",
    "doctor": "doctors",
    "student": "students",
    "author": "authors",
    "farmer": "farmers",
    "writer": "writers",
    "picture": "pictures",
    "machine": "machines",
    "building": "buildings",
    "table": "tables",
    "bird": "birds",
    "boy": "boys",
    "girl": "girls",
    "child": "children",
    "man": "men",
    "woman": "women",
    "house": "houses",
    "tree": "trees",
    "is": "are",
    "was": "were",
    "has": "have",
}
VERBS = {one: PLURALS[one] for one in ("is", "was", "has")}
"""Forms that follow the number of a subject: exchanged, a sentence may be no more than wrong."""
NOUNS = {one: many for one, many in PLURALS.items() if one not in VERBS}
GENDERS = {
    "he": "she",
    "him": "her",
    "his": "her",
    "himself": "herself",
    "man": "woman",
    "men": "women",
    "boy": "girl",
    "boys": "girls",
    "father": "mother",
    "son": "daughter",
    "brother": "sister",
    "husband": "wife",
    "uncle": "aunt",
    "king": "queen",
    "actor": "actress",
    "gentleman": "lady",
}
OPPOSITES = {
    "good": "bad",
    "high": "low",
    "hot": "cold",
    "big": "small",
    "large": "small",
    "old": "young",
    "new": "old",
    "rich": "poor",
    "happy": "sad",
    "fast": "slow",
    "strong": "weak",
    "long": "short",
    "true": "false",
    "yes": "no",
    "always": "never",
    "more": "less",
    "first": "last",
    "before": "after",
    "up": "down",
    "left": "right",
    "north": "south",
    "east": "west",
    "day": "night",
    "summer": "winter",
    "black": "white",
    "love": "hate",
    "great": "terrible",
    "best": "worst",
    "open": "closed",
    "employed": "unemployed",
    "stable": "unstable",
    "approved": "denied",
    "paid": "missed",
    "loved": "hated",
    "male": "female",
}
PLACES = _listed("store park school office market garden station beach house library")
OBJECTS = _listed("drink book ring letter gift ball watch phone card snack")
EVENTS = _listed("war campaign conflict reign project siege journey mission trial strike")
ARGUMENTS = _listed(
    "size name key path value index width height color label file node shape model date text "
    "user state count line"
)
"""Names of function arguments that are words on their own."""
COLOURS = _listed("red blue green yellow black white brown purple orange pink")
ANIMALS = _listed("dog cat horse cow bird fish lion tiger bear wolf rabbit mouse")
DAYS = _listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _listed(
    "January February March April May June July August September October November December"
)
NUMBERS = _listed("one two three four five six seven eight nine ten")

PAIRED = (PLURALS, GENDERS, OPPOSITES)
"""Classes in which a word has one counterpart; both directions hold."""
SETS: dict[str, tuple[str, ...]] = {
    "name": WOMEN + MEN,
    "country": tuple(CAPITALS),
    "city": tuple(CAPITALS.values()),
    "number": NUMBERS,
    "colour": COLOURS,
    "animal": ANIMALS,
    "day": DAYS,
    "month": MONTHS,
    "place": PLACES,
    "object": OBJECTS,
}
"""Classes in which every word can stand for every other."""
