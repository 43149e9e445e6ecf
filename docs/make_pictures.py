"""Takes the pictures of README and docs: the explorer as it is, and figures of the demo's question.

Run ``python docs/make_pictures.py`` after a change of the page or of a figure; it needs chromium.
"""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import pellucid
from pellucid.figures.save import save

IMAGES = Path(__file__).parent / "images"
PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"


def explorer(page: Page, address: str) -> None:
    """The question asked, and the part that matters most chosen."""
    page.goto(address)
    page.fill("#prompt", PROMPT)
    page.press("#prompt", "Enter")
    page.wait_for_selector("[data-testid=sum-check]")
    page.wait_for_selector(".lens-scroll canvas")
    page.locator(".step.selectable").first.click()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_selector("text=All positions:")
    page.wait_for_timeout(1000)  # until it is drawn
    page.screenshot(path=IMAGES / "explorer.png")


def figures() -> None:
    """Effects of all heads, and a circuit of heads and MLPs."""
    model = pellucid.load()
    question = pellucid.Contrast(PROMPT, CORRUPTED, " Mary", " John")
    save(pellucid.patch(model, question).plot(), IMAGES / "heads.svg")
    circuit = pellucid.discover(model, question, over="heads+mlps", opponents="kept")
    save(circuit.plot(), IMAGES / "circuit.svg")


def main() -> None:
    """All pictures."""
    figures()
    with_explorer()


def with_explorer() -> None:
    """The app started, photographed and stopped."""
    app = subprocess.Popen(
        [sys.executable, "-m", "pellucid", "app", "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert app.stdout is not None
        address = app.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 1180})
            page.set_default_timeout(240_000)
            explorer(page, address)
            browser.close()
    finally:
        app.terminate()


if __name__ == "__main__":
    main()
