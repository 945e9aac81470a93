"""One daemon per desk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deskhand.errors import ExitCode, HeldError, StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.lock import DeskLock, Holder, holder
from deskhand.testing.faulty_files import FaultyFiles

HOLD = """
import sys
from pathlib import Path
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.lock import DeskLock
lock = DeskLock(Files(), Desk(Path(sys.argv[1])), "otherrun")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def other_daemon(desk: Desk) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the desk."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(desk.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_holder_is_written_and_the_lock_given_back(desk: Desk) -> None:
    lock = DeskLock(Files(), desk, "run1")
    assert not lock.held
    with lock:
        assert lock.held
        assert holder(desk.lock) == Holder(os.getpid(), "run1")
    assert not lock.held
    lock.release()
    with DeskLock(Files(), desk, "longer-run-id"):
        assert holder(desk.lock) == Holder(os.getpid(), "longer-run-id")
    with DeskLock(Files(), desk, "r"):
        assert desk.lock.read_text() == f"{os.getpid()} r\n", "nothing of the longer text is left"


def test_taking_it_twice_is_a_mistake(desk: Desk) -> None:
    with DeskLock(Files(), desk, "run1") as lock, pytest.raises(RuntimeError):
        lock.acquire()


def test_f55_second_daemon_is_told_who_holds_it(desk: Desk) -> None:
    with other_daemon(desk) as process:
        with pytest.raises(HeldError) as caught:
            DeskLock(Files(), desk, "mine").acquire()
        assert caught.value.exit_code is ExitCode.HELD
        assert f"pid {process.pid}, run otherrun" in caught.value.cause
        assert caught.value.hint is not None and str(process.pid) in caught.value.hint
        assert holder(desk.lock) == Holder(process.pid, "otherrun"), "the loser changed nothing"


@pytest.mark.parametrize("what", ["deleted", "replaced", "whole queue renamed away"])
def test_f55_lock_file_gone_while_held(desk: Desk, what: str) -> None:
    with other_daemon(desk):
        if what == "whole queue renamed away":
            desk.queue.rename(desk.root / "elsewhere")
        else:
            desk.lock.unlink()
        if what == "replaced":
            desk.lock.write_text("1 somebody\n")
        with pytest.raises(HeldError):
            DeskLock(Files(), desk, "mine").acquire()


def test_f55_stale_pid_holds_nobody_up(desk: Desk) -> None:
    with other_daemon(desk) as process:
        process.kill()
        process.wait()
        assert holder(desk.lock) == Holder(process.pid, "otherrun")
        with DeskLock(Files(), desk, "mine") as lock:
            assert lock.held


def test_two_locks_in_one_process_exclude_each_other(desk: Desk) -> None:
    with DeskLock(Files(), desk, "one"), pytest.raises(HeldError):
        DeskLock(Files(), desk, "two").acquire()
    with DeskLock(Files(), desk, "two") as lock:
        assert lock.held


def test_a_failed_attempt_leaves_no_descriptor_and_no_lock(desk: Desk) -> None:
    with DeskLock(Files(), desk, "first"):
        pass
    before = set(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else set()
    for at in (1, 2):
        with pytest.raises(StoreError):
            DeskLock(FaultyFiles(at, 28), desk, "mine").acquire()
    with other_daemon(desk), pytest.raises(HeldError):
        DeskLock(Files(), desk, "mine").acquire()
    after = set(os.listdir("/proc/self/fd")) if before else set()
    assert len(after) == len(before)
    with DeskLock(Files(), desk, "mine") as lock:
        assert lock.held


@pytest.mark.parametrize("text", ["", "x", "12", "twelve run", "\xff\xfe 1", "1" * 500])
def test_a_lock_file_that_says_nonsense_names_nobody(desk: Desk, text: str) -> None:
    desk.queue.mkdir()
    desk.lock.write_text(text, encoding="latin-1")
    assert holder(desk.lock) is None
    with DeskLock(Files(), desk, "mine"):
        assert holder(desk.lock) == Holder(os.getpid(), "mine")


def test_a_link_is_not_a_lock_file(desk: Desk, tmp_path: Path) -> None:
    desk.queue.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    desk.lock.symlink_to(victim)
    with pytest.raises(StoreError):
        DeskLock(Files(), desk, "mine").acquire()
    assert victim.read_text() == "keep me"


def test_a_desk_that_is_gone_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        DeskLock(Files(), Desk(tmp_path / "file"), "mine").acquire()
    assert caught.value.path is not None and caught.value.path.endswith(".lock")
