"""A result's page on paper: the page itself, printed by Chromium with no network.

Needs the ``pdf`` extra (playwright), and a Chromium: one on the PATH, else playwright's own.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pellucid.errors import MissingDependencyError
from pellucid.report.page import html_page
from pellucid.results.result import Result

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_WIDTH = 698
"""Of A4 without its margins, in CSS pixels; the page is laid out as wide as it is printed."""
SHARPNESS = 3
"""Pixels of a matrix for each CSS pixel."""
PAPER: dict[str, Any] = {
    "format": "A4",
    "print_background": True,
    "margin": {"top": "14mm", "bottom": "16mm", "left": "12.5mm", "right": "12.5mm"},
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="font: 8px sans-serif; width: 100%; text-align: center">'
    '<span class="title"></span>, page <span class="pageNumber"></span> of '
    '<span class="totalPages"></span></div>',
    "outline": True,
    "tagged": True,
}
_DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def pdf(result: Result) -> bytes:
    """The result as a PDF, on white, without controls.

    **Raises** ``MissingDependencyError`` saying what to install, without playwright or a browser.
    """
    if find_spec("playwright") is None:
        raise MissingDependencyError(
            "A PDF needs playwright, which is not installed: pip install 'pellucid[pdf]'. Or write "
            "an .html file and print it from a browser.",
            package="playwright",
        )
    # On a thread of its own: notebooks run an event loop on theirs, which playwright refuses.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(printed, html_page(result)).result()


def printed(html: str) -> bytes:
    """A page on paper."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = started(playwright)
        context = browser.new_context(
            offline=True,
            color_scheme="light",
            viewport={"width": _WIDTH, "height": _WIDTH},
            device_scale_factor=SHARPNESS,
        )
        drawn = context.new_page()
        drawn.emulate_media(media="print")
        drawn.set_content(html)
        drawn.wait_for_selector("main .card", state="attached")
        drawn.evaluate(_DRAWN)
        return drawn.pdf(**PAPER)


def started(playwright: "Playwright") -> "Browser":
    """A Chromium. Chromium refuses root its sandbox; the page loads nothing but itself."""
    from playwright.sync_api import Error

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    try:
        return playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"] if root else []
        )
    except Error as error:
        raise MissingDependencyError(
            f"A PDF needs a Chromium, and {found or 'none that was found'} did not start: install "
            "one (apt-get install chromium, or python -m playwright install chromium). Or write an "
            f".html file and print it from a browser. ({error.message.splitlines()[0]})",
            package="chromium",
        ) from error
