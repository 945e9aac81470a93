"""Proof that nothing of an earlier run is alive, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from deskhand.errors import RunError
from deskhand.handlers import orphans
from deskhand.handlers.orphans import Stranger, reap_run, reap_strangers

pytestmark = pytest.mark.slow
Start = Callable[..., subprocess.Popen[bytes]]
WaitFor = Callable[..., object]


@pytest.fixture
def log_id() -> str:
    """A desk that no other test knows."""
    return uuid4().hex


@pytest.fixture
def start(log_id: str, wait_for: WaitFor) -> Iterator[Start]:
    """``start(argv, run="old", desk=log_id, **env)``: a process that carries the marks."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*argv: str, run: str = "old", desk: str = log_id, **env: str) -> subprocess.Popen[bytes]:
        marks = {"PATH": os.environ["PATH"], "DESKHAND_LOG_ID": desk, "DESKHAND_RUN_ID": run}
        process = subprocess.Popen(argv or ("sleep", "300"), env={**marks, **env}, start_new_session=True)
        started.append(process)
        # A process that is just beginning shows no environment for a moment.
        wait_for(lambda: "DESKHAND_RUN_ID" in psutil.Process(process.pid).environ())
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_nothing_there_is_nothing_found(log_id: str) -> None:
    assert reap_strangers(log_id, "new") == []


def test_process_of_an_earlier_run_is_ended(start: Start, log_id: str) -> None:
    old = start(DESKHAND_ATTEMPT="a-1")
    assert reap_strangers(log_id, "new") == [Stranger(old.pid, "old", "a-1", killed=True)]
    assert old.wait(timeout=0) == -9


def test_own_run_and_other_desks_are_left_alone(start: Start, log_id: str) -> None:
    mine, other = start(run="new"), start(desk=uuid4().hex)
    assert reap_strangers(log_id, "new") == []
    assert (mine.poll(), other.poll()) == (None, None)


def test_run_of_its_own_is_ended_when_asked(start: Start, log_id: str) -> None:
    mine, older = start(run="new"), start(run="old")
    assert [stranger.pid for stranger in reap_run(log_id, "new")] == [mine.pid]
    assert older.poll() is None


def test_old_spawner_gets_the_time_to_end_by_itself(start: Start, log_id: str) -> None:
    dying = start("sleep", "0.2", DESKHAND_SPAWNER="1")
    assert reap_strangers(log_id, "new") == [Stranger(dying.pid, "old", None, killed=False)]
    assert dying.poll() == 0


def test_old_spawner_that_hangs_is_killed(start: Start, log_id: str) -> None:
    hanging = start(DESKHAND_SPAWNER="1")
    assert reap_strangers(log_id, "new", patience=0.05) == [Stranger(hanging.pid, "old", None, killed=True)]


def test_child_that_lost_the_mark_goes_with_its_parent(
    start: Start, log_id: str, tmp_path: Path, wait_for: Callable[..., object]
) -> None:
    note = tmp_path / "pid"
    start("sh", "-c", f"env -i setsid sh -c 'echo $$ > {note}; exec sleep 300' & wait")
    wait_for(lambda: note.exists() and note.read_text())
    reap_strangers(log_id, "new")
    pid = int(note.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_process_that_cannot_be_ended_is_an_error(start: Start, log_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    immortal = start()
    monkeypatch.setattr(psutil.Process, "kill", lambda process: None)
    monkeypatch.setattr(orphans, "KILLING", 0.05)
    with pytest.raises(RunError, match=f"still alive after SIGKILL: {immortal.pid}"):
        reap_strangers(log_id, "new")


def test_environment_that_cannot_be_read_is_not_ours(
    start: Start, log_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = start()

    def denied(process: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "environ", denied)
    assert reap_strangers(log_id, "new") == []
    assert foreign.poll() is None


def test_daemon_that_inherited_the_marks_does_not_end_itself_or_its_children(log_id: str) -> None:
    program = (
        "import subprocess; from deskhand.handlers.orphans import reap_strangers\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        f"print(reap_strangers({log_id!r}, 'new'), child.poll()); child.kill(); child.wait()"
    )
    env = {**os.environ, "DESKHAND_LOG_ID": log_id, "DESKHAND_RUN_ID": "old"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[] None\n"


@pytest.mark.skipif(sys.platform != "linux", reason="no mark there that stays")
def test_process_that_lost_every_variable_is_found_by_its_limit(log_id: str) -> None:
    marking = f"from deskhand.handlers import mark; mark.put_on({log_id!r}, 'old'); import os; "
    program = marking + "print('marked', flush=True); os.execvpe('sleep', ['sleep', '300'], {'PATH': os.defpath})"
    bare = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert bare.stdout is not None
        assert bare.stdout.readline() == b"marked\n"
        assert reap_strangers(uuid4().hex, "new") == []
        assert reap_strangers(log_id, "old") == []
        assert reap_strangers(log_id, "new") == [Stranger(bare.pid, "", None, killed=True)]
        assert bare.wait(timeout=5) == -9
    finally:
        bare.kill()
        bare.wait()
        assert bare.stdout is not None
        bare.stdout.close()
