"""The log under faults: whatever stops or fails, no committed record is lost and the log goes on."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core.record import Draft
from deskhand.errors import IntegrityError, StoreError
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_read import hash_at
from deskhand.store.audit_verify import verify
from deskhand.store.files import Files, FsyncError, StrPath
from deskhand.store.head import Head, read_head
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import Crash, FaultyFiles
from deskhand.testing.sample_log import append_task, begin

BEAT = Draft("log.heartbeat", {"uptime_s": 1})
COMMON = [errno.ENOSPC, errno.EIO, errno.EMFILE]
RARE = [errno.EDQUOT, errno.EROFS, errno.ENFILE, errno.EACCES, errno.EPERM, errno.EXDEV, errno.ENAMETOOLONG]
RARE += [errno.EINTR, errno.ESTALE, errno.EBUSY, errno.ENOMEM]
ERRNOS = [COMMON[0], *(pytest.param(code, marks=pytest.mark.faults) for code in (*COMMON[1:], *RARE))]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs are still counted and fail where told, but do not wait for the disk: hundreds of logs are made here."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)


class TornFiles(FaultyFiles):
    """Crashes like its base, but a write that it stops at has put half of its bytes on the disk."""

    def pwrite(self, fd: int, data: bytes, offset: int) -> None:
        """Write, or write half and crash."""
        stopped = self.fired
        try:
            super().pwrite(fd, data, offset)
        except Crash:
            if not stopped:
                os.pwrite(fd, data[: len(data) // 2], offset)
            raise


def life(files: Files, folder: Path, acked: list[Head]) -> None:
    """A log from its beginning over a change of day to its second start; *acked* gets every head that was promised."""
    clock = FakeClock()
    log = begin(folder, clock, files)
    acked.append(log.head)
    append_task(log, 0)
    log.commit()
    acked.append(log.head)
    clock.advance(86_400)
    log.append(BEAT)
    log.rotate(b'{"tasks":[]}')
    acked.append(log.head)
    append_task(log, 1)
    log.commit()
    acked.append(log.head)
    log.close()
    with (folder / log.head.file).open("ab") as stream:
        stream.write(b'{"prev":"torn')
    log = AuditLog.open(files, folder, clock=clock)
    acked.append(log.head)
    log.append(BEAT)
    log.commit()
    acked.append(log.head)
    log.close()


def calls_of_a_life(folder: Path) -> int:
    files = FaultyFiles()
    life(files, folder, [])
    return len(files.calls)


def go_on(folder: Path, acked: list[Head]) -> None:
    """The next start: everything that was promised is there, and the log can be written."""
    clock = FakeClock(1_800_000_000.0)
    try:
        log = AuditLog.open(Files(), folder, clock=clock)
    except IntegrityError:
        assert not acked, "a log that was begun must open"
        log = begin(folder, clock)
    for head in acked:
        assert hash_at(folder, head.seq) == head.hash
    log.append(BEAT)
    log.commit()
    log.close()
    result = verify(folder)
    assert result.ok, result.errors
    assert (result.last_seq, result.loose_bytes) == (log.head.seq, 0)
    assert list(folder.glob(".deskhand-*")) == []


@pytest.mark.parametrize("kind", [FaultyFiles, TornFiles])
@pytest.mark.usefixtures("quick")
def test_f45_f68_a_crash_at_every_call_loses_nothing(tmp_path: Path, kind: type[FaultyFiles]) -> None:
    count = calls_of_a_life(tmp_path / "count")
    assert count > 30
    for at in range(1, count + 1):
        folder, acked = tmp_path / str(at), list[Head]()
        files = kind(at)
        with pytest.raises(Crash):
            life(files, folder, acked)
        assert files.fired
        go_on(folder, acked)


@pytest.mark.usefixtures("quick")
def test_f47_a_crash_during_every_recovery_four_times_over(tmp_path: Path) -> None:
    def torn(folder: Path) -> list[Head]:
        log = begin(folder, FakeClock())
        append_task(log, 0)
        log.commit()
        log.close()
        with (folder / log.head.file).open("ab") as stream:
            stream.write(os.urandom(20_000))
        return [log.head]

    torn(tmp_path / "count")
    files = FaultyFiles()
    AuditLog.open(files, tmp_path / "count", clock=FakeClock()).close()
    for at in range(1, len(files.calls) + 1):
        folder = tmp_path / str(at)
        acked = torn(folder)
        for again in range(4):
            try:
                AuditLog.open(TornFiles(at + again), folder, clock=FakeClock()).close()
            except Crash:
                continue
        go_on(folder, acked)


@pytest.mark.parametrize("code", ERRNOS, ids=[errno.errorcode[code] for code in (*COMMON, *RARE)])
@pytest.mark.usefixtures("quick")
def test_f48_every_errno_at_every_call(tmp_path: Path, code: int) -> None:
    count = calls_of_a_life(tmp_path / "count")
    for at in range(1, count + 1):
        folder, acked = tmp_path / str(at), list[Head]()
        try:
            life(FaultyFiles(at, code), folder, acked)
        except (StoreError, FsyncError):
            pass
        go_on(folder, acked)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.usefixtures("quick")
def test_f48_a_commit_or_rotation_that_failed_can_be_tried_again(tmp_path: Path, code: int) -> None:
    """At each call once: StoreError or trouble, and the same log object goes on when the error is gone."""
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        files = FaultyFiles(error=code)
        clock = FakeClock()
        log = begin(folder, clock, files)
        files.calls.clear()
        files.at = at
        append_task(log, 0)
        clock.advance(86_400)
        tries = 0
        for step in (log.commit, lambda log=log: log.rotate(b"{}"), log.commit):
            try:
                step()
            except StoreError:
                tries += 1
                step()
            except FsyncError:
                break
        else:
            assert verify(folder).ok and log.head.seq == verify(folder).last_seq == 11
        log.close()
        go_on(folder, [])
        if not files.fired:
            assert tries == 0
            break
    assert at > 10


# -- writes ----------------------------------------------------------------------------------------------------------


def test_f53_short_writes_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole(fd, bytes(data[:7]), offset))
    acked: list[Head] = []
    life(Files(), tmp_path / "log", acked)
    monkeypatch.undo()
    go_on(tmp_path / "log", acked)


def failing_after(count: int, code: int, only_fd: Callable[[int], bool]) -> Callable[[int, bytes, int], int]:
    """A pwrite that puts *count* bytes on the disk and then fails, once."""
    whole, state = os.pwrite, {"left": count, "done": False}

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if state["done"] or not only_fd(fd):
            return whole(fd, data, offset)
        if state["left"] == 0:
            state["done"] = True
            raise OSError(code, os.strerror(code))
        written = whole(fd, bytes(data[: state["left"]]), offset)
        state["left"] -= written
        return written

    return pwrite


@pytest.mark.parametrize("count", [1, 100, 500, 1000])
def test_f53_a_write_that_fails_half_way_is_cut_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    log = begin(tmp_path, FakeClock())
    path = tmp_path / log.head.file
    before = path.read_bytes()
    append_task(log, 0)
    is_log = lambda fd: os.path.samestat(os.fstat(fd), path.stat())  # noqa: E731
    monkeypatch.setattr(os, "pwrite", failing_after(count, errno.ENOSPC, is_log))
    with pytest.raises(StoreError, match="No space left"):
        log.commit()
    assert path.read_bytes() == before
    assert log.head.seq == 1
    assert path.stat().st_blocks * 512 > 1 << 20 or not log.reserve_supported, "the reserve is asked for again"
    log.commit()
    assert log.head.seq == verify(tmp_path).last_seq == 10
    assert verify(tmp_path).ok


def test_f53_a_cut_back_that_fails_is_made_up_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(operation: str, path: StrPath | int) -> bool:
        return operation == "truncate"

    files = FaultyFiles(1, errno.EIO, only=bad)
    log = begin(tmp_path, FakeClock(), files)
    path = tmp_path / log.head.file
    log.append(BEAT)
    is_log = lambda fd: os.path.samestat(os.fstat(fd), path.stat())  # noqa: E731
    monkeypatch.setattr(os, "pwrite", failing_after(20, errno.ENOSPC, is_log))
    with pytest.raises(StoreError):
        log.commit()
    assert path.stat().st_size == log.head.offset + 20
    log.commit()
    assert log.head.seq == 2 and verify(tmp_path).ok


def test_f50_a_full_disk_at_the_reserve_is_reported_and_no_failure(tmp_path: Path) -> None:
    files = FaultyFiles(1, errno.ENOSPC, only=lambda name, path: name == "preallocate")
    log = begin(tmp_path, FakeClock(), files)
    assert not log.reserve_ok
    log.append(BEAT)
    log.commit()
    assert log.reserve_ok, "tried again at the next commit"


# -- syncs -----------------------------------------------------------------------------------------------------------


def test_f49_a_sync_that_fails_once_ends_it(tmp_path: Path) -> None:
    files = FaultyFiles(None, errno.EIO, only=lambda name, path: name == "fdatasync")
    log = begin(tmp_path, FakeClock(), files)
    promised = log.head
    files.calls.clear()
    files.at = 1
    append_task(log, 0)
    with pytest.raises(FsyncError):
        log.commit()
    assert log.head == promised == read_head(tmp_path)[0], "nothing is claimed"
    for step in (log.commit, lambda: log.append(BEAT), lambda: log.rotate(b"{}")):
        with pytest.raises(FsyncError, match="earlier sync"):
            step()
    assert len(files.calls) == 1, "it is not tried a second time"
    log.close()
    go_on(tmp_path, [promised])


def test_f49_a_failed_sync_of_a_new_days_name_ends_it(tmp_path: Path) -> None:
    clock = FakeClock()
    files = FaultyFiles(None, errno.EIO, only=lambda name, path: name == "fsync")
    log = begin(tmp_path, clock, files)
    for at in (1, 2, 3, 4):
        files.calls.clear()
        files.at, files.fired = at, False
        clock.advance(86_400)
        with pytest.raises(FsyncError):
            log.rotate(b"{}")
        with pytest.raises(FsyncError, match="earlier sync"):
            log.commit()
        files.at = None
        log.close()
        log = AuditLog.open(files, tmp_path, clock=clock)
    assert verify(tmp_path).ok


# -- processes -------------------------------------------------------------------------------------------------------

PRODUCER = """
import queue, sys, threading
from pathlib import Path
from deskhand.core.record import Draft
from deskhand.engine.clock import SystemClock
from deskhand.store.audit_log import AuditLog
from deskhand.store.files import Files

drafts = queue.Queue(64)
def produce(number):
    while True:
        drafts.put(Draft("desk.paused", {"reason": f"producer {number}", "actor": {"kind": "program", "via": "test"}}))
for number in range(4):
    threading.Thread(target=produce, args=(number,), daemon=True).start()
log = AuditLog.open(Files(), Path(sys.argv[1]), clock=SystemClock())
count = 0
while True:
    log.append(drafts.get())
    for _ in range(31):
        if drafts.empty():
            break
        log.append(drafts.get())
    log.commit()
    count += 1
    if count % 20 == 0:
        log.rotate(b"{}")
    sys.stdout.write(f"{log.head.seq} {log.head.hash}\\n")
    sys.stdout.flush()
"""


@pytest.mark.faults
def test_f68_sigkill_while_four_producers_append(tmp_path: Path) -> None:
    folder = tmp_path / "audit_logs"
    begin(folder, FakeClock()).close()
    chance = random.Random(68)
    for _ in range(15):
        process = subprocess.Popen(
            [sys.executable, "-c", PRODUCER, str(folder)], stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert process.stdout is not None
        acked = [process.stdout.readline() for _ in range(chance.randint(1, 120))]
        os.kill(process.pid, signal.SIGKILL)
        acked += [line for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        for line in (acked[0], acked[len(acked) // 2], acked[-1]):
            seq, digest = line.split()
            assert hash_at(folder, int(seq)) == digest
        result = verify(folder)
        assert result.ok, result.errors
        assert result.last_seq >= int(acked[-1].split()[0]) - 64
    AuditLog.open(Files(), folder, clock=FakeClock()).close()
    assert verify(folder).ok
