"""Tables that spreadsheets show: nothing in them is a formula, and every text comes back."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from pellucid import ResultFileError, read_table
from pellucid.results.disk.csv_table import csv_of

SIGNS = "=+-@\t\r"
cells = st.text(st.sampled_from(f"{SIGNS}' a,\"\n;é"), min_size=1, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(cells, cells, st.floats(allow_nan=False)), min_size=1, max_size=5))
def test_no_cell_is_a_formula_and_every_text_comes_back(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["token", "prompt", "effect"])
    written = csv_of(frame)
    for row in list(csv.reader(io.StringIO(written, newline="")))[1:]:
        assert not row[0].startswith(tuple(SIGNS))
        assert not row[1].startswith(tuple(SIGNS))
        float(row[2])
    (tmp_path / "table.csv").write_bytes(written.encode())
    assert_frame_equal(read_table(tmp_path / "table.csv"), frame, check_dtype=False)


def test_numbers_stay_numbers_and_readers_see_plain_names(tmp_path):
    frame = pd.DataFrame({"token": ["=1+1", "'-", "x"], "effect": [-1.5, 2.0, None]})
    path = tmp_path / "table.csv"
    path.write_text(csv_of(frame))
    assert path.read_text() == "token,\"effect\"\n'=1+1,-1.5\n''-,2.0\nx,\n"
    plain = pd.read_csv(path)
    assert list(plain.columns) == ["token", "effect"]
    assert plain.effect.tolist()[:2] == [-1.5, 2.0]
    assert_frame_equal(read_table(path), frame)


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(ResultFileError, match="cannot be read as a table"):
        read_table(tmp_path / "nothing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultFileError, match="cannot be read as a table"):
        read_table(tmp_path / "binary.csv")
