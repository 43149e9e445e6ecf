"""What is printed to be copied gives the same text: in Python, and through real shells."""

import ast
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import Contrast, ContrastBatch
from pellucid.analysis.provenance import call_for
from pellucid.results.prose import Quantity, Section
from pellucid.results.quoting import (
    in_quotes,
    literal,
    on_one_line,
    python_call,
    safely,
    shell_command,
    shell_word,
)

NASTY = [
    "Income: high\nDebts: none\n\nDecision:  the loan   is",
    "tab\tand\rreturn\x0b\x0c and \x1b]0;renamed\x07 and \x85 \u2028 \u2029",
    "quotes ' and \" and ''' and \"\"\" and `backticks` and ``` and $HOME $(ls) ${x} $'a' !!",
    "back\\slash \\n \\x1b \\\\ %s %d %% ~ * ? [a] {b} # ; & | < > &amp; &#10; <b>",
    "\u202eright to left\u202c \u2066x\u2069 \u200b\ufeff\u00ad 👩\u200d👩 \U000e0041",
    " leading", "trailing ", "ends in line breaks\n\n", "\n", "-starts with a dash", "--model",
    "a word " * 60, "x" * 300, "äöü " * 40, "two  spaces " * 30, "$", "'", '"', "\\", "=", "\x7f",
]  # fmt: skip
TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from("\n\t\r \x1b'\"`$\\%!-\u202e\u200b*~"),
    max_size=120,
)
SHELLS = [shell for shell in ("sh", "dash", "bash", "zsh", "busybox") if shutil.which(shell)]
HARMLESS = set("\u200c\u200d")


def with_examples(test):
    for text in NASTY:
        test = example(text)(test)
    return test


def unseen(text: str) -> set[str]:
    found = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    return found - {"\n"}


@settings(deadline=None)
@given(TEXT | st.text(max_size=40))
@with_examples
def test_python_evaluates_to_the_same_text(text):
    assert ast.literal_eval(in_quotes(text)) == text
    assert ast.literal_eval(f"({literal(text)})") == text
    for shown in (in_quotes(text), literal(text), safely(text), on_one_line(text)):
        assert unseen(shown) <= HARMLESS
    assert "\n" not in in_quotes(text) + on_one_line(text)
    assert not unseen(in_quotes(text) + literal(text))
    assert "  " not in in_quotes(text) + literal(text)
    assert all(len(line) <= 90 for line in literal(text).split("\n"))


def through(shell: str, command: str, folder) -> list[str]:
    """The words that a program gets for whom a shell runs ``command``."""
    argv = [shell, "sh", "-c"] if shell == "busybox" else [shell, "-c"]
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([*argv, command], capture_output=True, env=env, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with a program called pellucid, which says what it was given."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "pellucid"
    program.write_text(
        f"#!{sys.executable} -S\nimport json, sys\nprint(json.dumps(['pellucid', *sys.argv[1:]]))\n"
    )
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gives_the_same_words(programs, shell):
    words = ["pellucid", "analyze", *NASTY]
    command = shell_command(words)
    assert through(shell, command, programs) == words
    assert not unseen(command)
    assert all(len(line) <= 100 for line in command.split("\n"))


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXT, min_size=1, max_size=6))
def test_a_shell_gives_the_same_words_whatever_they_are(programs, words):
    command = shell_command(["pellucid", *words])
    assert through("sh", command, programs) == ["pellucid", *words]
    assert not unseen(command)


def test_what_a_shell_cannot_be_given_is_said():
    with pytest.raises(ValueError, match="NUL"):
        shell_word("a\0b")


def test_a_call_is_laid_out_in_lines():
    assert python_call("f", [("", "model"), ("steps", "4")]) == "f(model, steps=4)"
    made = python_call("f", [("", "model"), ("text", literal("a word " * 20))])
    assert made.startswith("f(\n    model,\n    text=")
    given = {}
    exec(f"f = lambda *a, **k: k\nfound = {made}", {"model": None}, given)
    assert given["found"] == {"text": "a word " * 20}


def model_called(kind: str, **more) -> SimpleNamespace:
    origin = SimpleNamespace(kind=kind, path="/models/a b's", tokenizer=None, **more)
    return SimpleNamespace(name="smol", origin=origin, dtype="torch.float32", device="cpu")


CONTRASTS = st.tuples(TEXT, TEXT, TEXT, TEXT).filter(
    lambda four: all(four) and four[0] != four[1] and four[2] != four[3]
)


@settings(deadline=None, max_examples=30)
@given(CONTRASTS)
@example(("-x", "--y", "-a", "-b"))
@example((NASTY[0], NASTY[1], " Mary", "\n"))
def test_the_command_asks_the_same_question(programs, parts):
    from typer.testing import CliRunner

    from pellucid.cli.main import app

    contrast = Contrast(*parts)
    command = call_for(contrast, model_called("embedded"), {})
    words = through("sh", command, programs)
    assert words[:2] == ["pellucid", "analyze"]
    seen = {}
    with pytest.MonkeyPatch.context() as patched:
        kept = lambda self: seen.update(vars(self)) or (_ for _ in ()).throw(SystemExit)  # noqa: E731
        patched.setattr("pellucid.cli.options.QuestionOptions.ask", kept)
        CliRunner().invoke(app, words[1:])
    prompt = seen["prompt"] or seen["prompt_option"]
    assert (prompt, seen["corrupted"], seen["answer"], seen["foil"]) == parts


def evaluated(command: str):
    """The question, and how the model was opened, of a printed call."""
    loaded, found = [], []
    public = SimpleNamespace(
        load=lambda *a, **k: loaded.append((a, k)) or "model",
        analyze=lambda model, contrast, **k: found.append((contrast, k)),
        Contrast=Contrast,
    )
    exec(
        command.removeprefix("import pellucid\n"),
        {"pellucid": public, "model": "model", "twice": "twice"},
    )
    return loaded, found[0]


@settings(deadline=None, max_examples=60)
@given(CONTRASTS)
@example((NASTY[0], NASTY[4], NASTY[2], NASTY[3]))
@example(("a\0b", "c", "d", "e"))
def test_the_call_asks_the_same_question(parts):
    contrast = Contrast(*parts)
    loaded, (asked, options) = evaluated(call_for(contrast, model_called("folder"), {"seed": 3}))
    assert (asked, options) == (contrast, {"seed": 3})
    assert loaded == [(("/models/a b's",), {})]
    loaded, (asked, _) = evaluated(call_for(contrast, model_called("object"), {}))
    assert (asked, loaded) == (contrast, [])


def test_ids_batches_and_what_was_said_on_opening_are_called_as_they_were():
    ids = Contrast([1, 2, 3], [1, 4, 3], 11, [13, 14])
    mixed = Contrast("a", "b", 11, 13)  # an id on a command line would be text
    model = model_called("embedded")
    for one in (ids, mixed):
        assert evaluated(call_for(one, model, {}))[1][0] == one
    batch = ContrastBatch((ids, mixed))
    assert evaluated(call_for(batch, model, {}))[1][0] == list(batch)
    one = ContrastBatch((Contrast("a", "b", "c", "d"),))
    assert call_for(one, model, {}).startswith("pellucid analyze a ")

    def twice(logits, encoded):
        return logits

    assert evaluated(call_for(ids, model, {"metric": twice}))[1][1] == {"metric": "twice"}
    model.dtype, model.device, model.origin.tokenizer = "torch.float16", "cuda:0", "own"
    loaded, _ = evaluated(call_for(ids, model, {}))
    assert loaded == [(("smol",), {"tokenizer": "own", "dtype": "float16", "device": "cuda:0"})]
    words = call_for(Contrast("a", "b", "c", "d"), model, {})
    assert "--tokenizer own --dtype float16 --device cuda:0" in " ".join(
        words.replace("\\", "").split()
    )


def test_a_result_shows_nothing_unseen_and_its_documents_keep_the_command(one_tiny, pair):
    found = pellucid.analyze(one_tiny, pair, insist=True, random_sets=0)
    text = NASTY[1]
    nasty = replace_question(found, text)
    for document in (str(nasty), nasty.to_markdown()):
        assert not unseen(document)
        assert nasty.provenance.command in document
    pieces = [p for one in nasty.story() for s in one.sentences for p in s]
    assert all(isinstance(one, Section) for one in nasty.story())
    assert not unseen("".join(p.text if isinstance(p, Quantity) else p for p in pieces))


def replace_question(found, text):
    from dataclasses import replace

    contrast = Contrast(text, text + "x", text + "y", text + "z")
    command = call_for(contrast, model_called("embedded"), {})
    return replace(
        found,
        question=replace(
            found.question, clean=(text,), corrupted=(text + "x",), answer=(text,), foil=(text,)
        ),
        caveats=(text,),
        provenance=replace(found.provenance, command=command),
    )


def test_no_result_on_a_prompt_prints_what_is_unseen_in_it(random_gpt2):
    model = pellucid.load(random_gpt2, offline=True)
    prompt = "When Mary\x1b[31m and\u202e John\x07 went\x85 to the"
    contrast = Contrast(prompt, prompt.replace("Mary", "John"), " Mary", " John")
    for found in (
        pellucid.logit_lens(model, prompt, targets=[" Mary", " John"]),
        pellucid.direct_effects(model, contrast),
        pellucid.token_attribution(model, contrast),
        pellucid.neurons(model, contrast, 1),
        pellucid.attention(model, prompt),
        pellucid.patch(model, contrast, sites="mlps", positions="each"),
        pellucid.study(model, {"one": contrast}, insist=True),
    ):
        assert not unseen(str(found)) - HARMLESS, type(found)
        assert not unseen(found.to_markdown()) - HARMLESS, type(found)
