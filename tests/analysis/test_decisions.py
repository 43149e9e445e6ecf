"""Decisions from a file: corrupted prompts are made and judged by row, bad rows named by line."""

import pytest

import pellucid
from pellucid import Contrast, CorruptionError, TaskError, read_decisions
from pellucid.analysis.question import question_of
from pellucid.passes import metering
from tests.models.ioi_prompts import CORRUPTED, PROMPT


@pytest.fixture(scope="module")
def small(random_gpt2):
    return pellucid.load(random_gpt2)


@pytest.fixture(scope="module")
def pair(small) -> tuple[str, str]:
    """Answer and foil in the order in which the repetition of the foil decides between them."""
    for answer, foil in ((" Mary", " John"), (" John", " Mary")):
        try:
            question_of(small, prompt=PROMPT, answer=answer, foil=foil)
        except CorruptionError:
            continue
        return answer, foil
    raise AssertionError("no order works")


@pytest.fixture
def table(tmp_path):
    def write(*rows: str, head: str = "prompt,answer,foil,corrupted"):
        path = tmp_path / "loans.csv"
        path.write_text("\n".join([head, *rows]) + "\n")
        return path

    return write


def test_a_row_without_a_corrupted_prompt_gets_the_one_that_analyze_makes(small, pair, table):
    answer, foil = pair
    path = table(f'"{PROMPT}",{answer},{foil},', f'"{PROMPT}",{answer},{foil},"{CORRUPTED}"')
    found = read_decisions(small, path)
    alone = question_of(small, prompt=PROMPT, answer=answer, foil=foil)
    assert found.name == "loans"
    assert found.contrasts == (alone.contrast, Contrast(PROMPT, CORRUPTED, answer, foil))
    without = table(f'"{PROMPT}";{answer};{foil}', head="prompt;answer;foil")
    assert read_decisions(small, without).contrasts == found.contrasts[:1]


def test_every_row_for_which_none_works_is_named_before_anything_is_analysed(small, pair, table):
    answer, foil = pair
    path = table(
        f'"{PROMPT}",{answer},{foil},',
        f"Sphinx of quartz,{answer},{foil},",
        f'"{PROMPT}",{answer},{foil},a much shorter one',
    )
    with pytest.raises(CorruptionError) as raised:
        read_decisions(small, path)
    said = str(raised.value)
    assert said.startswith("2 of 3 rows cannot be asked:")
    assert "loans.csv, line 2:" not in said
    assert "loans.csv, line 3: No corrupted prompt could be made" in said
    assert "loans.csv, line 4: " in said


def test_rows_that_no_model_could_be_asked_are_named_before_any_forward(small, table):
    path = table("a b,,x,", "a b,x,x,", "a b, x, y,a b")
    with metering() as meter, pytest.raises(TaskError, match="3 of 3 rows") as raised:
        read_decisions(small, path)
    assert meter.passes.forwards == 0
    for line in (2, 3, 4):
        assert f"line {line}: " in str(raised.value)


def test_read_prompts_says_who_makes_corrupted_prompts(table):
    with pytest.raises(TaskError, match=r"corrupted missing.*read_decisions\(model, path\)"):
        pellucid.read_prompts(table("a b, x, y", head="prompt,answer,foil"))


def test_commands_take_decisions_and_say_what_was_made(run, pair, table):
    answer, foil = pair
    path = table(f'"{PROMPT}",{answer},{foil}', head="prompt,answer,foil")
    code, out, err = run("patch", "--sites", "mlps", "--prompts", str(path), question=False)
    assert code == 0, err
    assert "loans.csv, line 2: corrupted prompt " in err
    assert "rows" in out
    bad = table("Sphinx of quartz, x, y", head="prompt,answer,foil")
    code, out, err = run("study", "--prompts", str(bad), question=False)
    assert (code, out) == (2, "")
    assert "loans.csv, line 2: No corrupted prompt could be made" in err
