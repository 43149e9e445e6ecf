"""The bar is shown in a terminal, after two seconds, with what is known."""

import io
import os
import pty
import subprocess
import sys

import rich.console

import pellucid
from pellucid import progress_bar
from pellucid.callbacks import Progress, long_task
from pellucid.progress_bar import Bar

WORK = """
import sys
from pellucid import progress_bar
from pellucid.callbacks import long_task
from pellucid.callbacks import watching
with watching(progress_bar.Bar(after=float(sys.argv[1]))):
    with (
        long_task("Reading", total=9, unit="texts") as reading,
        long_task("Counting", unit="words"),
    ):
        reading.step(4)
print("done")
"""


def seen(after, terminal):
    """What stderr of a process shows."""
    if not terminal:
        ran = subprocess.run(
            [sys.executable, "-c", WORK, str(after)], capture_output=True, text=True, check=True
        )
        return ran.stdout, ran.stderr
    ours, theirs = pty.openpty()
    ran = subprocess.run(
        [sys.executable, "-c", WORK, str(after)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    try:
        shown = os.read(ours, 100_000).decode()
    except OSError:  # nothing was written there
        shown = ""
    os.close(ours)
    return ran.stdout, shown


def test_a_terminal_shows_what_runs_and_how_much_is_done():
    out, shown = seen(0, terminal=True)
    assert out == "done\n"
    assert "Reading: Counting" in shown
    assert "4 of 9 texts" in shown


def test_nothing_is_shown_at_first_nor_in_a_log():
    assert seen(60, terminal=True)[1] == ""
    assert seen(0, terminal=False) == ("done\n", "")


def on_a_terminal(monkeypatch) -> io.StringIO:
    """What is shown on a terminal of 80 columns."""
    shown, plain = io.StringIO(), rich.console.Console
    monkeypatch.setattr(
        rich.console,
        "Console",
        lambda **options: plain(file=shown, force_terminal=True, width=80),
    )
    return shown


def test_a_bar_goes_with_its_task(monkeypatch):
    bar = Bar(after=0)
    shown = on_a_terminal(monkeypatch)
    steps = {"what": "Reading", "unit": "texts", "total": 10, "depth": 0}
    bar.on_start(Progress(done=0, seconds=0.0, **steps))
    bar.on_step(Progress(done=2, seconds=60.0, **steps))
    bar.on_end(Progress(done=10, seconds=61.0, **steps), None)
    assert "about 4 min left" in shown.getvalue()
    assert bar._shown is None


def test_what_has_a_total_is_shown_where_the_outermost_task_has_none(monkeypatch):
    bar = Bar(after=0)
    shown = on_a_terminal(monkeypatch)
    outer = {"what": "Searching", "unit": "forwards", "total": None, "depth": 0}
    inner = {"what": "discover", "unit": "forwards", "total": 150, "depth": 1}
    bar.on_start(Progress(done=0, seconds=0.0, **outer))
    bar.on_start(Progress(done=0, seconds=0.0, **inner))
    bar.on_step(Progress(done=52, seconds=60.0, **outer))
    bar.on_step(Progress(done=50, seconds=60.0, **inner))
    bar.on_end(Progress(done=50, seconds=60.0, **inner), None)
    assert len(bar._tasks) == 1
    bar.on_end(Progress(done=52, seconds=61.0, **outer), None)
    text = shown.getvalue()
    assert "Searching: discover" in text
    assert "50 of 150 forwards" in text
    assert "at most 2 min left" in text  # a bound, since a search may end early


def test_showing_progress_watches_inside_only(capsys):
    with pellucid.showing_progress(), long_task("one", unit="texts") as inside:
        assert len(inside.callbacks) == 1
    with long_task("one", unit="texts") as outside:
        assert outside.callbacks == ()


def test_time_is_spoken_with_the_digits_that_it_has():
    spoken = [progress_bar._spoken(s) for s in (0.2, 40.4, 89, 90, 3000, 20_000)]
    assert spoken == ["1 s", "40 s", "89 s", "2 min", "50 min", "6 h"]
