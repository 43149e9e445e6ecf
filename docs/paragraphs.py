"""Begins a line of its own with each of **Assumes**, **Cost** and **Raises** in the reference."""

import re
from typing import Any

STARTS = re.compile(r"\n<strong>(Assumes|Cost|Raises)</strong>")


def on_page_content(html: str, **_: Any) -> str:
    """Called by mkdocs with each page's body."""
    return STARTS.sub(r"<br>\n<strong>\1</strong>", html)
