"""The question: two prompts that differ, and two continuations that the difference decides.

    Contrast(
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
        " Mary",
        " John",
    )

Every later number compares the clean with the corrupted run position by position, so the two
prompts must be the same number of tokens; nothing is padded or cut to make them so.
"""

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from pellucid.arguments import checks_kinds, demand_kind, value_in_words
from pellucid.errors import AlignmentError, ContextLengthError, TaskError, TokenError
from pellucid.options import demand_choice
from pellucid.results.provenance import InputFile
from pellucid.stats.units import Units
from pellucid.task.align import check_alignment, check_continuations, check_length
from pellucid.task.chat import chat_prompt
from pellucid.task.encode import Encoded, Padding, Resolved, pack
from pellucid.task.tokens import (
    SINGLE,
    Tokenizer,
    continuation_ids,
    doubled_start,
    is_templated,
    labels,
    listing,
    prompt_ids,
    spaced_hint,
)

OPENING = "([{<\"'`/_-"
"""Signs that a word follows without a space."""
BY_LENGTH = (
    'Take words of one length, or metric="logit_diff_per_token", which divides by the number of '
    "tokens."
)
PARTS_ASKED = ("clean", "corrupted", "answer", "foil")
"""What a contrast asks; group and fillers say only what it shares with others."""
Fillers: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]
WANTED = "Give a Contrast(clean, corrupted, answer, foil), a ContrastBatch, or a list of Contrasts."


@dataclass(frozen=True)
class Contrast:
    """A clean prompt, a corrupted one, the answer to the clean one and its foil.

    Prompts are strings or token ids; answer and foil are strings, one id, or ids. An answer of
    several tokens is scored as a sequence.

    ``group`` is what the prompt shares with others as a whole, such as its template; ``fillers``
    what stands in its places, ``{"name": "Mary"}``. Prompts that share one of them are not
    independent, which intervals take into account (``stats/interval.py``).

    **Raises** ``TokenError`` for what is wrong whatever the tokenizer: something empty, an answer
    equal to its foil, a clean prompt equal to the corrupted one; ``TaskError`` for a group or
    fillers that are not text.
    """

    advice: ClassVar[str] = WANTED
    """What to do with something else that is given as a question."""

    clean: str | Sequence[int]
    corrupted: str | Sequence[int]
    answer: str | int | Sequence[int]
    foil: str | int | Sequence[int]
    group: str = field(default="", kw_only=True, repr=False)
    fillers: Fillers = field(default=(), kw_only=True, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fillers", _fillers(self.fillers))
        demand_kind("Contrast()", "group", self.group, str)
        given = {name: getattr(self, name) for name in PARTS_ASKED}
        for name, value in plain_parts(given).items():
            object.__setattr__(self, name, value)
        if self.clean == self.corrupted:
            raise TokenError(
                f"Clean and corrupted prompt are both {self.clean!r}. Change the part of the "
                "prompt that decides between answer and foil."
            )

    @classmethod
    @checks_kinds
    def chat(
        cls,
        tokenizer: Tokenizer | None,
        clean: str,
        corrupted: str,
        answer: str,
        foil: str,
        *,
        system: str | None = None,
    ) -> "Contrast":
        """A contrast of two user's messages, written out by the tokenizer's chat template.

        Answer and foil follow the template's generation prompt, so they begin without a space.

        **Raises** ``TokenError`` when the tokenizer has no template, or its template refuses.
        """
        prompts = [chat_prompt(tokenizer, message, system=system) for message in (clean, corrupted)]
        return cls(prompts[0], prompts[1], answer, foil)

    def encode(
        self,
        tokenizer: Tokenizer | None,
        *,
        padding: Padding = "right",
        max_positions: int | None = None,
        vocab_size: int | None = None,
    ) -> Encoded:
        """``ContrastBatch.encode`` for this one contrast."""
        return ContrastBatch((self,)).encode(
            tokenizer, padding=padding, max_positions=max_positions, vocab_size=vocab_size
        )

    def resolve(
        self,
        tokenizer: Tokenizer | None,
        *,
        max_positions: int | None = None,
        vocab_size: int | None = None,
    ) -> Resolved:
        """The four parts as ids, validated.

        **Raises** ``TokenError``, ``AlignmentError``, ``ContextLengthError``.
        """
        clean, corrupted = (
            prompt_ids(prompt, tokenizer, name=f"{name} prompt", vocab_size=vocab_size)
            for name, prompt in (("clean", self.clean), ("corrupted", self.corrupted))
        )
        answer, foil = (
            continuation_ids(text, tokenizer, name=name, vocab_size=vocab_size)
            for name, text in (("answer", self.answer), ("foil", self.foil))
        )
        check_continuations(answer, foil, tokenizer)
        check_alignment(clean, corrupted, tokenizer)
        check_length(clean, answer, foil, max_positions)
        return Resolved(clean=clean, corrupted=corrupted, answer=answer, foil=foil)

    def notes(self, tokenizer: Tokenizer | None) -> list[str]:
        """What is legal but perhaps not meant: missing spaces, two BOS, other lengths."""
        doubled = (
            doubled_start(tokenizer, prompt, name)
            for name, prompt in (("clean", self.clean), ("corrupted", self.corrupted))
        )
        hints = [note for note in doubled if note]
        hints += spelling_hints(tokenizer, self.clean, self.answer, self.foil)
        answer, foil = (self._tokens(tokenizer, text) for text in (self.answer, self.foil))
        respelled = any(hint.endswith(SINGLE) for hint in hints)  # which may make them equal
        if respelled or len(answer) == len(foil):
            return hints
        longer = "answer" if len(answer) > len(foil) else "foil"
        return [
            *hints,
            f"The answer {self.answer!r} is {_counted(answer, tokenizer)}, the foil {self.foil!r} "
            f"{_counted(foil, tokenizer)}: the {longer} is less likely for its length alone. "
            f"{BY_LENGTH}",
        ]

    def _tokens(
        self, tokenizer: Tokenizer | None, text: str | int | Sequence[int]
    ) -> Sequence[int]:
        """Its ids; none where it cannot be read, which ``resolve`` refuses by name."""
        try:
            return continuation_ids(text, tokenizer)
        except TokenError:
            return ()

    def to_dict(self) -> dict[str, Any]:
        """The four parts, and group and fillers where there are some, ready for JSON."""
        found: dict[str, Any] = {name: getattr(self, name) for name in PARTS_ASKED}
        if self.group:
            found["group"] = self.group
        return found | ({"fillers": dict(self.fillers)} if self.fillers else {})


@dataclass(frozen=True)
class ContrastBatch:
    """Contrasts that ask the same question about different words."""

    contrasts: tuple[Contrast, ...]
    name: str = field(default="", kw_only=True)
    file: InputFile | None = field(default=None, kw_only=True, compare=False)
    """The file that it was read from."""
    left_out: tuple[str, ...] = field(default=(), kw_only=True, compare=False, repr=False)
    """Rows that were read and cannot be used, each with where it stands and why."""
    read_as: tuple[str, ...] = field(default=(), kw_only=True, compare=False, repr=False)
    """What was read otherwise than it was written."""

    def __post_init__(self) -> None:
        demand_kind("ContrastBatch()", "name", self.name, str)
        demand_kind("ContrastBatch()", "file", self.file, InputFile | None)
        for name in ("left_out", "read_as"):
            demand_kind("ContrastBatch()", name, getattr(self, name), tuple[str, ...])
        object.__setattr__(self, "contrasts", _listed(self.contrasts))
        if not self.contrasts:
            raise TokenError("A batch of no contrasts. Give at least one.")
        for number, one in enumerate(self.contrasts):
            if not isinstance(one, Contrast):
                found = type(one).__name__
                raise TaskError(f"Contrast {number} of the batch is of type {found}. {WANTED}")

    @classmethod
    def of(cls, contrasts: "Contrasts", *, name: str = "") -> "ContrastBatch":
        """A batch from one contrast, several, or a batch (returned as it is).

        **Raises** ``TaskError`` for anything else.
        """
        if isinstance(contrasts, ContrastBatch):
            return contrasts
        if isinstance(contrasts, Contrast):
            return cls((contrasts,), name=name)
        return cls(_listed(contrasts), name=name)

    @classmethod
    @checks_kinds
    def from_lists(
        cls,
        clean: Sequence[str | Sequence[int]],
        corrupted: Sequence[str | Sequence[int]],
        answers: Sequence[str | int | Sequence[int]],
        foils: Sequence[str | int | Sequence[int]],
    ) -> "ContrastBatch":
        """A batch from four lists of one length."""
        lengths = [len(part) for part in (clean, corrupted, answers, foils)]
        if len(set(lengths)) > 1:
            raise TokenError(
                "Four lists of one length are needed; clean, corrupted, answers and foils have "
                f"{', '.join(map(str, lengths))} entries."
            )
        return cls(tuple(map(Contrast, clean, corrupted, answers, foils)))

    def encode(
        self,
        tokenizer: Tokenizer | None,
        *,
        padding: Padding = "right",
        max_positions: int | None = None,
        vocab_size: int | None = None,
    ) -> Encoded:
        """The batch as tensors, every contrast validated.

        ``max_positions`` and ``vocab_size`` are the model's; without them its limits are not
        checked.

        **Raises** ``TokenError``, ``AlignmentError``, ``ContextLengthError``; in a batch of several
        the message begins with the number of the contrast.
        """
        demand_choice("padding", padding, Padding, TaskError)
        resolved = []
        for number, contrast in enumerate(self.contrasts):
            try:
                resolved.append(
                    contrast.resolve(tokenizer, max_positions=max_positions, vocab_size=vocab_size)
                )
            except (TokenError, AlignmentError, ContextLengthError) as error:
                if len(self.contrasts) == 1:
                    raise
                raise error.about(f"Contrast {number} of the batch") from None
        used = sorted(
            {
                i
                for one in resolved
                for part in (one.clean, one.corrupted, one.answer, one.foil)
                for i in part
            }
        )
        return pack(
            resolved,
            dict(zip(used, labels(tokenizer, used), strict=True)),
            padding=padding,
            pad_id=getattr(tokenizer, "pad_token_id", None) or 0,
            notes=self.notes(tokenizer),
            units=self.units,
        )

    @property
    def units(self) -> Units:
        """The contrasts as units of intervals, by group and by fillers."""
        ways = dict.fromkeys(name for one in self.contrasts for name in dict(one.fillers))
        labels = {way: [dict(one.fillers).get(way, "") for one in self.contrasts] for way in ways}
        groups = [one.group for one in self.contrasts]
        return Units.of(len(self), {"group": groups, **labels})

    def notes(self, tokenizer: Tokenizer | None) -> tuple[str, ...]:
        """``Contrast.notes`` of every contrast, each note once."""
        listed = list(self.read_as)
        if self.left_out:
            rows = len(self) + len(self.left_out)
            listed.append(
                f"Of {rows} rows {len(self.left_out)} cannot be used and were left out, "
                f"the first: {self.left_out[0]}"
            )
        listed += [note for contrast in self.contrasts for note in contrast.notes(tokenizer)]
        unequal = [note for note in listed if note.endswith(BY_LENGTH)]
        if len(unequal) > 1:
            first = unequal[0].removesuffix(BY_LENGTH).rstrip()
            listed = [note for note in listed if note not in unequal]
            listed.append(
                f"In {len(unequal)} of {len(self)} contrasts answer and foil are of different "
                f"length. {first} {BY_LENGTH}"
            )
        return tuple(dict.fromkeys(listed))

    def __len__(self) -> int:
        return len(self.contrasts)

    def __iter__(self) -> Iterator[Contrast]:
        return iter(self.contrasts)

    def __getitem__(self, number: int) -> Contrast:
        return self.contrasts[number]

    def to_json(self) -> str:
        """The batch as JSON text; ``from_json`` reads it back."""
        listed = [contrast.to_dict() for contrast in self.contrasts]
        return json.dumps({"name": self.name, "contrasts": listed}, ensure_ascii=False)

    @classmethod
    @checks_kinds
    def from_json(cls, text: str) -> "ContrastBatch":
        """The batch that ``to_json`` wrote. **Raises** ``TaskError`` for any other text."""
        try:
            read = json.loads(text)
            contrasts = tuple(Contrast(**one) for one in read["contrasts"])
            return cls(contrasts, name=read["name"])
        except TaskError:
            raise
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise TaskError(
                f"The text is not a batch that to_json wrote: {type(error).__name__}: {error}."
            ) from error


Contrasts: TypeAlias = Contrast | ContrastBatch | Sequence[Contrast]
"""What every call takes as its question; ``ContrastBatch.of`` makes one thing of it."""


def _listed(contrasts: Any) -> tuple[Any, ...]:
    """Contrasts in the order in which they were given. **Raises** ``TaskError``."""
    unordered = isinstance(contrasts, str | bytes | bytearray | Set | Mapping)
    if unordered or not isinstance(contrasts, Iterable) or isinstance(contrasts, type):
        raise TaskError(f"The question is {value_in_words(contrasts)}. {WANTED}")
    return tuple(contrasts)


def _fillers(given: Any) -> tuple[tuple[str, str], ...]:
    """Fillers as pairs. **Raises** ``TaskError`` for what is no mapping of text to text."""
    try:
        listed = given if isinstance(given, Mapping | tuple | list) else [(given, None)]
        pairs = tuple(dict(listed).items())
    except (TypeError, ValueError):
        pairs = ((given, None),)
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise TaskError(
            f"fillers={given!r}: give what stands in each place, as {{'name': 'Mary'}}."
        )
    return tuple((name, value.strip()) for name, value in pairs)


def _counted(ids: Sequence[int], tokenizer: Tokenizer | None) -> str:
    if len(ids) == 1:
        return "1 token"
    return f"{len(ids)} tokens ({listing(tokenizer, ids)})"


def spelling_hints(
    tokenizer: Tokenizer | None,
    prompt: str | Sequence[int],
    answer: str | int | Sequence[int],
    foil: str | int | Sequence[int],
) -> list[str]:
    """Spellings of prompt, answer and foil that are perhaps not meant, and what may be.

    None where a template wrote the prompt: it ends as it should, and answers follow it bare.
    """
    if is_templated(tokenizer, prompt):
        return []
    if isinstance(prompt, str) and prompt[-1:].isspace():
        return [
            f"The prompt ends in {prompt[-1]!r}, which most tokenizers keep as a token of its "
            "own; leave it out and begin answer and foil with the space."
        ]
    if isinstance(prompt, str) and prompt[-1:] in tuple(OPENING):
        return []
    hints = (
        spaced_hint(tokenizer, text, name) for name, text in (("answer", answer), ("foil", foil))
    )
    return [hint for hint in hints if hint]


def plain_parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parts of a question by name, as ``plain_ids`` makes them; ``answer`` and ``foil`` among them.

    **Raises** ``TokenError`` for one that is empty, and for an answer equal to its foil.
    """
    found = {name: plain_ids(value, name) for name, value in given.items()}
    for name, value in found.items():
        if value in ("", ()):
            what = f"{name} prompt" if name in ("clean", "corrupted") else name
            raise TokenError(f"The {what} is empty. Give at least one token.")
    if found["answer"] == found["foil"]:
        raise TokenError(
            f"Answer and foil are both {found['answer']!r}, so nothing is contrasted. Give as "
            "foil what the corrupted prompt makes likely."
        )
    return found


def plain_ids(value: Any, name: str) -> str | int | tuple[int, ...]:
    """A string, an int or a tuple of ints, from whatever holds them (lists, arrays, tensors)."""
    if isinstance(value, str):
        demand_kind("Contrast()", name, value, str)
        return value
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, int) and not isinstance(value, bool):
        if name in ("prompt", "clean", "corrupted"):
            raise TokenError(
                f"The {name} prompt is the single number {value}. Give a string, or a list of "
                "token ids."
            )
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        ids = tuple(i.item() if hasattr(i, "item") else i for i in value)
        if all(isinstance(i, int) and not isinstance(i, bool) for i in ids):
            return ids
    raise TokenError(
        f"The {name} is {reprlib.repr(value)}. Give a string or token ids in a flat list; several "
        "prompts are a ContrastBatch."
    )
