"""Syncing a filesystem as a whole: where it is done, when it is not, and that a failure is for good."""

from __future__ import annotations

import errno
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.store import together
from deskhand.store.files import FsyncError, StrPath
from deskhand.store.together import ALONE, FEW, PAUSE, SLOW, Together
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import FaultyFiles


class Disk(FaultyFiles):
    """Counts its syncs and makes none; each takes as long as it is told."""

    def __init__(self, clock: FakeClock, at: int | None = None, error: int | None = None) -> None:
        super().__init__(at, error)
        self.clock = clock
        self.seconds = 0.0

    def before(self, operation: str, path: StrPath | int) -> None:
        self.clock.advance(self.seconds)
        super().before(operation, path)


Made = Callable[..., tuple[Together, Disk]]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Makes one for a filesystem that reports failed writes."""
    monkeypatch.setattr(together, "_reports", lambda folder: True)
    clock = FakeClock()

    def make(at: int | None = None, error: int | None = None) -> tuple[Together, Disk]:
        disk = Disk(clock, at, error)
        one = Together.open(disk, tmp_path)
        one._seconds = lambda: clock.monotonic_ns() / 1e9
        return one, disk

    return make


def test_one_call_is_enough_for_any_number_of_drops(made: Made) -> None:
    one, disk = made()
    assert not one.ready(ALONE)
    assert one.ready(ALONE + 1)
    assert one.ready(1000)
    one.sync_everything()
    assert [call.split()[0] for call in disk.calls] == ["syncfs"]
    one.close()


def test_f49_a_failed_sync_is_never_tried_again(made: Made) -> None:
    one, disk = made(1, errno.EIO)
    for _ in range(3):
        with pytest.raises(FsyncError):
            one.sync_everything()
    assert len(disk.calls) == 1
    one.close()


def test_after_a_slow_sync_a_few_drops_are_synced_one_by_one_for_a_while(made: Made) -> None:
    one, disk = made()
    disk.seconds = SLOW * 2
    one.sync_everything()
    assert not one.ready(ALONE + 1)
    assert not one.ready(FEW)
    assert one.ready(FEW + 1)
    disk.clock.advance(PAUSE + 1)
    assert not one.ready(ALONE)
    assert one.ready(ALONE + 1)
    disk.seconds = SLOW / 2
    one.sync_everything()
    assert one.ready(ALONE + 1)
    one.close()


def test_a_filesystem_that_does_not_report_is_never_synced_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "_reports", lambda folder: False)
    disk = Disk(FakeClock())
    one = Together.open(disk, tmp_path)
    assert not one.ready(1)
    assert not one.ready(1000)
    with pytest.raises(FsyncError):
        one.sync_everything()
    assert disk.calls == []
    one.close()


def test_after_closing_nothing_is_synced_as_a_whole(made: Made) -> None:
    one, disk = made()
    one.close()
    assert not one.ready(1000)
    with pytest.raises(FsyncError):
        one.sync_everything()
    assert disk.calls == []


@pytest.mark.parametrize(
    ("system", "release", "kind", "reports"),
    [
        ("linux", "6.1.0-21-amd64", "ext4", True),
        ("linux", "5.8.0", "xfs", True),
        ("linux", "5.7.19", "ext4", False),
        ("linux", "4.19.0", "btrfs", False),
        ("linux", "10.0", "ext4", True),
        ("linux", "unheard of", "ext4", False),
        ("linux", "6.1.0", "tmpfs", False),
        ("linux", "6.1.0", "overlay", False),
        ("linux", "6.1.0", "", False),
        ("darwin", "23.1.0", "ext4", False),
        ("win32", "10", "ext4", False),
    ],
)
def test_it_is_used_only_where_failed_writes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, release: str, kind: str, reports: bool
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "release", lambda: release)
    monkeypatch.setattr(together, "filesystem", lambda folder: kind)
    assert together._reports(tmp_path) is reports
