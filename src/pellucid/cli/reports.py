"""A result as a report: by the ending of its file, HTML, Markdown or PDF."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.results.result import Result


def _as_html(result: "Result") -> bytes:
    """One HTML file."""
    return result.to_html().encode()


def _as_markdown(result: "Result") -> bytes:
    """Markdown."""
    return result.to_markdown().encode()


def _as_pdf(result: "Result") -> bytes:
    """The HTML file, printed."""
    from pellucid.report.pdf import pdf

    return pdf(result)


WAYS: dict[str, Callable[["Result"], bytes]] = {
    ".html": _as_html,
    ".md": _as_markdown,
    ".pdf": _as_pdf,
}
