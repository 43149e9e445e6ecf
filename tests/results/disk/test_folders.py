"""Folders are whole at every moment: writers are killed, disks are full, names are taken."""

import os
import random
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from pellucid.errors import ResultFileError
from pellucid.results.disk import locks, rename
from pellucid.results.disk.files import replace_file
from pellucid.results.disk.folders import demand_folder, demand_free, growing, kept_parts, replacing
from pellucid.results.disk.places import DRAFT, hidden, new_file
from tests.results.disk.writers import (
    FOLDER,
    GROWER,
    PAIR,
    Nursery,
    contents,
    demand_whole_after_kills,
    fill,
    kills_until_done,
)


def write(path, text):
    with replacing(path, PAIR) as draft:
        fill(draft, text)


def only_our_files(folder, text):
    """Nothing is left of earlier writers."""
    assert contents(folder) == text
    assert sorted(os.listdir(folder)) == [f"data-{text}", "index"]
    assert os.listdir(folder.parent) == [folder.name]


@pytest.mark.parametrize("how", [(), ("plain",)])
def test_a_killed_writer_leaves_the_old_or_the_new_one_whole(tmp_path, how):
    target = tmp_path / "pair"
    write(target, "first")
    demand_whole_after_kills(FOLDER, target, lambda: contents(target), *how, count=12)
    write(target, "last")
    only_our_files(target, "last")


@pytest.mark.parametrize("moment", range(3))
def test_death_at_each_step_leaves_a_whole_one_and_the_next_writer_tidies(
    tmp_path, monkeypatch, moment
):
    target = tmp_path / "pair"
    write(target, "old")
    with monkeypatch.context() as dying:
        step = [(rename, "move", nth(2, rename.move)), (os, "replace", die),
                (Path, "iterdir", nth(2, Path.iterdir))][moment]  # fmt: skip
        dying.setattr(*step)
        dying.setattr("pellucid.results.disk.folders.discard", lambda draft: None)
        with pytest.raises(KeyboardInterrupt):
            write(target, "new")
    assert contents(target) == ("new" if moment == 2 else "old")
    write(target, "newer")
    only_our_files(target, "newer")


def die(*arguments):
    raise KeyboardInterrupt


def nth(number, call):
    """``call``, which is interrupted when it is called for the ``number``-th time."""
    calls = iter([call] * (number - 1) + [die])
    return lambda *arguments: next(calls)(*arguments)


@pytest.mark.parametrize("kernel", [True, False])
def test_an_exception_leaves_what_stood_there_and_nothing_else(tmp_path, monkeypatch, kernel):
    if not kernel:
        monkeypatch.setattr(rename, "_renameat2", lambda: None)
    target = tmp_path / "pair"
    for old in (None, "old"):
        with suppress(ZeroDivisionError), replacing(target, PAIR) as draft:
            (draft / "data-half").write_text("half")
            _ = 1 / 0
        assert os.listdir(tmp_path) == ([] if old is None else ["pair"])
        write(target, "old")
        assert contents(target) == "old"


def test_two_at_once_do_not_mix_and_a_reader_sees_whole_ones(tmp_path):
    target, seed = tmp_path / "pair", random.Random(2)
    write(target, "first")
    with (
        Nursery(FOLDER, target) as one,
        Nursery(FOLDER, target) as other,
        ThreadPoolExecutor() as threads,
    ):
        for nursery in (one, other):
            threads.submit(nursery.killed_after, 0.4)
        for _ in range(20):
            time.sleep(seed.uniform(0, 0.02))
            contents(target)
    write(target, "last")
    only_our_files(target, "last")


def make_file(path):
    path.write_text("mine")


def make_link(path):
    (path.parent / "elsewhere").mkdir()
    write(path.parent / "elsewhere" / "pair", "mine")
    path.symlink_to(path.parent / "elsewhere" / "pair")


def make_foreign(path):
    path.mkdir()
    (path / "index").write_text("the index of my thesis")
    (path / "chapter").write_text("years of work")


def make_linked_index(path):
    path.mkdir()
    (path.parent / "index").write_text("pair 1")
    (path / "index").symlink_to(path.parent / "index")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_file, "exists and is not a pair"),
        (make_link, "exists and is not a pair"),
        (lambda path: path.symlink_to("nowhere"), "exists and is not a pair"),
        (lambda path: path.mkdir(), "exists and is not a pair"),
        (make_foreign, "exists and is not a pair"),
    ],
)
def test_what_is_not_ours_is_not_touched(make, says, tmp_path):
    make(tmp_path / "taken")
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(ResultFileError, match=says):
        write(tmp_path / "taken", "new")
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_what_others_put_into_our_folder_stays(tmp_path, monkeypatch):
    target = tmp_path / "pair"
    write(target, "old")
    (target / "notes.txt").write_text("mine")
    (target / "data-mine").write_text("no number of ours")
    (target / "deep").mkdir()
    monkeypatch.chdir(target)
    write("../pair", "new")  # while the working folder is inside
    assert contents(target) == "new"
    assert sorted(os.listdir()) == ["data-mine", "data-new", "deep", "index", "notes.txt"]
    with pytest.raises(ResultFileError, match="data-mine exists and is another file"):
        write(target, "mine")
    assert contents(target) == "new"
    write(target, "new")
    assert contents(target) == "new"


def test_what_is_put_there_in_the_last_moment_is_not_touched(tmp_path):
    target = tmp_path / "pair"

    def write_late():
        with replacing(target, PAIR) as draft:
            fill(draft, "new")
            make_foreign(target)

    with pytest.raises(ResultFileError, match="not a pair"):
        write_late()
    assert (target / "chapter").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["pair"]


def test_a_full_disk_says_so_and_leaves_the_old_one(tmp_path):
    target = tmp_path / "pair"
    write(target, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ResultFileError, match=r"Cannot write .*pair: .*too large"):
            write(target, "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert contents(target) == "old"
    assert os.listdir(tmp_path) == ["pair"]


@pytest.mark.parametrize(
    "path",
    [
        "/proc/nowhere/pair",
        "file/pair",
        "",
        "..",
        "/",
        "n" * 300,
        "new/" + "n" * 300,
        "a\0b",
        "\ud800",
        b"x",
        None,
    ],
)
def test_a_place_that_cannot_be_written_says_so(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(
        ResultFileError, match=r"Cannot write|names nothing|is not a pair|no name can|no path"
    ):
        demand_folder(path, PAIR)
    with pytest.raises(ResultFileError):
        write(path, "new")
    assert os.listdir(tmp_path) == ["file"]


def test_the_working_folder_may_change(tmp_path, monkeypatch):
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path)
    with replacing("deep/pair", PAIR) as draft:
        monkeypatch.chdir(tmp_path / "away")
        fill(draft, "here")
    assert contents(tmp_path / "deep" / "pair") == "here"


def test_no_name_of_a_draft_can_be_foreseen(tmp_path):
    names = []
    for _ in range(2):
        with replacing(tmp_path / "pair", PAIR) as draft:
            names.append(draft.name)
            fill(draft, "1")
    assert len(set(names)) == 2
    write(tmp_path / ("n" * 255), "1")  # as long as a name may be


def resumes(draft):
    return (draft / "count").exists()


def test_a_killed_writer_of_parts_is_gone_on_with(tmp_path):
    target = tmp_path / "parts"
    with Nursery(GROWER, target) as nursery:
        assert kills_until_done(nursery, target, 0.1) > 0
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


def test_what_was_left_by_a_look_whether_one_may_write_is_removed(tmp_path):
    new_file(hidden(tmp_path / "parts", DRAFT))  # as of a process killed in demand_writable
    with growing(tmp_path / "parts", resumes) as draft:
        (draft / "manifest").write_text("1")
    assert os.listdir(tmp_path) == ["parts"]


def test_parts_of_what_others_write_stay_until_the_block_ends(tmp_path):
    target = tmp_path / "one"
    with suppress(ZeroDivisionError), kept_parts(target):
        _ = 1 / 0
    assert os.listdir(tmp_path) == []
    with suppress(ZeroDivisionError), kept_parts(target) as parts:
        (parts / "part").write_text("done")
        _ = 1 / 0
    with kept_parts(target) as parts:
        assert (parts / "part").read_text() == "done"
        target.write_text("all")
    assert os.listdir(tmp_path) == ["one"]


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
