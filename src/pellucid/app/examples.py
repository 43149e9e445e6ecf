"""Prompts for a reader who does not know yet what to ask, one a behaviour."""

from pellucid.errors import TokenError
from pellucid.model.model import Model
from pellucid.task.tokens import token_id

_EXAMPLES = (
    ("Who gets the drink?", "When Mary and John went to the store, John gave a drink to", " Mary",
     " John", "When Mary and John went to the store, Mary gave a drink to"),
    ("A capital", "The capital of France is the city of", " Paris", " Rome",
     "The capital of Italy is the city of"),
    ("One key or two", "The keys to the cabinet", " are", " is", "The key to the cabinet"),
    ("Say it again", "one, two, three, one, two,", " three", " four",
     "one, two, four, one, two,"),
    ("He or she", "The doctor gave Sarah a glass of water because", " she", " he",
     "The doctor gave James a glass of water because"),
)  # fmt: skip
"""Title, prompt, answer, foil, and the other prompt, in which the foil is right."""


def examples_for(model: Model) -> list[dict[str, str]]:
    """The examples; answer and foil only where each is one token of this model."""
    found = []
    for title, prompt, answer, foil, corrupted in _EXAMPLES:
        told = {"title": title, "prompt": prompt, "corrupted": corrupted}
        if all(_one_token(model, word) for word in (answer, foil)):
            told |= {"answer": answer, "foil": foil}
        found.append(told)
    return found


def _one_token(model: Model, word: str) -> bool:
    try:
        token_id(model.tokenizer, word, vocab_size=model.anatomy.d_vocab)
    except TokenError:
        return False
    return True
