"""An analysis to report."""

import pytest

from pellucid import Analysis, Contrast, analyze, load

NASTY = "<script>x()</script> \U0001f600 \u05e9\u05dd a"


@pytest.fixture(scope="session")
def analysis(random_gpt2) -> Analysis:
    """Of a random model; the prompt holds markup, an emoji and text from right to left."""
    contrast = Contrast(clean=NASTY, corrupted=NASTY[:-1] + "b", answer="x", foil="y")
    return analyze(load(str(random_gpt2)), contrast, insist=True, random_sets=3)
