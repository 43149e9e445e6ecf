"""One table of names, which the library reads here and the page in ``web/tests/names.test.ts``."""

import json
from pathlib import Path

import pytest

from pellucid import PartKind, register_part
from pellucid.model.parts import KINDS, PartName, name_of, parse

TABLE = json.loads((Path(__file__).parents[1] / "models" / "part_names.json").read_text())


@pytest.fixture(autouse=True)
def kinds_of_the_table():
    """Probe directions, as a user registers them."""
    before = dict(KINDS)
    for row in TABLE:
        if "form" in row:
            register_part(
                PartKind(
                    kind=row["kind"], form=row["form"], site="resid_pre", count=lambda block: 1
                )
            )
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"] or "nothing")
def test_a_name_is_read_as_the_table_says(row):
    found = parse(row["name"])
    if row["kind"] is None:
        assert found is None
        return
    assert found == PartName(row["kind"], row["layer"], row["index"])
    assert name_of(found.kind, found.layer, found.index) == row["name"]
