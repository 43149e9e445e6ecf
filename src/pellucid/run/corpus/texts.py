"""Texts as ids, from whatever holds them: a string, ids, a list, an iterator, or a file."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import ContextLengthError, TaskError
from pellucid.model.model import Model
from pellucid.run.prompts import is_id
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.tokens import prompt_ids

OneText: TypeAlias = str | Sequence[int] | Tensor
Texts: TypeAlias = OneText | Path | Iterable[OneText]
TooLong: TypeAlias = Literal["refuse", "truncate"]


@dataclass(frozen=True)
class Text:
    """One text as the model reads it."""

    ids: tuple[int, ...]
    given: int
    """How many ids it had before it was cut to what the model can read."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of its ids as 32-bit integers."""
        return sha256(np.asarray(self.ids, dtype="<i4").tobytes()).digest()


def read_texts(model: Model, texts: Texts, too_long: TooLong) -> Iterator[Text]:
    """Each text's ids, in order, as they are asked for.

    **Raises** ``TaskError`` when there are none, or for a file that cannot be read;
    ``TokenError`` for one that is not tokens of this model; ``ContextLengthError`` for one that is
    too long and may not be cut.
    """
    number = -1
    for number, text in enumerate(each(texts)):
        if isinstance(text, Contrast | ContrastBatch):
            raise TaskError("Texts are read, not contrasts: give contrast.clean, say.")
        name = f"text {number}"
        ids = prompt_ids(text, model.tokenizer, name=name, vocab_size=model.anatomy.d_vocab)
        most = model.max_positions or len(ids)
        if len(ids) > most and too_long == "refuse":
            raise ContextLengthError(
                f"Text {number} has {len(ids)} tokens; the model reads at most {most}. Cut it, or "
                'give too_long="truncate".'
            )
        yield Text(ids[:most], len(ids))
    if number < 0:
        raise TaskError("There are no texts. Give at least one.")


def each(texts: Any) -> Iterator[Any]:
    """The texts one by one. A string is one text; a file is given as a ``Path``."""
    if isinstance(texts, str | Contrast):
        return iter([texts])
    if isinstance(texts, Path):
        return of_file(texts)
    if isinstance(texts, ContrastBatch) or not isinstance(texts, Iterable):
        raise TaskError(
            f"texts={texts!r:.80}: give a string, token ids, several of these, or a Path."
        )
    if isinstance(texts, Tensor | np.ndarray):
        return iter([texts] if texts.ndim == 1 else texts)
    if isinstance(texts, Sequence) and texts and all(map(is_id, texts)):
        return iter([texts])
    return iter(texts)


def how_many(texts: Any) -> int | None:
    """How many texts there are, where that is known before they are read."""
    if isinstance(texts, list | tuple | Tensor | np.ndarray):
        return sum(1 for _ in each(texts))
    return 1 if isinstance(texts, str) else None


def of_file(path: Path) -> Iterator[str]:
    """Lines of a ``.txt`` file, or "text" of each line of a ``.jsonl`` file, but for blank ones.

    **Raises** ``TaskError`` naming the line that is not as it should be.
    """
    if path.suffix not in (".txt", ".jsonl"):
        raise TaskError(f"{path}: texts are read from .txt (one a line) or .jsonl files.")
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    bare = line.rstrip("\r\n")
                    yield bare if path.suffix == ".txt" else _of_json(bare, path, number)
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read: {error}.") from error


def _of_json(line: str, path: Path, number: int) -> str:
    try:
        found = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, str):
        raise TaskError(f'{path}, line {number}: every line should be {{"text": "..."}}.')
    return found


def as_tensors(texts: Sequence[Text]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids ``[token]``, lengths kept and given ``[text 2]``, and digests ``[text 32]``."""
    tokens = torch.tensor([i for text in texts for i in text.ids], dtype=torch.int32)
    lengths = torch.tensor([[len(text.ids), text.given] for text in texts])
    digests = torch.tensor([list(text.digest) for text in texts], dtype=torch.uint8)
    return tokens, lengths, digests
