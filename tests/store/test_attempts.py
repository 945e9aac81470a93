"""Attempt folders: what handlers did to them is no obstacle."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from deskhand.core.task import InputFile, manifest_sha256
from deskhand.errors import StoreError
from deskhand.store.attempts import AttemptFolder, Attempts
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath


@pytest.fixture
def folder(desk: Desk) -> AttemptFolder:
    """A folder in which a handler worked."""
    for path in (desk.work / "k-1" / "out", desk.folder("pending")):
        path.mkdir(parents=True)
    return AttemptFolder(str(desk.work / "k-1"), "x")


def test_a_pipe_in_place_of_the_log_holds_nobody_up(desk: Desk, folder: AttemptFolder) -> None:
    os.mkfifo(folder.log)
    with pytest.raises(StoreError, match="no plain file"):
        Attempts(Files(), desk).publish_log(folder, "id", 1, 0.0)


def test_a_file_that_a_handler_made_is_opened_without_waiting(desk: Desk) -> None:
    os.mkfifo(desk.root / "pipe")
    opened = threading.Thread(target=fsync_whatever, args=(desk.root / "pipe",), daemon=True)
    opened.start()
    opened.join(5.0)
    assert not opened.is_alive(), "it waits for somebody to write into the pipe"


def fsync_whatever(path: Path) -> None:
    """Whether a pipe can be synced depends on the system."""
    with suppress(OSError):
        Files().fsync_file(path)


def test_links_that_hide_in_the_results_are_found(desk: Desk, folder: AttemptFolder) -> None:
    (Path(folder.out) / "a" / "b").mkdir(parents=True)
    (Path(folder.out) / "a" / "b" / "x").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="the result holds a link"):
        Attempts(Files(), desk).publish_results(folder, "id")
    assert list(desk.folder("pending").iterdir()) == []


def test_read_only_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "cache"
    (top / "module" / "inner").mkdir(parents=True)
    (top / "module" / "inner" / "file").write_text("")
    (top / "link").symlink_to(tmp_path)
    (top / "module" / "inner").chmod(0o500)
    (top / "module").chmod(0o500)
    rmtree = shutil.rmtree

    def ordinary(path: StrPath) -> None:
        closed = [where for where, _, _ in os.walk(path) if not os.stat(where).st_mode & 0o200]
        if closed:
            raise PermissionError(13, "Permission denied", closed[0])
        rmtree(path)

    monkeypatch.setattr("deskhand.store.files.shutil.rmtree", ordinary)
    Files().remove_tree(top)
    assert not top.exists()
    assert tmp_path.exists()


def test_something_else_in_place_of_an_attempt_folder_is_removed_too(desk: Desk, folder: AttemptFolder) -> None:
    (desk.work / "k-2").write_text("")
    (desk.work / "k-3").symlink_to(desk.root)
    assert Attempts(Files(), desk).discard_all() == ()
    assert list(desk.work.iterdir()) == []
    assert desk.root.exists()


@pytest.fixture
def prepared(desk: Desk) -> AttemptFolder:
    """An attempt as a handler finds it, with one small file as its input."""
    for path in (desk.work, desk.folder("pending")):
        path.mkdir(parents=True, exist_ok=True)
    payload = desk.folder("pending") / "id.in.txt"
    payload.write_bytes(b"hello")
    digest = manifest_sha256((InputFile("", hashlib.sha256(b"hello").hexdigest(), 5),))
    return Attempts(Files(), desk).prepare("k-1", payload, "letter.txt", digest)


def test_attempt_is_private_and_works_on_a_copy(desk: Desk, prepared: AttemptFolder) -> None:
    assert Path(prepared.input).read_bytes() == b"hello"
    Path(prepared.input).write_bytes(b"changed")
    assert (desk.folder("pending") / "id.in.txt").read_bytes() == b"hello"
    folders = (prepared.root, prepared.holder, prepared.out)
    assert [os.stat(path).st_mode & 0o777 for path in folders] == [0o700] * 3
    assert os.stat(prepared.input).st_mode & 0o777 == 0o600


def test_what_an_earlier_daemon_left_is_no_obstacle(desk: Desk, prepared: AttemptFolder) -> None:
    (Path(prepared.out) / "old").write_text("")
    digest = manifest_sha256((InputFile("", hashlib.sha256(b"hello").hexdigest(), 5),))
    again = Attempts(Files(), desk).prepare("k-1", desk.folder("pending") / "id.in.txt", "letter.txt", digest)
    assert os.listdir(again.out) == []
    shutil.rmtree(desk.work)
    once_more = Attempts(Files(), desk).prepare("k-2", desk.folder("pending") / "id.in.txt", "x", digest)
    assert os.path.exists(once_more.input)


def test_attempt_that_left_nothing_is_removed_at_once(desk: Desk, prepared: AttemptFolder) -> None:
    assert Attempts(Files(), desk).discard_bare(prepared, "id")
    assert list(desk.work.iterdir()) == []


def test_attempt_that_removed_its_input_is_too(desk: Desk, prepared: AttemptFolder) -> None:
    os.unlink(prepared.input)
    assert Attempts(Files(), desk).discard_bare(prepared, "id")
    assert list(desk.work.iterdir()) == []


@pytest.mark.parametrize("left", ["out/result", "in/more", "log", "core"])
def test_whatever_else_an_attempt_left_is_not_removed_in_passing(
    desk: Desk, prepared: AttemptFolder, left: str
) -> None:
    (Path(prepared.root) / left).write_text("x")
    assert not Attempts(Files(), desk).discard_bare(prepared, "id")
    assert (Path(prepared.root) / left).read_text() == "x"


def test_results_of_an_earlier_attempt_are_left_to_whoever_replaces_them(desk: Desk, prepared: AttemptFolder) -> None:
    (desk.folder("pending") / "id.out").mkdir()
    assert not Attempts(Files(), desk).discard_bare(prepared, "id")
    assert os.path.exists(prepared.input)


def test_link_in_place_of_a_working_folder_is_not_followed(desk: Desk, prepared: AttemptFolder, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("precious")
    shutil.rmtree(prepared.holder)
    Path(prepared.holder).symlink_to(theirs)
    assert not Attempts(Files(), desk).discard_bare(prepared, "id")
    assert (theirs / "letter.txt").read_text() == "precious"
