"""What the pages name exists: links, headings, public names, exceptions, counts, navigation."""

import re
import subprocess
import sys
from importlib import util
from operator import attrgetter
from pathlib import Path

import pytest

import pellucid
from pellucid import errors
from tests.docs.pages import PAGES, ROOT, anchors, blocks, named, prose

DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path):
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        # Headings of the reference are made from docstrings when the site is built.
        if anchor and target.suffix == ".md" and "reference" not in target.parts:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_public_names_in_the_text_exist(page: Path):
    text = prose(page) + "".join(block.code for block in blocks(page) if block.kind == "python")
    for name in re.findall(r"\bpellucid\.([a-zA-Z_]\w*(?:\.\w+)*)", text):
        if name.split(".")[0] in pellucid.__all__:
            attrgetter(name.split("(")[0])(pellucid)
        else:  # a module, or something in one
            parts = name.split(".")
            assert any(
                module_exists(f"pellucid.{'.'.join(parts[: i + 1])}") for i in range(len(parts))
            )


def module_exists(name: str) -> bool:
    try:
        return util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_every_exception_is_on_the_errors_page():
    told = re.findall(r"^### `(\w+)`$", (DOCS / "errors.md").read_text(), re.MULTILINE)
    defined = [name for name in vars(errors) if name.endswith("Error")]
    assert sorted(told) == sorted(defined)


def test_every_public_name_is_in_the_reference():
    pages = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: pellucid(?:\.\w+)*\.(\w+)$", pages, re.MULTILINE))
    assert not set(pellucid.__all__) - shown - {"__version__"}


def test_what_the_reference_shows_exists():
    from importlib import import_module

    pages = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    for name in re.findall(r"^::: (pellucid[\w.]*)$", pages, re.MULTILINE):
        module, _, own = name.rpartition(".")
        assert module_exists(name) or hasattr(import_module(module), own), name


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert listed == there


def test_counts_of_models_are_those_of_the_generated_page():
    (opened, counted) = re.findall(
        r"\*\*(\d+) of (\d+) attention families", (DOCS / "models.md").read_text()
    )[0]
    for page in PAGES:
        for found in re.findall(r"(\d+) of (?:the )?(\d+) attention\s+families", page.read_text()):
            assert found == (opened, counted), named(page)


def test_the_map_names_every_file_and_no_other():
    tree = blocks(ROOT / "ARCHITECTURE.md")[0].code
    package = ROOT / "src" / "pellucid"
    there = {path.name for path in package.rglob("*.py")} - {"__init__.py"}
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    assert set(re.findall(r"(\w+\.py)\b", tree)) - {"__init__.py"} == there
    assert set(re.findall(r"^  (\w+)/", tree, re.MULTILINE)) == rooms


@pytest.mark.optional
def test_the_site_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
