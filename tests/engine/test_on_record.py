"""Originals that are on record already are known again, whatever the system calls their filesystem now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deskhand.core.task import Source, manifest_sha256
from deskhand.engine.intake_facts import Taken
from deskhand.engine.on_record import OnRecord
from deskhand.host.found import init
from deskhand.store.accept import take_in
from deskhand.store.files import Files
from deskhand.store.sources import Removed
from tests.support.inside import inside


def source(path: Path, dev: int = 0) -> Source:
    status = path.stat()
    return Source(status.st_dev + dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A drop that was copied."""
    path = tmp_path / "a.txt"
    path.write_text("hello")
    return path


def known(path: Path, *, dev: int = 0) -> OnRecord:
    """The drop at *path* is on record, copied when its device had another number by *dev*."""
    found = OnRecord()
    found.add([Taken("main", source(path, dev), manifest_sha256(take_in(None, path, "file")[0]))])
    return found


@pytest.mark.parametrize("dev", [0, 1])
def test_an_original_is_removed_and_not_taken_again(original: Path, dev: int) -> None:
    on_record = known(original, dev=dev)
    assert on_record.remove(Files(), original, source(original)) is Removed.GONE
    assert not original.exists()
    original.write_text("hello")
    assert on_record.remove(Files(), original, source(original)) is Removed.REPLACED, "it was forgotten"


@pytest.mark.parametrize("dev", [0, 1])
def test_other_bytes_of_the_same_size_and_time_are_a_new_drop(original: Path, dev: int) -> None:
    on_record = known(original, dev=dev)
    before = original.stat().st_mtime_ns
    original.write_text("other")
    os.utime(original, ns=(before, before))
    assert on_record.remove(Files(), original, source(original)) is Removed.REPLACED
    assert original.read_text() == "other"


def test_a_listing_of_another_device_forgets_nothing(original: Path) -> None:
    on_record = known(original, dev=1)
    on_record.listed("main", source(original).dev, list)
    assert on_record.remove(Files(), original, source(original)) is Removed.GONE
    assert not original.exists()


def test_a_listing_of_its_device_forgets_what_is_gone(original: Path) -> None:
    on_record = known(original)
    on_record.listed("main", source(original).dev, list)
    assert on_record.remove(Files(), original, source(original)) is Removed.REPLACED
    assert original.exists()


def test_each_name_of_one_file_that_was_taken_is_removed_and_no_other(original: Path) -> None:
    for name in ("b.txt", "c.txt"):
        os.link(original, original.with_name(name))
    on_record = known(original)
    on_record.add([Taken("main", source(original), manifest_sha256(take_in(None, original, "file")[0]))])
    outcomes = [on_record.remove(Files(), path, source(path)) for path in sorted(original.parent.iterdir())]
    assert outcomes == [Removed.GONE, Removed.GONE, Removed.REPLACED]


def test_a_finished_input_that_a_person_drops_again_while_nothing_runs_is_a_new_drop(tmp_path: Path) -> None:
    """It is the very file that was dropped: it was moved all the way."""
    root = tmp_path / "desk"
    init(root)
    inbox, completed = root / "watch_inbox", root / "queue/completed"
    (inbox / "a.txt").write_text("hello")
    with inside(root) as desk:
        desk.until(lambda: list(completed.glob("*.in.txt")))
    next(completed.glob("*.in.txt")).rename(inbox / "a.txt")
    with inside(root) as desk:
        desk.until(lambda: not (inbox / "a.txt").exists() and desk.engine.idle)
        assert len(desk.records("task.received")) == 2
    assert [path.read_text() for path in completed.glob("*.in.txt")] == ["hello"]
