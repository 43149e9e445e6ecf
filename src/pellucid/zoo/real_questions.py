"""Questions of twelve kinds to a real model, on which estimates are held against exact effects."""

from typing import Literal, TypeAlias

from pellucid.task.contrast import Contrast

Half: TypeAlias = Literal["chosen on", "held out"]
"""Kinds that methods may be chosen on, and kinds that they are reported on."""

CHOSEN_ON: dict[str, tuple[Contrast, ...]] = {
    "indirect object": (
        Contrast(
            "When Emma and Paul walked into the garden, Paul handed the lamp to",
            "When Emma and Paul walked into the garden, Emma handed the lamp to",
            " Emma",
            " Paul",
        ),
        Contrast(
            "After Kate and Jack finished dinner, Kate passed the keys to",
            "After Kate and Jack finished dinner, Jack passed the keys to",
            " Jack",
            " Kate",
        ),
    ),
    "pronoun": (
        Contrast("The actress smiled because", "The actor smiled because", " she", " he"),
        Contrast("My uncle sold the house after", "My aunt sold the house after", " he", " she"),
    ),
    "agreement": (
        Contrast("The books on the small table", "The book on the small table", " are", " is"),
        Contrast("The pilot that the guards admire", "The pilots that the guards admire", " is",
                 " are"),
    ),
    "colour": (
        Contrast("The colour of the clear sky is", "The colour of the fresh grass is", " blue",
                 " green"),
        Contrast("Blood is red, the sky is", "Blood is red, the grass is", " blue", " green"),
    ),
    "month": (
        Contrast("April, May, June,", "July, August, September,", " July", " October"),
        Contrast("January, February, March,", "May, June, July,", " April", " August"),
    ),
    "continent": (
        Contrast("The river Nile flows through the continent of",
                 "The river Rhine flows through the continent of", " Africa", " Europe"),
        Contrast("The country of Peru lies on the continent of South",
                 "The country of Peru lies on the continent of East", " America", " Asia"),
    ),
}  # fmt: skip
HELD_OUT: dict[str, tuple[Contrast, ...]] = {
    "capital": (
        Contrast("The capital of Italy is the city of", "The capital of France is the city of",
                 " Rome", " Paris"),
        Contrast("People who visit the capital of Japan fly to",
                 "People who visit the capital of Germany fly to", " Tokyo", " Berlin"),
    ),
    "greater than": (
        Contrast("The siege began in the year 1664 and ended in the year 16",
                 "The siege began in the year 1624 and ended in the year 16", "7", "3"),
        Contrast("The reign lasted from the year 1472 to the year 14",
                 "The reign lasted from the year 1442 to the year 14", "8", "5"),
    ),
    "induction": (
        Contrast("river candle stone piano, river candle stone",
                 "river candle stone window, river candle stone", " piano", " window"),
        Contrast("The code is tiger salmon eagle. I repeat, the code is tiger salmon",
                 "The code is tiger salmon rabbit. I repeat, the code is tiger salmon", " eagle",
                 " rabbit"),
    ),
    "opposite": (
        Contrast("The opposite of hot is", "The opposite of big is", " cold", " small"),
        Contrast("up and down, left and right, early and",
                 "up and down, left and right, light and", " late", " dark"),
    ),
    "translation": (
        Contrast("She speaks Spanish. She comes from", "She speaks German. She comes from",
                 " Spain", " Germany"),
        Contrast("English: water. Spanish: agua. English: sun. Spanish:",
                 "English: water. Spanish: agua. English: moon. Spanish:", " sol", " lun"),
    ),
    "plural": (
        Contrast("one book, two books; one house, two", "one book, two books; one car, two",
                 " houses", " cars"),
        Contrast("one mouse, two mice; one foot, two", "one mouse, two mice; one tooth, two",
                 " feet", " teeth"),
    ),
}  # fmt: skip
HALVES: dict[Half, dict[str, tuple[Contrast, ...]]] = {
    "chosen on": CHOSEN_ON,
    "held out": HELD_OUT,
}
