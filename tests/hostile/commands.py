"""Every command with words that are right, and wrong text for each of its options."""

import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from pellucid.cli.main import app, main

QUESTION = ["Mary and John", "--answer", " x", "--foil", " y", "--corrupted", "John and John"]
PROMPT = ["Mary and John"]
ZOO = ["induction/first@llama"]
WORDS: dict[str, list[str]] = {
    "analyze": [*QUESTION, "--insist", "--random-sets", "0", "--budget", "30"],
    "attribute": QUESTION,
    "patch": QUESTION,
    "ablate": [*PROMPT, "--answer", " x"],
    "edges": [*QUESTION, "--method", "eap"],
    "circuit": [*QUESTION, "--method", "top", "--size", "3", "--insist"],
    "lens": PROMPT,
    "dla": QUESTION,
    "neurons": QUESTION,
    "tokens": QUESTION,
    "attention": PROMPT,
    "roles": ["--length", "6", "--sequences", "2"],
    "compose": [],
    "generate": [*PROMPT, "--max-new-tokens", "2"],
    "probe": ["labelled.csv", "--site", "L1 resid_pre", "--no-random-model", "--size", "1"],
    "interchange": [*QUESTION, "--site", "L1 z", "--draws", "1"],
    "das": [
        "--prompts",
        "several.csv",
        "--site",
        "L1 z",
        "--steps",
        "1",
        "--no-random-model",
    ],
    "steer": [
        *PROMPT,
        "--toward",
        " x",
        "--away",
        " y",
        "--instruction",
        "a",
        "--pairs",
        "pairs.csv",
        "--scale",
        "1",
        "--random-directions",
        "0",
    ],
    "study": ["--prompts", "prompts.csv", "--insist"],
    "report": ["nothing"],
    "app": ["--no-browser"],
    "dictionary convert": ["nothing"],
    "dictionary evaluate": ["nothing", "nothing.txt"],
    "dictionary features": ["nothing", "nothing.txt"],
    "dictionary attribute": ["nothing", *QUESTION],
    "dictionary fit": ["nothing.txt", "--site", "L0 resid_pre", "--latents", "8"],
    "doctor": [],
    "models list": [],
    "models describe": [],
    "models check": [],
    "models fetch": [],
    "zoo list": [],
    "zoo certify": ["nothing"],
    "zoo run": ["--models", "nothing"],
}
HOSTILE = [
    "",
    " ",
    "nan",
    "-1",
    "1e999",
    "9" * 400,
    "true",
    "None",
    "b'a'",
    "\u2028",
    "\x1b[2J",
    "\udcff",
    "a\udcffb",
    "[" * 5000,
    '{"a": ' * 100,
    "=1+1",
    "../../..",
    "/dev/null/x",
    "x" * 300,
    "L99H99",
]
"""Text that a shell can hand over; bytes that are no UTF-8 come as halves of characters."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it."""

    def within(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(path), command
            return
        for name, one in inner.items():
            yield from within(one, (*path, name))

    return within(typer.main.get_command(app), ())


def options_of(command: Any) -> list[Any]:
    """Its options and arguments, but the one that prints the help."""
    return [one for one in command.params if one.name != "help"]


def line_with(name: str, option: Any, value: str) -> list[str]:
    """The words of a command with one of them wrong."""
    words = [*name.split(), *WORDS[name]]
    if option.param_type_name == "argument":
        return [*name.split(), *WORDS[name][1:], "--", value]
    if getattr(option, "is_flag", False):
        return [*words, f"{option.opts[0]}={value}"]
    return [*words, option.opts[0], value]


def ended(words: list[str], monkeypatch: Any) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of `pellucid WORDS`. **Raises** what it should not."""
    monkeypatch.setattr(sys, "argv", ["pellucid", *words])
    told = {}
    for name, errors in (("stdout", "strict"), ("stderr", "backslashreplace")):  # as Python has it
        told[name] = io.TextIOWrapper(io.BytesIO(), "utf-8", errors=errors)
        monkeypatch.setattr(sys, name, told[name])
    code = 0
    try:
        main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    return code, *(_text(one) for one in told.values())


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


def demand_ends(name: str, command: Any, values: int, monkeypatch: Any) -> None:
    """``values`` wrong words: an exit code each, and what was wrong said without a traceback."""
    rng = random.Random(name)
    for _ in range(values):
        option, value = rng.choice(options_of(command)), rng.choice(HOSTILE)
        words = line_with(name, option, value)
        code, out, err = ended(words, monkeypatch)
        assert "Traceback" not in out + err, words
        assert code in (0, 1, 2, 3), words
        assert code == 0 or err.strip() or out.strip(), words


def put_prompts(folder: Path) -> None:
    """The files of prompts, pairs and labels that the commands name."""
    text = "prompt,corrupted,answer,foil\nMary and John,John and John, x, y\n"
    (folder / "prompts.csv").write_text(text)
    rows = [f"the {n} and Mary,the {n} and John, x, y" for n in "abcd"]
    (folder / "several.csv").write_text("\n".join(["prompt,corrupted,answer,foil", *rows]))
    labelled = [f"{word} and {name},{name}" for word in "abcd" for name in ("Mary", "John")]
    (folder / "labelled.csv").write_text("\n".join(["text,label", *labelled]))
    (folder / "pairs.csv").write_text("positive,negative\nMary,John\nJohn and Mary,and John\n")
