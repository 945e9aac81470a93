"""Time in the engine: a full disk at midnight, and clocks that are set."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deskhand.engine.assemble import Session, open_desk
from deskhand.host.found import init
from deskhand.store.desk import Desk
from deskhand.store.files import Files, StrPath
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import FaultyFiles
from deskhand.testing.log import MemoryLog

DAY = 86_400.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


@contextmanager
def working(root: Path, clock: FakeClock, files: Files | None = None) -> Iterator[Session]:
    """The desk, open in this process, with nothing running beside it."""
    with ExitStack() as stack:
        yield stack.enter_context(
            open_desk(Desk(root), MemoryLog(), ring=lambda: None, watch=False, files=files, clock=clock)
        )


def days(root: Path) -> int:
    """How many segments the log has."""
    return len(list((root / "audit_logs").glob("audit_*.jsonl")))


def clock_of_today(root: Path) -> FakeClock:
    """A clock that goes on from when the desk was made."""
    return FakeClock((root / "deskhand.yaml").stat().st_mtime + 60)


def test_a_new_day_begins_a_new_file(root: Path) -> None:
    clock = clock_of_today(root)
    with working(root, clock) as session:
        session.engine.tick()
        clock.advance(DAY)
        session.engine.tick()
        session.engine.tick()
    assert days(root) == 2


def test_a_full_disk_at_midnight_only_puts_the_new_day_off(root: Path) -> None:
    clock = clock_of_today(root)

    def snapshot(operation: str, path: StrPath | int) -> bool:
        return operation == "create" and full

    full = False
    files = FaultyFiles(at=1, error=errno.ENOSPC, only=snapshot)
    with working(root, clock, files) as session:
        session.engine.tick()
        full = True
        clock.advance(DAY)
        session.engine.tick()
        session.engine.tick()
        assert days(root) == 1
        full = False
        clock.advance(61.0)
        session.engine.tick()
        session.engine.tick()
        assert days(root) == 2


def test_a_removed_state_folder_does_not_end_the_daemon_at_midnight(root: Path) -> None:
    clock = clock_of_today(root)
    with working(root, clock) as session:
        session.engine.tick()
        keep = root / "queue/rejected/.deskhand-keep"
        keep.unlink()
        keep.parent.rmdir()
        clock.advance(DAY)
        session.engine.tick()
        session.engine.tick()
    assert days(root) == 2
    assert keep.parent.is_dir()
