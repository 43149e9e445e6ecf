"""One HTML file that draws a result: no network, no font from outside, nothing but itself.

The content security policy allows only the script and the style whose hashes it names, so that
nothing in a prompt can run. The document is embedded as JSON in which ``<`` is escaped; the script
puts text on the page as text nodes only.
"""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from pellucid.report.document import document
from pellucid.results.result import Result
from pellucid.results.views import shows

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="pellucid"></div>
<noscript><pre>{text}</pre></noscript>
<script type="application/json" id="pellucid-data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
_HEIGHT = 900
"""Of the frame in a notebook, in pixels."""


@shows(Result, "page")
def html_page(result: Result) -> str:
    """The result as a page. Without scripts it shows what ``print(result)`` does."""
    return around(document(result), title=f"Pellucid: {type(result).__name__}", text=str(result))


@shows(Result, "frame")
def framed(result: Result) -> str:
    """The page inside a frame of its own, for notebooks: neither touches the other."""
    return (
        f'<iframe title="{type(result).__name__}" sandbox="allow-scripts allow-downloads" '
        f'width="100%" height="{_HEIGHT}" style="border:0" srcdoc="{escape(html_page(result))}">'
        "</iframe>"
    )


def around(data: dict[str, Any], *, title: str, text: str, connect: str = "'none'") -> str:
    """A page for a document; ``text`` is for readers without scripts."""
    return TEMPLATE.format(
        policy=policy(connect=connect),
        title=escape(title),
        style=bundled("pellucid.css"),
        text=escape(text),
        data=json_in_html(data),
        script=bundled("pellucid.js"),
    )


def policy(*, connect: str = "'none'") -> str:
    """What the page may do: run this script, use this style, and speak to ``connect``."""
    return (
        f"default-src 'none'; script-src {hashed(bundled('pellucid.js'))}; "
        f"style-src {hashed(bundled('pellucid.css'))}; connect-src {connect}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def json_in_html(data: dict[str, Any]) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def hashed(source: str) -> str:
    """A source expression of a content security policy."""
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"


@cache
def bundled(name: str) -> str:
    """A file that the build wrote (``make web``)."""
    return (files("pellucid.report") / "static" / name).read_text(encoding="utf-8")
