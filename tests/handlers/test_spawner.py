"""The spawner with real processes: how ends are reported, that nothing is left behind, what happens when it dies."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from deskhand.errors import RunError
from deskhand.handlers.attempt import Attempt, Ended
from deskhand.handlers.spawner import Spawner
from deskhand.handlers.spawner_link import PROGRAM, TOGETHER, Link

if TYPE_CHECKING:
    from tests.handlers.conftest import Runner

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]


def gone(pid: int) -> bool:
    """Whether no such process runs."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# -- how it ended ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 7, 127, 255])
def test_exit_status_is_reported(runner: Runner, status: int) -> None:
    ended = runner.run("sh", "-c", f"exit {status}")
    assert (ended.exit, ended.signal, ended.cut, ended.error) == (status, None, None, None)
    assert ended.ok == (status == 0)
    assert ended.duration_s > 0
    assert ended.memory_bytes > 0


def test_signal_is_reported(runner: Runner) -> None:
    ended = runner.run("sh", "-c", "kill -SEGV $$")
    assert (ended.exit, ended.signal, ended.cut) == (None, signal.SIGSEGV, None)


def test_missing_program_is_an_error_and_no_exit_status(runner: Runner) -> None:
    ended = runner.run("no-such-program")
    assert (ended.exit, ended.signal, ended.cut) == (None, None, None)
    assert ended.error == "cannot start no-such-program: No such file or directory"
    assert not ended.ok


def test_file_that_is_no_program_is_an_error(runner: Runner) -> None:
    plain = runner.folder / "plain"
    plain.write_text("not a program")
    assert runner.run(str(plain)).error == f"cannot start {plain}: Permission denied"
    plain.chmod(0o700)
    assert runner.run(str(plain)).error == f"cannot start {plain}: Exec format error"


def test_missing_folder_is_an_error(runner: Runner) -> None:
    nowhere = runner.folder / "nowhere"
    assert runner.run("true", cwd=nowhere).error == f"cannot enter {nowhere}: No such file or directory"


def test_nul_in_an_argument_is_an_error(runner: Runner) -> None:
    assert runner.run("echo", "a\0b").error == "cannot start echo: embedded null byte"


def test_argument_list_that_is_too_long_is_an_error(runner: Runner) -> None:
    assert runner.run("echo", "x" * 200_000).error == "cannot start echo: Argument list too long"


def test_timeout_cuts_it_off(runner: Runner) -> None:
    ended = runner.run("sleep", "60", timeout=0.05)
    assert (ended.exit, ended.signal, ended.cut) == (None, signal.SIGTERM, "timeout")
    assert 0.05 <= ended.duration_s < 2


@pytest.mark.parametrize("reason", ["cancel", "drain"])
def test_kill_says_why_and_keeps_the_exit_status(runner: Runner, reason: str, wait_for: Callable[..., object]) -> None:
    key, ends = runner.submit("sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")
    wait_for(runner.log.exists)
    runner.spawner.kill(key, reason)  # type: ignore[arg-type]
    ended = ends.get(timeout=10)
    assert (ended.exit, ended.cut, ended.ok) == (9, reason, False)


def test_forced_kill_does_not_ask(runner: Runner, wait_for: Callable[..., object]) -> None:
    key, ends = runner.submit("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done")
    wait_for(runner.log.exists)
    runner.spawner.kill(key, "cancel")
    runner.spawner.kill(key, "drain", force=True)
    ended = ends.get(timeout=1.5)
    assert (ended.signal, ended.cut) == (signal.SIGKILL, "cancel"), "the first reason is the one that counts"


def test_kill_of_what_does_not_run_is_nothing(runner: Runner) -> None:
    runner.spawner.kill("20261120-200000-bbbbbb-1", "cancel", force=True)
    assert runner.run("true").ok


def test_program_that_stops_itself_still_times_out(runner: Runner) -> None:
    ended = runner.run("sh", "-c", "kill -STOP $$", timeout=0.05)
    assert (ended.cut, ended.signal) == ("timeout", signal.SIGTERM)


# -- nothing left ------------------------------------------------------------------------------------------------------


def test_what_a_handler_leaves_behind_is_killed_before_the_report(runner: Runner) -> None:
    # Double fork, new session, cleared environment: no mark, no group, no parent leads to it but the keeper.
    leaver = "env -i setsid sh -c 'echo $$ > leaver; exec sleep 300'"
    script = f"({leaver} > /dev/null 2>&1 &) & while ! [ -s leaver ]; do :; done"
    assert runner.run("sh", "-c", script).ok
    assert gone(int((runner.folder / "leaver").read_text()))


def test_leftovers_of_one_attempt_do_not_touch_another(runner: Runner, wait_for: Callable[..., object]) -> None:
    helper = runner.folder / "helper"
    key, ends = runner.submit("sh", "-c", "(env -i setsid sh -c 'echo $$ > helper; exec sleep 300' &); sleep 300")
    wait_for(lambda: helper.exists() and helper.read_text())
    assert runner.run("sh", "-c", "(setsid sleep 300 &)").ok
    assert not gone(int(helper.read_text())), "what a running attempt has in the background is its own business"
    assert ends.empty()
    runner.spawner.kill(key, "cancel", force=True)
    assert ends.get(timeout=5).cut == "cancel"


def test_cpu_time_of_leftovers_counts(runner: Runner) -> None:
    work = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo > done; sleep 300"
    ended = runner.run("sh", "-c", f"(setsid sh -c '{work}' &); while ! [ -e done ]; do sleep 0.01; done")
    assert ended.cpu_s > 0.05


def test_close_kills_what_runs_and_reports_it(runner: Runner, wait_for: Callable[..., object]) -> None:
    _, ends = runner.submit("sh", "-c", "(setsid sleep 300 &); echo ready; trap '' TERM; sleep 300")
    wait_for(runner.log.exists)
    runner.spawner.close()
    ended = ends.get(timeout=0)
    assert (ended.cut, ended.signal, ended.error) == ("drain", signal.SIGKILL, None)
    assert not runner.spawner.alive
    assert runner.processes() == []


# -- the spawner itself ------------------------------------------------------------------------------------------------


def test_death_of_the_spawner_ends_every_attempt_and_it_can_be_started_again(
    runner: Runner, wait_for: Callable[..., object]
) -> None:
    _, ends = runner.submit("sh", "-c", "(setsid sleep 300 &); echo ready; sleep 300")
    _, more = runner.submit("sleep", "300")
    wait_for(runner.log.exists)
    assert runner.spawner.pid is not None
    os.kill(runner.spawner.pid, signal.SIGKILL)
    assert ends.get(timeout=10) == Ended(cut="spawner", error="the spawner died")
    assert more.get(timeout=10).cut == "spawner"
    assert not runner.spawner.alive
    assert runner.processes() == []
    with pytest.raises(RunError, match="the spawner is not running"):
        runner.run("true")
    runner.spawner.start()
    assert runner.run("true").ok


def test_death_of_a_keeper_is_reported_and_its_attempt_does_not_survive(runner: Runner) -> None:
    leaver = "setsid sh -c 'echo $$ > leaver; exec sleep 300'"
    script = f"({leaver} &); while ! [ -s leaver ]; do :; done; kill -9 $PPID; sleep 300"
    ended = runner.run("sh", "-c", script)
    assert (ended.exit, ended.cut) == (None, "spawner")
    assert ended.error == "the process that watched over the attempt died"
    assert gone(int((runner.folder / "leaver").read_text()))
    assert runner.run("true").ok, "the others go on"


def test_many_at_once(runner: Runner) -> None:
    all_ends = [runner.submit("true")[1] for _ in range(100)]
    assert all(ends.get(timeout=20).ok for ends in all_ends)


def test_from_many_threads_every_end_comes_exactly_once(runner: Runner) -> None:
    ends: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work(name: str) -> None:
        for number in range(10):
            key = f"{name}-{number}"
            attempt = Attempt(key, ("true",), PATH, runner.folder, runner.log, 20.0, 0)
            runner.spawner.submit(attempt, lambda ended, key=key: ends.put(key))  # type: ignore[misc]

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [ends.get(timeout=10) for _ in range(40)]
    runner.spawner.close()
    assert sorted(got) == sorted(f"{name}-{number}" for name in "abcd" for number in range(10))
    assert ends.empty()


def test_callback_may_submit_the_next_one(runner: Runner) -> None:
    ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
    attempts = [Attempt(f"k-{n}", ("true",), PATH, runner.folder, runner.log, 20.0, 0) for n in range(2)]

    def then(ended: Ended) -> None:
        runner.spawner.kill("k-0", "cancel")
        runner.spawner.submit(attempts[1], ends.put)

    runner.spawner.submit(attempts[0], then)
    assert ends.get(timeout=10).ok


def test_what_is_submitted_together_is_handed_over_at_the_end(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[int] = []
    flush = Link.flush

    def noted(self: Link) -> None:
        handed.append(self._unsent.count(b"\n"))
        flush(self)

    monkeypatch.setattr(Link, "flush", noted)
    with runner.spawner.together():
        ends = [runner.submit("true")[1] for _ in range(3)]
        assert handed == []
    assert [each.get(timeout=20).exit for each in ends] == [0, 0, 0]
    assert runner.run("true").ok
    assert handed == [3, 1]


def test_order_that_waits_for_others_goes_before_the_word_that_it_is_to_stop(runner: Runner) -> None:
    with runner.spawner.together():
        key, ends = runner.submit("sleep", "60")
        runner.spawner.kill(key, "cancel")
        assert ends.get(timeout=20).cut == "cancel"


def test_orders_do_not_wait_for_many_others() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(subprocess.Popen(["true"]), ours)
        link.send({"start": "x" * 100}, later=True)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(TOGETHER)
        link.send({"start": "y" * TOGETHER}, later=True)
        assert theirs.recv(3 * TOGETHER).count(b"\n") == 2
        link.process.wait()


def test_same_key_twice_is_refused(runner: Runner) -> None:
    attempt = Attempt("k", ("sleep", "300"), PATH, runner.folder, runner.log, 20.0, 0)
    runner.spawner.submit(attempt, lambda ended: None)
    with pytest.raises(RunError, match="k is running already"):
        runner.spawner.submit(attempt, lambda ended: None)


def test_no_program_at_all_is_refused(runner: Runner) -> None:
    with pytest.raises(RunError, match="has no program"):
        runner.submit()


def test_closed_is_refused_and_closing_twice_is_nothing(runner: Runner) -> None:
    runner.spawner.close()
    runner.spawner.close()
    with pytest.raises(RunError, match="the spawner is not running"):
        runner.submit("true")


def test_interpreter_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(RunError, match="start the spawner: /no/such/python: No such file"):
        Spawner("log", "run").start()


def test_program_that_is_no_spawner_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    spawner = Spawner("log", "run")
    with pytest.raises(RunError, match="it ended or did not answer"):
        spawner.start()
    assert not spawner.alive


def test_windows_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(RunError, match="not supported on Windows yet"):
        Spawner("log", "run").start()


def test_spawner_is_small() -> None:
    """Every page it touches is copied for each attempt; a heavy import here costs all of them."""
    load = f"import sys; sys.argv = ['x']; sys.path.append({str(PROGRAM.parents[2])!r}); "
    modules = subprocess.run(
        [sys.executable, "-I", "-S", "-c", load + "import deskhand.handlers.spawner_main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = {name for name in modules if name.startswith("deskhand")}
    parts = {"capture", "descendants", "keeper", "kept", "launch", "lines", "mark", "spawner_main"}
    assert ours == {"deskhand", "deskhand.handlers", *(f"deskhand.handlers.{part}" for part in parts)}
    assert not {"msgspec", "psutil", "subprocess", "threading", "socket", "pathlib", "logging"} & set(modules)


@pytest.mark.slow  # it measures the machine, which other tests keep busy
def test_a_run_is_quick(runner: Runner) -> None:
    def seconds() -> float:
        began = time.perf_counter()
        assert runner.run("true").ok
        return time.perf_counter() - began

    # The best of many: other work on the machine may slow down any of them, but not all.
    assert min(seconds() for _ in range(30)) < 0.010
