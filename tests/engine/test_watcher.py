"""The watcher with the real library: what it hears, what it survives."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deskhand.core.settings import Settings
from deskhand.engine import watcher as module
from deskhand.engine.watcher import Watcher
from deskhand.store.desk import Desk
from deskhand.testing.intake_bench import make_folders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify tells moves from new files")
WaitFor = Callable[..., object]


class Rings:
    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    def __call__(self) -> None:
        self.count += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture
def watcher(desk: Desk, rings: Rings) -> Iterator[Watcher]:
    make_folders(desk)
    found = Watcher(desk, Settings(), rings)
    found.supervise()
    yield found
    found.close()


def heard(watcher: Watcher, path: Path, wait_for: WaitFor) -> None:
    """A file moved to *path* is heard of as moved."""
    outside = path.parent.parent / f"outside-{path.name}"
    outside.write_text("x")
    seen: set[str] = set()
    os.rename(outside, path)

    def arrived() -> bool:
        seen.update(watcher.moved()[0])
        return str(path) in seen

    wait_for(arrived)


def test_a_move_is_told_from_a_new_file(desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor) -> None:
    (desk.inbox / "copied").write_text("x")
    wait_for(lambda: rings.count > 0)
    assert watcher.moved()[0] == set()
    heard(watcher, desk.inbox / "moved", wait_for)
    os.rename(desk.inbox / "moved", desk.inbox / "renamed")
    wait_for(lambda: watcher.moved()[0] == {str(desk.inbox / "renamed")})


def test_a_move_out_does_not_hold_up_the_next_arrival(desk: Desk, watcher: Watcher, wait_for: WaitFor) -> None:
    import time

    for number in range(5):
        path = desk.inbox / f"{number}"
        start = time.monotonic()
        heard(watcher, path, wait_for)
        # The library alone would hold it back for half a second after the move out below.
        assert time.monotonic() - start < 0.4
        os.rename(path, desk.root / f"taken-{number}")


def test_reading_a_drop_rings_nobody(desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor) -> None:
    heard(watcher, desk.inbox / "a", wait_for)
    before = rings.count
    (desk.inbox / "a").read_text()
    heard(watcher, desk.inbox / "b", wait_for)
    assert rings.count == before + 1


def test_approvals_and_dropped_are_heard(desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor) -> None:
    (desk.approvals / "x.json").write_text("{}")
    wait_for(lambda: rings.count >= 1)
    before = rings.count
    (desk.approvals / "x.json").unlink()
    wait_for(lambda: rings.count > before)
    before = rings.count
    (desk.dropped / "x").mkdir()
    wait_for(lambda: rings.count > before)


def test_a_routing_folder_is_watched_when_it_is_made(
    desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor
) -> None:
    (desk.recipes / "blessed" / "hand-over").mkdir(parents=True)
    (desk.inbox / "hand-over").mkdir()
    wait_for(lambda: rings.count > 0)
    assert watcher.supervise() == []
    heard(watcher, desk.inbox / "hand-over" / "letter", wait_for)


def test_f3_a_callback_that_raises_is_counted_and_heard_again(
    desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor
) -> None:
    rings.error = ValueError("boom")
    (desk.inbox / "a").write_text("x")
    wait_for(lambda: watcher.errors > 0)
    rings.error = None
    before = rings.count
    assert watcher.supervise() == []
    heard(watcher, desk.inbox / "b", wait_for)
    assert rings.count > before


def test_f4_an_emitter_that_died_is_rebuilt_at_the_next_tick(desk: Desk, watcher: Watcher, wait_for: WaitFor) -> None:
    observer = watcher._observer
    assert observer is not None
    emitter = next(one for one in observer.emitters if one.watch.path == str(desk.inbox))
    emitter.stop()
    emitter.join()
    assert observer.is_alive()
    (change,) = watcher.supervise()
    assert (change.inbox, change.degraded) == ("main", False)
    heard(watcher, desk.inbox / "a", wait_for)


def test_f4_the_thread_that_serves_all_is_started_again(desk: Desk, watcher: Watcher, wait_for: WaitFor) -> None:
    observer = watcher._observer
    assert observer is not None
    observer.stop()
    observer.join()
    (change,) = watcher.supervise()
    assert "started again" in change.reason
    heard(watcher, desk.inbox / "a", wait_for)


def test_f5_deleted_and_made_again(desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor) -> None:
    desk.inbox.rmdir()
    wait_for(lambda: rings.count > 0)
    watcher.supervise()
    before = rings.count
    desk.inbox.mkdir()
    wait_for(lambda: rings.count > before)
    watcher.supervise()
    heard(watcher, desk.inbox / "a", wait_for)


def test_f5_deleted_and_made_again_between_two_ticks(desk: Desk, watcher: Watcher, wait_for: WaitFor) -> None:
    for number in range(5):
        # The new folder often gets the old one's inode.
        desk.inbox.rmdir()
        desk.inbox.mkdir()
        wait_for(lambda: watcher.supervise(), what="noticing")
        heard(watcher, desk.inbox / f"{number}", wait_for)
        (desk.inbox / f"{number}").unlink()


def test_f6_renamed_away_and_replaced(desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor) -> None:
    desk.inbox.rename(desk.root / "away")
    desk.inbox.mkdir()
    wait_for(lambda: rings.count > 0)
    assert [change.inbox for change in watcher.supervise()] == ["main"]
    heard(watcher, desk.inbox / "a", wait_for)
    (desk.root / "outside").write_text("x")
    os.rename(desk.root / "outside", desk.root / "away" / "b")
    heard(watcher, desk.inbox / "c", wait_for)
    assert not any(path.endswith("/b") for path in watcher.moved()[0])


def test_renamed_away_and_back(desk: Desk, watcher: Watcher, rings: Rings, wait_for: WaitFor) -> None:
    desk.inbox.rename(desk.root / "away")
    assert watcher.supervise() == []
    assert not desk.inbox.exists()
    before = rings.count
    (desk.root / "away").rename(desk.inbox)
    wait_for(lambda: rings.count > before)
    watcher.supervise()
    heard(watcher, desk.inbox / "a", wait_for)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EMFILE])
def test_f9_without_watches_it_scans_only_and_says_so(
    desk: Desk, rings: Rings, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    make_folders(desk)
    monkeypatch.setattr(module, "RETRY_TICKS", 2)
    watcher = Watcher(desk, Settings(), rings)
    real = module._observer

    def none_left() -> object:
        raise OSError(code, "inotify watch limit reached")

    monkeypatch.setattr(module, "_observer", none_left)
    (change,) = watcher.supervise()
    assert change.degraded
    assert "max_user_watches" in change.reason
    assert watcher.mode == "scan only"
    assert [watcher.supervise() for _ in range(4)] == [[]] * 4
    monkeypatch.setattr(module, "_observer", real)
    wait_for(lambda: watcher.mode == "events" or watcher.supervise())
    heard(watcher, desk.inbox / "a", wait_for)
    watcher.close()


def test_closing_leaves_no_thread_and_no_descriptor(desk: Desk, rings: Rings) -> None:
    import threading

    make_folders(desk)
    threads = threading.active_count()
    descriptors = len(os.listdir("/proc/self/fd"))
    watcher = Watcher(desk, Settings(), rings)
    watcher.supervise()
    assert threading.active_count() > threads
    watcher.close()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
