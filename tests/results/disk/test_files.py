"""Single files: the old or the new one whole, and nothing of others touched."""

import os
import resource
import stat

import pytest

from pellucid.errors import ResultFileError
from pellucid.results.disk.files import demand_file, write_file
from tests.results.disk.writers import FILE, OURS, demand_whole_after_kills, whole_file


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    target = tmp_path / "file"
    write_file(target, OURS + "7" * 100_000)
    demand_whole_after_kills(FILE, target, lambda: whole_file(target), count=20)
    write_file(target, "last")
    assert target.read_text() == "last"
    assert os.listdir(tmp_path) == ["file"]


def make_link(path):
    (path.parent / "elsewhere").write_text("mine")
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    "make",
    [make_link, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir(), os.mkfifo],
)
def test_what_is_no_ordinary_file_is_not_touched(make, tmp_path):
    make(tmp_path / "taken")
    before = sorted((p, p.lstat().st_mode) for p in tmp_path.iterdir())
    for call in (demand_file, lambda path: write_file(path, "new")):
        with pytest.raises(ResultFileError, match="no ordinary file"):
            call(tmp_path / "taken")
    assert sorted((p, p.lstat().st_mode) for p in tmp_path.iterdir()) == before


def test_what_is_not_ours_is_not_replaced(tmp_path):
    target = tmp_path / "package.json"
    target.write_text('{"name": "mine"}')
    with pytest.raises(ResultFileError, match="not written by Pellucid"):
        write_file(target, OURS)
    assert target.read_text() == '{"name": "mine"}'
    target.write_text("")
    for _ in range(2):
        write_file(target, OURS)


def test_permissions_stay(tmp_path):
    target = write_file(tmp_path / "file", OURS)
    target.chmod(0o640)
    write_file(target, OURS)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "path",
    ["/proc/nowhere/f", "file/f", "", "..", "/", "n" * 300, "new/" + "n" * 300, "a\0b", "\ud800",
     b"x", None, 3, "/dev/full"],
)  # fmt: skip
def test_a_place_that_cannot_be_written_says_so_before_anything_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultFileError):
        demand_file(path)
    with pytest.raises(ResultFileError):
        write_file(path, "new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_says_so_and_leaves_the_old_one(tmp_path):
    target = tmp_path / "file"
    write_file(target, OURS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ResultFileError, match=r"Cannot write .*file: .*too large"):
            write_file(target, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_text() == OURS
    assert os.listdir(tmp_path) == ["file"]


def test_folders_are_made_and_the_working_folder_may_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = demand_file("deep/file")
    assert os.listdir(tmp_path) == []
    monkeypatch.chdir("/")
    assert write_file(target, "text").read_text() == "text"
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~current_mask()


def current_mask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_no_draft_that_was_put_there_is_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in (".file.part", f".file-{os.getpid()}"):
        (tmp_path / name).symlink_to(victim)
    write_file(tmp_path / "file", "new")
    assert victim.read_text() == "mine"
