"""Odd surroundings and disks that refuse: fault rows 48-50 at the engine, 64 and 65 with the real daemon."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.engine import assemble
from deskhand.engine.assemble import Session, open_desk
from deskhand.errors import ConfigError, ExitCode
from deskhand.store import together
from deskhand.store.files import Files, FsyncError, StrPath
from deskhand.testing.log import MemoryLog
from tests.support.fault_desk import FaultBench
from tests.support.namespace import SPACE, no_namespaces

pytestmark = pytest.mark.faults


# -- 65 ----------------------------------------------------------------------------------------------------------------

SHELL = ("sh", "-c")
SURROUNDINGS = {
    "umask": 'umask 0777; exec "$@"',
    "no-cwd": 'mkdir gone; cd gone; rmdir "$PWD"; exec "$@"',
    "no-zone": 'unset TZ; exec "$@"',
    "plain-locale": 'unset PYTHONUTF8; export LANG=C LC_ALL=C; exec "$@"',
    "odd-locale": 'unset PYTHONUTF8 LC_ALL; export LANG=xx_YY.nothing; exec "$@"',
    "no-streams": 'exec "$@" <&- >&- 2>&-',
    "no-home": 'unset HOME USER LOGNAME; exec "$@"',
}


@pytest.mark.parametrize("shell", [pytest.param(line, id=name) for name, line in SURROUNDINGS.items()])
def test_f65_it_works_in_odd_surroundings(
    bench: FaultBench, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench.counting("job", 'umask > "$2/umask"; printf "größer\\n"; cat "$1" > "$2/copy"')
    bench.start(*SHELL, shell, "sh")
    bench.drop("Zoë – Rechnung.txt", "größer\n".encode(), route="job")
    bench.drop("Brief an Zoë.txt", "Grüße\n".encode())
    bench.wait_records("task.delivered")
    both = [State.COMPLETED, State.COMPLETED]
    bench.until(lambda: [task.state for task in bench.tasks().values()] == both, "both are completed")
    assert len(bench.stop_and_check()) == 2
    (note,) = bench.found("vault/Notes/*.md")
    assert note.name == "Brief an Zoë.md"
    assert "Grüße" in note.read_text("utf-8")
    (copy,) = bench.found("queue/completed/*.out/copy")
    assert copy.read_text("utf-8") == "größer\n"
    assert "größer" in bench.wait_for("queue/completed/*.log").read_text("utf-8")
    ours = [path for path in [note, *bench.root.rglob("queue/**/*")] if not path.is_symlink()]
    assert [path for path in ours if not stat.S_IMODE(path.stat().st_mode) & 0o400] == [], "its owner can read it"
    kept = [path for path in bench.root.rglob("queue/**/2*") if not path.is_relative_to(bench.desk.staging)]
    assert [path for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077] == [], "nobody else can"


def test_f65_an_encoding_that_cannot_name_every_file_is_refused_at_the_start(bench: FaultBench) -> None:
    bench.environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    waiting = bench.drop("first.txt")
    done = bench.command("run", "--until-idle")
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "not UTF-8" in done.stderr and "PYTHONUTF8=1" in done.stderr
    assert waiting.exists()


@pytest.mark.parametrize("where", ["run", "status"])
def test_f65_without_a_place_it_says_why(bench: FaultBench, where: str, tmp_path: Path) -> None:
    """No desk is named, and the folder to begin the search in is gone."""
    line = f'mkdir gone; cd gone; rmdir "$PWD"; unset DESKHAND_DESK; exec "{sys.executable}" -m deskhand {where}'
    done = subprocess.run(
        [*SHELL, line], cwd=tmp_path, env=bench.environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, "Traceback" in done.stderr) == (ExitCode.USAGE, False), done.stderr
    assert "next:" in done.stderr


@pytest.mark.parametrize("zone", ["Nowhere/Land", ":/dev/null"])
def test_f65_a_time_zone_that_does_not_exist_is_no_reason_to_fail_silently(bench: FaultBench, zone: str) -> None:
    bench.environment["TZ"] = zone
    daemon = bench.start(wait=False)
    bench.until(lambda: daemon.poll() is not None or "ready" in bench.said(), "it is ready, or says why not")
    if daemon.poll() is None:
        bench.drop("first.txt")
        bench.wait_records("task.delivered")
        bench.stop_and_check()
    else:
        assert (daemon.returncode, "next:" in bench.said(), "Traceback" in bench.said()) == (
            ExitCode.USAGE,
            True,
            False,
        )


# -- 11 ----------------------------------------------------------------------------------------------------------------


def test_f11_a_queue_on_a_network_filesystem_is_refused_by_name(
    bench: FaultBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "is_remote", lambda path: "nfs4" if path == bench.desk.queue else None)
    waiting = bench.drop("first.txt")
    with (
        pytest.raises(ConfigError, match="queue/ is on nfs4"),
        open_desk(bench.desk, MemoryLog(), ring=lambda: None, watch=False),
    ):
        pytest.fail("it was opened")
    assert waiting.exists() and bench.records("daemon.started") == []


# -- 64 ----------------------------------------------------------------------------------------------------------------


def test_f64_a_closed_log_pipe_stops_nothing(bench: FaultBench) -> None:
    reader, writer = os.pipe()
    line = [sys.executable, "-m", "deskhand", "run"]
    bench.daemon = subprocess.Popen(line, env=bench.environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    (bench.root.parent / "daemon.out").touch()
    bench.until(bench.answers, "the daemon answers")
    os.close(reader)
    for name in ("first.txt", "second.txt"):
        bench.drop(name)
        bench.wait_state(name, State.COMPLETED)
    bench.wait_records("task.delivered", 2)
    bench.stop_and_check()


def test_f64_a_log_pipe_that_nobody_reads_stops_nothing(bench: FaultBench) -> None:
    """Whoever reads the daemon's lines is alive and does not read: the pipe is full from the beginning."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 512)
    os.set_blocking(writer, True)
    line = [sys.executable, "-m", "deskhand", "run"]
    bench.daemon = subprocess.Popen(line, env=bench.environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    (bench.root.parent / "daemon.out").touch()
    bench.until(bench.answers, "the daemon answers")
    for name in ("first.txt", "second.txt"):
        bench.drop(name)
        bench.wait_state(name, State.COMPLETED)
    bench.wait_records("task.delivered", 2)
    bench.stop_and_check()
    os.close(reader)
    os.close(writer)
    assert '"event":"stopped"' in (bench.desk.logs / "deskhand.log").read_text(), "the file has every line"


@pytest.mark.parametrize("when", ["at start", "later"])
def test_f64_a_log_folder_that_cannot_be_written_stops_nothing(bench: FaultBench, when: str) -> None:
    if when == "later":
        bench.start()
        bench.drop("first.txt")
        bench.wait_records("task.delivered")
        bench.stop()
    shutil.rmtree(bench.desk.logs, ignore_errors=True)
    bench.desk.logs.write_text("a file where the folder should be")
    bench.start()
    bench.drop("second.txt")
    bench.wait_state("second.txt", State.COMPLETED)
    bench.until(lambda: not any(task.undelivered for task in bench.tasks().values()), "it is delivered")
    bench.stop_and_check()
    assert bench.desk.logs.is_file()


@pytest.mark.skipif(no_namespaces(), reason="no user namespaces here")
def test_f64_a_log_disk_that_is_full_stops_nothing(bench: FaultBench) -> None:
    """A real one: a filesystem of one page for logs/, with a file in it that leaves no room."""
    bench.desk.logs.mkdir(exist_ok=True)
    full = 'mount -t tmpfs -o size=4k none logs; head -c 4096 /dev/zero > logs/filler; exec "$@"'
    bench.start(*SPACE, "--mount", "sh", "-c", f"cd {bench.root}; {full}", "sh")
    assert bench.daemon is not None
    seen = Path(f"/proc/{bench.daemon.pid}/root/{bench.desk.logs}")
    assert [(path.name, path.stat().st_size) for path in sorted(seen.iterdir()) if path.stat().st_size] == [
        ("filler", 4096)
    ]
    bench.drop("first.txt")
    bench.wait_state("first.txt", State.COMPLETED)
    (seen / "filler").unlink()
    bench.drop("second.txt")
    bench.wait_records("task.delivered", 2)
    bench.until(lambda: "lines_lost" in (seen / "deskhand.log").read_text(), "the log goes on, and says how many")
    bench.stop_and_check()


# -- 36 ----------------------------------------------------------------------------------------------------------------


def test_f36_an_inbox_that_is_a_link_is_refused_by_the_daemon_and_one_open_to_all_is_named(bench: FaultBench) -> None:
    bench.desk.inbox.chmod(0o777)
    bench.start()
    bench.until(lambda: "everybody may write" in bench.said(), "it is said")
    bench.drop("first.txt")
    bench.wait_records("task.delivered")
    assert "writable for everybody" in bench.command("doctor").stdout
    bench.stop_and_check()
    bench.desk.inbox.rename(bench.root.parent / "real")
    (bench.root.parent / "real/secret.txt").write_text("secret\n")
    bench.desk.inbox.symlink_to(bench.root.parent / "real")
    records = len(bench.records())
    done = bench.command("run", "--until-idle")
    assert (done.returncode, "is a symbolic link" in done.stderr, "next:" in done.stderr) == (
        ExitCode.USAGE,
        True,
        True,
    )
    assert (bench.root.parent / "real/secret.txt").exists() and len(bench.records("task.received")) == 1
    assert len(bench.records()) == records, "nothing is on record"


# -- 48-50: the engine over a disk that refuses ------------------------------------------------------------------------


class Refusing(Files):
    """A disk that refuses while told to: *code* for every call that *which* names."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.which: Callable[[str, str], bool] = lambda operation, path: True
        self.refused = 0

    def before(self, operation: str, path: StrPath | int) -> None:
        """Refuse, or let it happen."""
        if self.code is not None and self.which(operation, _path(path)):
            self.refused += 1
            raise OSError(self.code, os.strerror(self.code))


def _path(path: StrPath | int) -> str:
    return os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)


def in_the_log(operation: str, path: str) -> bool:
    """Writes to the audit log itself (not to its head, and no syncs)."""
    return operation == "pwrite" and path.endswith(".jsonl")


def that_needs_room(operation: str, path: str) -> bool:
    """Whatever a full disk refuses; what is reserved ahead for the log still fits."""
    takes = {"create", "copy", "write", "append", "preallocate", "make_folder", "mkdir"}
    return operation in takes and not path.endswith(".jsonl")


@pytest.fixture
def files() -> Refusing:
    """Refuses nothing yet."""
    return Refusing()


def settle(session: Session, wait_for: Callable[..., object], done: Callable[[], bool], what: str) -> None:
    """Tick, every time with a full scan, until *done*."""

    def turn() -> bool:
        session.engine.scan_everything()
        session.engine.tick()
        return done()

    wait_for(turn, timeout=30.0, what=what)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_f48_a_log_that_cannot_be_written_makes_everything_wait(
    bench: FaultBench, files: Refusing, code: int, wait_for: Callable[..., object]
) -> None:
    bench.counting("job", "true")
    log = MemoryLog()
    with open_desk(bench.desk, log, ring=lambda: None, watch=False, files=files) as session:
        session.engine.tick()
        bench.drop("first.txt", route="job")
        files.which, files.code = in_the_log, code
        before = len(bench.records())
        settle(session, wait_for, lambda: files.refused > 5, "the log was refused some times")
        assert len(bench.records()) == before, "nothing is on record"
        assert bench.runs() == {}, "and nothing was done"
        assert bench.found("queue/inbox/2*") == [], "not even moved"
        assert session.engine.status()["stuck"]
        assert log.events("error") == ["the audit log cannot be written; everything waits"], "said once"
        files.code = None
        settle(session, wait_for, lambda: bool(bench.found("queue/completed/*.task.json")), "it is completed")
        assert "the audit log can be written again" in log.events("info")
        settle(session, wait_for, lambda: session.engine.idle, "the desk is at rest")
    (task,) = bench.check(runs=bench.runs())
    assert (task.state, bench.runs()[task.key]) == (State.COMPLETED, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is")
def test_f50_on_a_full_disk_outcomes_still_fit_and_nothing_new_is_taken(
    bench: FaultBench, files: Refusing, wait_for: Callable[..., object]
) -> None:
    go = bench.root.parent / "go"
    bench.counting("job", f"while ! [ -e {go} ]; do sleep 0.01; done")
    log = MemoryLog()
    with open_desk(bench.desk, log, ring=lambda: None, watch=False, files=files) as session:
        bench.drop("first.txt", route="job")
        settle(session, wait_for, lambda: bool(bench.runs()), "it runs")
        files.which, files.code = that_needs_room, errno.ENOSPC
        late = bench.drop("late.txt", route="job")
        go.touch()
        settle(session, wait_for, lambda: bool(bench.records("task.completed")), "its end is on record")
        settle(session, wait_for, lambda: files.refused > 1, "the late drop was refused more than once")
        assert len(bench.records("task.received")) == 1
        assert late.exists() or bench.found("queue/.staging/claimed/**/late.txt"), "it is not lost"
        files.code = None
        settle(session, wait_for, lambda: len(bench.records("task.completed")) == 2, "both are completed")
        settle(session, wait_for, lambda: session.engine.idle, "the desk is at rest")
    tasks = bench.check(runs=bench.runs())
    assert [bench.runs()[task.key] for task in tasks] == [1, 1]


def work_until_it_ends(bench: FaultBench, files: Refusing, wait_for: Callable[..., object]) -> None:
    """Take a drop through the engine on a disk that fails from then on; it has to raise."""
    with open_desk(bench.desk, MemoryLog(), ring=lambda: None, watch=False, files=files) as session:
        session.engine.tick()
        files.code = errno.EIO
        bench.drop("first.txt", route="job")
        settle(session, wait_for, lambda: bool(bench.records("task.delivered")), "it is delivered")


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is")
@pytest.mark.parametrize("at", range(1, 4))
def test_f49_a_failed_sync_ends_the_daemon_with_nothing_false_on_record(
    bench: FaultBench, files: Refusing, at: int, wait_for: Callable[..., object]
) -> None:
    """The log's *at*-th sync after the drop fails once; whatever comes next must not be acted on."""
    bench.counting("job", "echo made > $2/made", deliver="outbox/{name}")
    syncs: list[int] = []

    def nth_sync(operation: str, path: str) -> bool:
        if files.code is not None and operation == "fdatasync" and path.endswith(".jsonl"):
            syncs.append(len(syncs) + 1)
        return operation == "fdatasync" and syncs[-1:] == [at]

    files.which = nth_sync
    with pytest.raises(FsyncError):
        work_until_it_ends(bench, files, wait_for)
    assert len(syncs) == at, "no sync was tried after the one that failed"
    started = len(bench.records("task.started"))
    assert sum(bench.runs().values()) <= started <= 1
    bench.check(runs=bench.runs(), settled=False)
    bench.start()
    bench.wait_records("task.received")
    bench.until(
        lambda: all(t.state is State.IN_DOUBT or (t.terminal and not t.undelivered) for t in bench.tasks().values()),
        "it is over, or a person is asked",
    )
    (task,) = bench.stop_and_check()
    assert bench.runs()[task.key] <= 1, "and never twice"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is")
@pytest.mark.parametrize("sync", ["syncfs", "fsync"])
def test_f49_a_failed_sync_of_a_payload_ends_the_daemon_before_the_drop_is_on_record(
    bench: FaultBench, files: Refusing, wait_for: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sync: str
) -> None:
    monkeypatch.setattr(together, "_reports", lambda folder: sync == "syncfs")
    monkeypatch.setattr(together, "ALONE", 0)
    bench.counting("job", "true", deliver="outbox/{name}")
    files.which = lambda operation, path: operation == sync and (sync == "syncfs" or path.endswith("first.txt"))
    with pytest.raises(FsyncError):
        work_until_it_ends(bench, files, wait_for)
    assert bench.records("task.received") == []
    bench.start()
    bench.wait_records("task.delivered")
    (task,) = bench.stop_and_check()
    assert (task.state, bench.runs()[task.key]) == (State.COMPLETED, 1)
