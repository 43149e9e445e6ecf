"""The bundle that is checked in is the one that the sources make, small and self-contained."""

import gzip
import hashlib
import json
import re
from pathlib import Path

from pellucid.figures.appearance import palette

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
STATIC = ROOT / "src" / "pellucid" / "report" / "static"
MADE_FROM = ("build.mjs", "package.json", "package-lock.json", "tsconfig.json")


def test_the_bundle_was_built_from_these_sources():
    paths = [WEB / name for name in MADE_FROM]
    paths += [path for path in (WEB / "src").rglob("*") if path.is_file()]
    names = sorted(path.relative_to(WEB).as_posix() for path in paths)
    found = hashlib.sha256()
    for name in names:
        found.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    recorded = (STATIC / "sources.sha256").read_text().strip()
    assert found.hexdigest() == recorded, "the sources changed: run make web"


def test_the_types_of_the_page_were_made_from_this_schema():
    schema = hashlib.sha256((STATIC.parent / "schema.json").read_bytes()).hexdigest()
    made_from = (WEB / "types" / "results.d.ts").read_text().splitlines()[0]
    assert schema in made_from, "the schema changed: run make web"


def test_the_bundle_is_small():
    size = sum(len(gzip.compress((STATIC / f"pellucid.{kind}").read_bytes()))
               for kind in ("js", "css"))  # fmt: skip
    assert size < 300_000


def test_the_licences_of_what_is_bundled_go_with_it():
    head = (STATIC / "pellucid.js").read_text().partition("*/")[0]
    told = dict(re.findall(r"\b(preact|d3-[\w-]+) (\d+\.\d+\.\d+)", head))
    locked = json.loads((WEB / "package-lock.json").read_text())["packages"]
    versions = {
        name.removeprefix("node_modules/"): one.get("version") for name, one in locked.items()
    }
    direct = set(json.loads((WEB / "package.json").read_text())["dependencies"])
    assert direct <= set(told)
    assert told.items() <= versions.items()
    assert "Permission is hereby granted, free of charge" in head


def test_the_bundle_names_no_address():
    text = (STATIC / "pellucid.js").read_text() + (STATIC / "pellucid.css").read_text()
    namespaces = re.compile(r"http://www\.w3\.org/(2000|1999|1998|XML)/[\w/]+")
    assert all(namespaces.fullmatch(found) for found in re.findall(r"https?://[^\"'`)\s]+", text))


def test_the_page_has_the_colours_of_the_figures():
    source = (WEB / "src" / "colour.ts").read_text()
    colours = f'POSITIVE = "{palette.POSITIVE}"', f'NEGATIVE = "{palette.NEGATIVE}"'
    assert all(colour in source for colour in colours)
    for stops in (palette.DIVERGING, palette.SEQUENTIAL):
        named = {palette.POSITIVE: "POSITIVE", palette.NEGATIVE: "NEGATIVE"}
        light = ", ".join(named.get(stop, f'"{stop}"') for stop in stops)
        assert f"light: [{light}]" in source


def test_everything_installed_is_locked():
    package = (WEB / "package.json").read_text()
    versions = re.findall(r'"[@\w/-]+": "([^"]+)"', package.split('"dependencies"')[1])
    assert versions
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
