"""Tokens in columns of plain text, whatever script they are in."""

import textwrap

from rich.cells import cell_len, set_cell_size

from pellucid.results.quoting import in_quotes


def column(text: str, width: int) -> str:
    """``text`` cut or filled to ``width`` terminal cells."""
    return set_cell_size(text, width)


def quoted(token: str, width: int) -> str:
    """A token in quotation marks, what is unseen spelled out, in at most ``width`` cells."""
    spelled = in_quotes(token)[1:-1]
    if cell_len(spelled) > width - 2:
        spelled = set_cell_size(spelled, width - 3).rstrip() + "…"
    return f'"{spelled}"'


def wrapped(text: str) -> list[str]:
    """Lines of at most 80 columns."""
    return textwrap.wrap(text, 80, break_on_hyphens=False)
