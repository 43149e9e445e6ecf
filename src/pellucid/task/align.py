"""Checks that only the token ids can answer: same length, different tokens, short enough."""

from collections.abc import Sequence

from pellucid.errors import AlignmentError, ContextLengthError, TokenError
from pellucid.task.tokens import Tokenizer, labels, listing

_SHOWN = 12
"""Tokens shown in the listing of two prompts that do not align."""


def check_continuations(
    answer: tuple[int, ...], foil: tuple[int, ...], tokenizer: Tokenizer | None
) -> None:
    """Answer and foil can be told apart, and neither begins the other."""
    shorter = min(len(answer), len(foil))
    if answer[:shorter] != foil[:shorter]:
        return
    if answer == foil:
        raise TokenError(
            f"Answer and foil are the same tokens: {listing(tokenizer, answer)}. Give another foil."
        )
    raise TokenError(
        f"One of answer ({listing(tokenizer, answer)}) and foil ({listing(tokenizer, foil)}) "
        "begins the other, and the beginning can never be the less likely. Give two that part."
    )


def check_alignment(
    clean: tuple[int, ...], corrupted: tuple[int, ...], tokenizer: Tokenizer | None
) -> None:
    """Clean and corrupted are different tokens, and equally many."""
    if clean == corrupted:
        raise TokenError(
            f"Clean and corrupted prompt are the same tokens: {listing(tokenizer, clean)}. Change "
            "the part of the prompt that decides between answer and foil."
        )
    if len(clean) == len(corrupted):
        return
    pairs = zip(clean, corrupted, strict=False)
    shorter = min(len(clean), len(corrupted))
    parts = next((at for at, (a, b) in enumerate(pairs) if a != b), shorter)
    raise AlignmentError(
        f"The clean prompt is {len(clean)} tokens and the corrupted one {len(corrupted)}; they "
        f"must be equally many, position by position. They part at position {parts}:\n"
        f"{two_rows(labels(tokenizer, clean), labels(tokenizer, corrupted), parts)}\n"
        "Replace words only by words of as many tokens.",
        lengths=(len(clean), len(corrupted)),
        position=parts,
    )


def two_rows(clean: Sequence[str], corrupted: Sequence[str], parts: int) -> str:
    """Two lists of tokens under each other, with a mark at the place where they part."""
    start = max(0, parts - _SHOWN // 3)
    stop = min(max(len(clean), len(corrupted)), start + _SHOWN)
    cells = [
        (
            str(at),
            repr(clean[at]) if at < len(clean) else "-",
            repr(corrupted[at]) if at < len(corrupted) else "-",
            "^" if at == parts else "",
        )
        for at in range(start, stop)
    ]
    lines = []
    for row, head in enumerate(("position", "clean", "corrupted", "")):
        body = "  ".join(cell[row].ljust(max(map(len, cell))) for cell in cells)
        more = "  ..." if row in (1, 2) and stop < len((clean, corrupted)[row - 1]) else ""
        lines.append(f"  {head:9}  {'... ' if start else ''}{body}{more}".rstrip())
    return "\n".join(lines)


def check_length(
    prompt: tuple[int, ...],
    answer: tuple[int, ...],
    foil: tuple[int, ...],
    max_positions: int | None,
) -> None:
    """The prompt with all but the last token of the longer continuation fits."""
    needed = len(prompt) + max(len(answer), len(foil)) - 1
    if max_positions is not None and needed > max_positions:
        raise ContextLengthError(
            f"The prompt with its continuation takes {needed} positions and the model reads "
            f"{max_positions}. Shorten the prompt by {needed - max_positions} tokens.",
            length=needed,
            limit=max_positions,
        )
