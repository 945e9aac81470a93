"""A share that is polled: what cannot be removed from it is not taken again, and a quiet one costs nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.on_record import UNSURE
from deskhand.host.found import init
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from tests.support import invariants

DAY = 86_400.0


class ReadOnlyShare(Files):
    """Nothing can be removed from the share."""

    stuck = True

    def before(self, operation: str, path: StrPath | int) -> None:
        """Refuse what would change the share."""
        if self.stuck and not isinstance(path, int) and "/share/" in os.fspath(path):
            raise OSError(errno.EROFS, "read-only file system")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A desk with a polled inbox."""
    init(tmp_path / "desk")
    with (tmp_path / "desk/deskhand.yaml").open("a") as file:
        file.write("inboxes:\n- {name: main, path: watch_inbox}\n- {name: share, path: ../share, poll: true}\n")
    (tmp_path / "share").mkdir()
    return tmp_path / "desk"


@pytest.fixture
def clock(root: Path) -> FakeClock:
    """Goes on from when the desk was made."""
    return FakeClock((root / "deskhand.yaml").stat().st_mtime + 60)


@contextmanager
def working(root: Path, clock: FakeClock, files: Files) -> Iterator[Callable[[], None]]:
    """The desk, open; calling what it gives lets it poll and work until it is at rest."""
    bell = Bell()
    with open_desk(Desk(root), MemoryLog(), ring=bell.ring, watch=False, files=files, clock=clock) as session:
        yield lambda: rest(session, clock, bell)
    bell.close()


def rest(session: Session, clock: FakeClock, bell: Bell) -> None:
    """Two polls, with everything that comes of them."""
    for _ in range(3):
        clock.advance(11)
        session.engine.tick()
        while session.parts.intake.polling or session.parts.intake.under_way or session.parts.runs.busy:
            assert bell.wait(10)
            session.engine.tick()
    session.engine.tick()


def tasks(root: Path) -> int:
    """How many drops became tasks."""
    return sum(record.type == "task.received" for record in invariants.read(Desk(root)))


def test_what_cannot_be_removed_is_not_taken_again_after_days_and_restarts(root: Path, clock: FakeClock) -> None:
    source = root.parent / "share/bill.txt"
    source.write_text("pay")
    first = clock.wall() - 60
    for _ in range(3):
        with working(root, clock, ReadOnlyShare()) as go_on:
            go_on()
            clock.advance(DAY)
            go_on()
    assert source.exists()
    assert tasks(root) == 1
    days = clock.wall() // DAY - first // DAY + 1
    assert days >= 4
    assert len(list((root / "audit_logs").glob("audit_*.jsonl"))) == days


def test_nor_under_another_name_or_after_the_share_was_away(root: Path, clock: FakeClock) -> None:
    share = root.parent / "share"
    (share / "bill.txt").write_text("pay")
    with working(root, clock, ReadOnlyShare()) as go_on:
        go_on()
        (share / "bill.txt").rename(share / "paid.txt")
        go_on()
        share.rename(root.parent / "away")
        go_on()
        (root.parent / "away").rename(share)
        go_on()
    assert tasks(root) == 1


def test_what_is_gone_from_the_share_is_forgotten(root: Path, clock: FakeClock) -> None:
    files = ReadOnlyShare()
    source = root.parent / "share/bill.txt"
    source.write_text("pay")
    bell = Bell()
    with open_desk(Desk(root), MemoryLog(), ring=bell.ring, watch=False, files=files, clock=clock) as session:
        rest(session, clock, bell)
        assert len(session.engine.ledger.book.unremoved) == 1
        source.unlink()
        rest(session, clock, bell)
        clock.advance(DAY)
        rest(session, clock, bell)
        assert session.engine.ledger.book.unremoved == {}
    bell.close()


def test_what_can_be_removed_later_is(root: Path, clock: FakeClock) -> None:
    source = root.parent / "share/bill.txt"
    source.write_text("pay")
    files = ReadOnlyShare()
    for stuck in (True, False):
        files.stuck = stuck
        with working(root, clock, files) as go_on:
            go_on()
            clock.advance(DAY)
            go_on()
        assert source.exists() is stuck
    assert tasks(root) == 1


def test_two_names_of_one_file_are_two_drops_and_both_go(root: Path, clock: FakeClock) -> None:
    source = root.parent / "share/bill.txt"
    source.write_text("pay")
    os.link(source, source.with_name("again.txt"))
    for files in (ReadOnlyShare(), Files()):
        with working(root, clock, files) as go_on:
            go_on()
            go_on()
        assert tasks(root) == 2
    assert not list(source.parent.iterdir())


class KeepsTheLast(ReadOnlyShare):
    """What begins with `z` cannot be removed from the share."""

    def before(self, operation: str, path: StrPath | int) -> None:
        """Refuse that."""
        if not isinstance(path, int) and Path(path).name.startswith("z"):
            super().before(operation, path)


@pytest.fixture
def half_removed(root: Path, clock: FakeClock) -> Path:
    """A folder that is on record, and of which one file could not be removed."""
    folder = root.parent / "share/trip"
    folder.mkdir()
    for name in ("a.txt", "z.txt"):
        (folder / name).write_text(name)
    with working(root, clock, KeepsTheLast()) as go_on:
        go_on()
        go_on()
    assert [path.name for path in folder.iterdir()] == ["z.txt"]
    assert tasks(root) == 1
    return folder


def test_what_is_left_of_a_folder_is_removed_later(root: Path, clock: FakeClock, half_removed: Path) -> None:
    for files in (KeepsTheLast(), Files()):
        with working(root, clock, files) as go_on:
            go_on()
            clock.advance(DAY)  # a new day of the log begins, with a snapshot of what is known
            go_on()
    assert not half_removed.exists()
    assert tasks(root) == 1


def test_what_may_be_left_of_a_folder_stays_once_nothing_tells(
    root: Path, clock: FakeClock, half_removed: Path
) -> None:
    for path in (root / "queue").rglob("*.task.json"):
        path.unlink()
    log, bell = MemoryLog(), Bell()
    with open_desk(Desk(root), log, ring=bell.ring, watch=False, clock=clock) as session:
        for _ in range(3):
            rest(session, clock, bell)
        assert [path.name for path in half_removed.iterdir()] == ["z.txt"]
        assert tasks(root) == 1
        assert sum(UNSURE in str(line.fields) for line in log.lines) == 1, "it is told, and told once"
        half_removed.rename(root.parent / "aside")
        rest(session, clock, bell)
        (root.parent / "aside").rename(half_removed)
        rest(session, clock, bell)
    bell.close()
    assert not half_removed.exists()
    assert tasks(root) == 2


def test_a_polled_inbox_does_not_keep_the_daemon_busy(root: Path, clock: FakeClock) -> None:
    """Something in it is not finished: only the next poll can tell more."""
    bell = Bell()
    with open_desk(Desk(root), MemoryLog(), ring=bell.ring, watch=False, clock=clock) as session:
        rest(session, clock, bell)
        (root.parent / "share/new.txt").write_text("x")
        clock.advance(11)
        session.engine.tick()
        while session.parts.intake.polling:
            assert bell.wait(10)
            session.engine.tick()  # rung without a notice, and yet the finished poll is looked at
        clock.advance(5)
        assert not session.engine.idle
        assert session.engine.next_wake() == pytest.approx(session.settings.scan_interval - 5)
    bell.close()
