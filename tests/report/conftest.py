"""An analysis to report, and a browser to look at it."""

import os
import shutil

import pytest

from pellucid import Analysis, Contrast, analyze, load

NASTY = "<script>x()</script> \U0001f600 \u05e9\u05dd a"
INSTALL = "no chromium on the PATH; install it: apt-get install chromium"


@pytest.fixture(scope="session")
def analysis(random_gpt2) -> Analysis:
    """Of a random model; the prompt holds markup, an emoji and text from right to left."""
    contrast = Contrast(clean=NASTY, corrupted=NASTY[:-1] + "b", answer="x", foil="y")
    return analyze(load(str(random_gpt2)), contrast, insist=True, random_sets=3)


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium. In CI its absence is a failure, elsewhere a skip that says what to do."""
    found = shutil.which("chromium")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(INSTALL)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
