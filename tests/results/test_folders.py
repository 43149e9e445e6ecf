"""Folders are whole at every moment: writers are killed, disks are full, names are taken."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pellucid.errors import ResultFileError
from pellucid.results import locks, rename
from pellucid.results.folders import FolderKind, demand_free, growing, replace_file, replacing

PAIR = FolderKind(noun="pair", needs=("one", "other"), may=("more-*",))
WRITER = """
import sys, time
from pathlib import Path
from pellucid.results import rename
from pellucid.results.folders import FolderKind, replacing
if "no-exchange" in sys.argv:
    rename._renameat2 = lambda: None
kind = FolderKind(noun="pair", needs=("one", "other"), may=("more-*",))
print("ready", flush=True)
for n in range(10**6):
    with replacing(sys.argv[1], kind) as draft:
        for name in ("one", "other"):
            (draft / name).write_text(str(n) * 2000)
"""
GROWER = """
import sys, time
from pathlib import Path
from pellucid.results.folders import growing, replace_file
with growing(sys.argv[1], lambda draft: (draft / "count").exists()) as draft:
    count = draft / "count"
    print("ready", flush=True)
    for n in range(int(count.read_text()) if count.exists() else 0, 12):
        time.sleep(0.02)
        (draft / f"part-{n}").write_text(str(n))
        replace_file(count, str(n + 1).encode())
"""


def write(path, text):
    with replacing(path, PAIR) as draft:
        for name in PAIR.needs:
            (draft / name).write_text(text)


def contents(folder):
    """What every whole pair holds: twice the same."""
    one, other = ((folder / name).read_text() for name in PAIR.needs)
    assert one == other
    return one


def started(program, *arguments):
    """A process that has begun to write."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process, seconds):
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_killed_writer_leaves_the_old_or_the_new_one_whole(tmp_path):
    target, seed = tmp_path / "pair", random.Random(0)
    write(target, "first")
    for _ in range(30):
        kill(started(WRITER, target), seed.uniform(0, 0.03))
        contents(target)
    write(target, "last")
    assert contents(target) == "last"
    assert os.listdir(tmp_path) == ["pair"]


def test_where_folders_cannot_be_exchanged_the_next_writer_undoes_what_a_kill_left(tmp_path):
    target, seed = tmp_path / "pair", random.Random(1)
    write(target, "first")
    for _ in range(8):
        kill(started(WRITER, target, "no-exchange"), seed.uniform(0, 0.03))
        with suppress(ZeroDivisionError), replacing(target, PAIR):
            _ = 1 / 0
        contents(target)
    assert os.listdir(tmp_path) == ["pair"]


def test_death_between_two_renames_is_undone(tmp_path, monkeypatch):
    target = tmp_path / "pair"
    write(target, "old")
    monkeypatch.setattr(rename, "_renameat2", lambda: None)
    with monkeypatch.context() as dying:
        dying.setattr(rename, "move", die)
        dying.setattr(os, "rename", once(os.rename))
        with pytest.raises(KeyboardInterrupt):
            write(target, "new")
    assert not target.exists()
    write(target, "newer")
    assert contents(target) == "newer"
    assert os.listdir(tmp_path) == ["pair"]


def die(*arguments):
    raise KeyboardInterrupt


def once(call):
    calls = iter([call, die])
    return lambda *arguments: next(calls)(*arguments)


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_exception_leaves_what_stood_there_and_nothing_else(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(rename, "_renameat2", lambda: None)
    target = tmp_path / "pair"
    for old in (None, "old"):
        with suppress(ZeroDivisionError), replacing(target, PAIR) as draft:
            (draft / "one").write_text("half")
            _ = 1 / 0
        assert os.listdir(tmp_path) == ([] if old is None else ["pair"])
        write(target, "old")
        assert contents(target) == "old"


def test_two_at_once_do_not_mix(tmp_path):
    target, seed = tmp_path / "pair", random.Random(2)
    writers = [started(WRITER, target) for _ in range(2)]
    for _ in range(20):
        time.sleep(seed.uniform(0, 0.02))
        with suppress(FileNotFoundError):  # opened in one, replaced before the other was
            folder = os.open(target, os.O_RDONLY)
            one, other = (Path(f"/proc/self/fd/{folder}", n).read_text() for n in PAIR.needs)
            assert one == other
            os.close(folder)
    for writer in writers:
        kill(writer, 0)
    write(target, "last")
    assert os.listdir(tmp_path) == ["pair"]


def make_file(path):
    path.write_text("mine")


def make_link(path):
    (path.parent / "elsewhere").mkdir()
    write(path.parent / "elsewhere" / "pair", "mine")
    path.symlink_to(path.parent / "elsewhere" / "pair")


def make_more(path):
    write(path, "ours")
    (path / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_file, "exists and is not a pair"),
        (make_link, "exists and is not a pair"),
        (lambda path: path.symlink_to("nowhere"), "exists and is not a pair"),
        (lambda path: path.mkdir(), "exists and is not a pair"),
        (make_more, r"is a pair and also holds notes\.txt"),
    ],
)
def test_what_is_not_ours_is_not_touched(make, says, tmp_path):
    make(tmp_path / "taken")
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(ResultFileError, match=says):
        write(tmp_path / "taken", "new")
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_what_is_put_there_in_the_last_moment_is_put_back(tmp_path, monkeypatch):
    target, plain = tmp_path / "pair", rename.exchange
    write(target, "old")

    def late(one, other):
        monkeypatch.setattr(rename, "exchange", plain)
        target.rename(tmp_path / "moved")
        target.mkdir()
        (target / "thesis").write_text("years of work")
        plain(one, other)

    monkeypatch.setattr(rename, "exchange", late)
    with pytest.raises(ResultFileError, match="not a pair"):
        write(target, "new")
    assert (target / "thesis").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["moved", "pair"]


def test_files_that_a_kind_may_have_are_replaced_with_it(tmp_path):
    write(tmp_path / "pair", "old")
    (tmp_path / "pair" / "more-1").write_text("")
    write(tmp_path / "pair", "new")
    assert sorted(os.listdir(tmp_path / "pair")) == ["one", "other"]


def test_a_full_disk_says_so_and_leaves_the_old_one(tmp_path):
    target = tmp_path / "pair"
    write(target, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ResultFileError, match=r"Cannot write .*pair: .*too large"):
            write(target, "new" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert contents(target) == "old"
    assert os.listdir(tmp_path) == ["pair"]


@pytest.mark.parametrize("path", ["/proc/nowhere/pair", "file/pair", "", "..", "/"])
def test_a_place_that_cannot_be_written_says_so(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(ResultFileError, match=r"Cannot write|names no folder|is not a pair"):
        write(path, "new")
    assert os.listdir(tmp_path) == ["file"]


def test_the_working_folder_may_change(tmp_path, monkeypatch):
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path)
    with replacing("deep/pair", PAIR) as draft:
        monkeypatch.chdir(tmp_path / "away")
        for name in PAIR.needs:
            (draft / name).write_text("here")
    assert contents(tmp_path / "deep" / "pair") == "here"


def test_no_name_of_a_draft_can_be_foreseen(tmp_path):
    names = []
    for _ in range(2):
        with replacing(tmp_path / "pair", PAIR) as draft:
            names.append(draft.name)
            for name in PAIR.needs:
                (draft / name).write_text("")
    assert len(set(names)) == 2
    with replacing(tmp_path / ("n" * 255), PAIR) as draft:  # as long as a name may be
        for name in PAIR.needs:
            (draft / name).write_text("")


def resumes(draft):
    return (draft / "count").exists()


def test_a_killed_writer_of_parts_is_gone_on_with(tmp_path):
    target, seed = tmp_path / "parts", random.Random(3)
    kills = 0
    while not target.exists():
        process = started(GROWER, target)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seed.uniform(0.05, 0.1))
        if process.poll() is None:
            kill(process, 0)
            kills += 1
    assert kills > 0
    assert [(target / f"part-{n}").read_text() for n in range(12)] == [str(n) for n in range(12)]
    assert os.listdir(tmp_path) == ["parts"]


def test_parts_are_written_by_one_at_a_time_and_never_over_something(tmp_path):
    target = tmp_path / "parts"
    with growing(target, resumes) as draft:
        with (
            pytest.raises(ResultFileError, match="Another process is writing"),
            growing(target, resumes),
        ):
            pass
        replace_file(draft / "count", b"1")
    with pytest.raises(ResultFileError, match="exists"), growing(target, resumes):
        pass
    with pytest.raises(ResultFileError, match="exists"):
        demand_free(target)
    assert os.listdir(tmp_path) == ["parts"]


def test_an_exception_keeps_the_parts_that_there_are(tmp_path):
    for found in (False, False, True):
        with suppress(ZeroDivisionError), growing(tmp_path / "parts", resumes) as draft:
            assert resumes(draft) == found
            if found:
                break
            if os.listdir(tmp_path) and tmp_path.joinpath("again").exists():
                replace_file(draft / "count", b"1")
            (tmp_path / "again").write_text("")
            _ = 1 / 0
    assert sorted(os.listdir(tmp_path)) == ["again", "parts"]


def test_a_lock_is_of_the_folder_and_not_of_its_name(tmp_path):
    (tmp_path / "one").mkdir()
    lock = locks.lock(tmp_path / "one")
    assert lock is not None
    with pytest.raises(BlockingIOError):
        locks.lock(tmp_path / "one")
    locks.release(lock)
    again = locks.lock(tmp_path / "one")
    assert again is not None
    locks.release(again)
    assert locks.lock(tmp_path / "nowhere") is None
