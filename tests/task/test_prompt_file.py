"""Files of prompts: what is in them is what is asked, and what is wrong is named by its line."""

import json
import os

import pytest

from pellucid import Contrast, ContrastBatch, TaskError, read_prompts

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
IOI = Contrast(CLEAN, CORRUPTED, " Mary", " John")
HEADER = "clean,corrupted,answer,foil\n"


@pytest.fixture
def file(tmp_path):
    """Write a file of a name and give its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_table_keeps_spaces_and_ignores_other_columns(file):
    table = f'note,foil,clean,answer,corrupted\nx, John,"{CLEAN}", Mary,"{CORRUPTED}"\n'
    assert read_prompts(file("ioi.csv", table)) == ContrastBatch((IOI,), name="ioi")
    assert read_prompts(file("marked.csv", "\ufeff" + table)).contrasts == (IOI,)


def test_lines_of_json_may_hold_ids(file):
    ids = Contrast([1, 2, 3], [1, 4, 3], 5, [6, 7])
    text = "\n\n".join(json.dumps(one.to_dict()) for one in (IOI, ids))
    assert read_prompts(file("two.jsonl", text)).contrasts == (IOI, ids)


def test_a_line_of_json_ends_where_a_line_feed_stands(file):
    asked = Contrast("a\u2028b", "c\u2028d", " e", " f")
    text = json.dumps(asked.to_dict(), ensure_ascii=False) + "\r\n"
    assert read_prompts(file("raw.jsonl", text)).contrasts == (asked,)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.txt", "", r"ends in \.csv or \.jsonl"),
        ("x.csv", "", "holds no prompts"),
        ("x.csv", HEADER, "holds no prompts"),
        ("x.jsonl", "\n \n", "holds no prompts"),
        ("x.csv", "clean,corrupted\na,b\n", "line 2: answer, foil missing.*found clean, corrupted"),
        ("x.csv", HEADER + "a,b, c\n", "line 2: foil missing"),
        (
            "x.csv",
            HEADER + "a b,c d, e, f\nGo, Mary,Go, John, x, y\n",
            "line 3: more cells.*quotes",
        ),
        ("x.csv", HEADER + "a,a, x, y\n", "line 2: Clean and corrupted prompt are both"),
        ("x.csv", HEADER + '"a,b, x, y\n', "cannot be read: unexpected end"),
        ("x.jsonl", '{"clean": "a"\n', "line 1: not a JSON object"),
        ("x.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("x.jsonl", "[" * 100_000, "line 1: not a JSON object"),
        ("x.jsonl", '\n{"clean": "a", "corrupted": null}', "line 2: corrupted, answer, foil"),
        ("x.jsonl", '{"clean": 1, "corrupted": "b", "answer": 2, "foil": 3}', "line 1: .*number 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(name, text, says, file):
    with pytest.raises(TaskError, match=says):
        read_prompts(file(name, text))


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(TaskError, match="There is no file"):
        read_prompts(tmp_path / "nothing.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(TaskError, match="plain file"):
        read_prompts(tmp_path / "pipe.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaskError, match=r"cannot be read.*UTF-8"):
        read_prompts(tmp_path / "binary.csv")


LOAN = Contrast('Kunde: "Müller"\nhas', 'Kunde: "Meier"\nhas', " granted", " refused")
TABLE = (
    'Prompt;corrupted;ANSWER ;foil;;\r\n"Kunde: ""Müller""\nhas";"Kunde: ""Meier""\nhas";'
    " granted; refused;;\r\n;;;;;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_tables_as_spreadsheets_write_them(encoding, delimiter, first, tmp_path):
    text = first.format(delimiter) + TABLE.replace(";", delimiter)
    (tmp_path / "bank.csv").write_bytes(text.encode(encoding))
    assert read_prompts(tmp_path / "bank.csv").contrasts == (LOAN,)


def test_all_that_is_wrong_is_listed_at_once(file):
    rows = "a,a, x, y\nGo on,Go off, x, y\nb,c, x\nd,e, x, x\n"
    with pytest.raises(TaskError) as raised:
        read_prompts(file("bad.csv", HEADER + rows))
    told = str(raised.value).split("\n")
    assert told[0] == "3 of 4 rows cannot be used:"
    assert ["line 2" in told[1], "line 4" in told[2], "line 5" in told[3]] == [True] * 3


def test_a_column_that_is_there_twice_is_refused(file):
    with pytest.raises(TaskError, match="the column answer is there twice"):
        read_prompts(file("twice.csv", "clean,corrupted,answer,foil,Answer\na,b, x, y, z\n"))
