"""Handlers and people against the daemon: fault rows 54, 57, 61 and 62, and the three answers to a task in doubt."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import psutil
import pytest

from deskhand.core.log import NoLog
from deskhand.core.state import State
from deskhand.core.task import Options
from deskhand.engine.assemble import open_desk
from deskhand.engine.bell import Bell
from deskhand.errors import ExitCode
from deskhand.host import foreground
from deskhand.host.client import request
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock
from tests.support.fault_desk import FaultBench, renamed

pytestmark = pytest.mark.faults


def pid_in(path: Path) -> int:
    """The pid a script wrote, 0 before it did."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.endswith("\n") else 0


def ended(pid: int) -> bool:
    """Whether no such process runs."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def long_run(bench: FaultBench, name: str = "job", **more: object) -> int:
    """A daemon in the middle of a run that has a grandchild in a session of its own; that one's pid."""
    left = bench.root.parent / "left"
    bench.counting(name, f"env -i setsid sh -c 'echo $$ > {left}; exec sleep 300' & sleep 300", **more)
    bench.start()
    bench.drop("long.txt", route=name)
    return int(bench.until(lambda: pid_in(left), "the grandchild runs"))


# -- 54 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("idempotent", [True, False])
def test_f54_sigterm_ends_a_run_within_the_drain_limit(bench: FaultBench, idempotent: bool) -> None:
    bench.configure("run: {drain: 300ms}\n")
    grandchild = long_run(bench, idempotent=idempotent)
    begin = time.monotonic()
    (task,) = bench.stop_and_check()
    assert 0.3 <= time.monotonic() - begin < 10
    assert task.state is (State.RETRY if idempotent else State.IN_DOUBT)
    assert ended(grandchild)
    if idempotent:
        (retry,) = bench.of("task.retry", task)
        assert retry.fields["via"] == "drain", "it does not count against the attempts"
    bench.start()
    if idempotent:
        bench.until(lambda: bench.runs()[task.key] == 2, "it runs again")
    assert {bench.state(path.name.split(".")[0]) for path in bench.found("queue/*/*.task.json")} == (
        {State.STARTED} if idempotent else {State.IN_DOUBT}
    )
    assert bench.stop(timeout=15) == 0
    assert bench.check(runs=bench.runs())[0].attempt == (2 if idempotent else 1)


def test_f54_a_run_that_finishes_in_time_is_completed(bench: FaultBench) -> None:
    go = bench.root.parent / "go"
    bench.counting("job", f"while ! [ -e {go} ]; do sleep 0.01; done; echo made > $2/made")
    bench.start()
    bench.drop("long.txt", route="job")
    bench.wait_state("long.txt", State.STARTED)
    bench.until(lambda: bench.runs(), "it runs")
    daemon = bench.daemon
    assert daemon is not None
    daemon.send_signal(signal.SIGTERM)
    request(bench.desk, "ping", need_daemon=True)  # it has seen the signal when it answers
    late = bench.drop("late.txt")
    go.touch()
    assert daemon.wait(30) == 0
    (task,) = bench.check(runs=bench.runs())
    assert task.state is State.COMPLETED
    assert late.exists(), "nothing new is taken while it drains"


def test_f54_a_second_sigterm_ends_it_now(bench: FaultBench) -> None:
    bench.configure("run: {drain: 10m}\n")
    grandchild = long_run(bench, idempotent=True)
    daemon = bench.daemon
    assert daemon is not None
    daemon.send_signal(signal.SIGTERM)
    request(bench.desk, "ping", need_daemon=True)
    assert daemon.poll() is None, "the first one lets it finish"
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert ended(grandchild)
    (task,) = bench.check(runs=bench.runs())
    assert task.state is State.RETRY


def test_f54_a_signal_just_before_the_wait_ends_the_wait() -> None:
    """A select that begins a moment after the signal came is not interrupted by it."""
    bell, heard = Bell(), []

    class Deaf:
        """A daemon whose handler does not ring."""

        def stop(self, number: int, frame: object) -> None:
            heard.append(number)

    with foreground._signals(cast(foreground.Daemon, Deaf()), bell):
        os.kill(os.getpid(), signal.SIGTERM)
        assert bell.wait(10.0), "it was slept through"
    bell.close()
    assert heard == [signal.SIGTERM]


def test_f54_kill_9_leaves_no_process_and_an_honest_record(bench: FaultBench) -> None:
    grandchild = long_run(bench)
    bench.kill()
    bench.until(lambda: ended(grandchild), "the spawner ends what it started")
    bench.start()
    task = bench.wait_state("long.txt", State.IN_DOUBT)
    assert "the daemon ended during attempt 1" in (task.reason or "")
    bench.stop_and_check()
    assert bench.runs()[task.key] == 1


def test_f54_a_command_without_a_daemon_starts_nothing(bench: FaultBench) -> None:
    """It decides one thing and leaves: what it began would be cut off when it goes."""
    bench.counting("job", "sleep 300")
    bench.start()
    bench.drop("long.txt", route="job")
    bench.until(lambda: bench.runs(), "it runs")
    bench.ask()
    bench.kill()
    bench.start()
    task = bench.wait_state("long.txt", State.IN_DOUBT)
    bench.stop()
    bench.ok("task", "retry", task.key[-6:])
    other = bench.task("letter.txt")
    assert other is not None
    bench.ok("reject", other.key[-6:], "--reason", "no")
    assert [found.state for found in bench.check(runs=bench.runs())] == [State.RETRY, State.REJECTED]
    assert bench.runs()[task.key] == 1 == len(bench.of("task.started", task))


# -- 57 ----------------------------------------------------------------------------------------------------------------


def until_it_stays(bench: FaultBench, most: int) -> int:
    """Start the daemon until it survives its own tasks; how often it died."""
    for deaths in range(most):
        daemon = bench.start(wait=False)

        def over(daemon: subprocess.Popen[bytes] = daemon) -> bool:
            settled = all(task.terminal or task.state is State.IN_DOUBT for task in bench.tasks().values())
            return daemon.poll() is not None or bool(bench.tasks() and settled)

        bench.until(over, "it ends, or its task does")
        if daemon.poll() is None:
            bench.until(bench.answers, "the daemon answers")
            return deaths
        bench.daemon = None
    pytest.fail(f"it still dies after {most} starts")


@pytest.mark.parametrize("idempotent", [True, False])
def test_f57_a_handler_that_kills_the_daemon_ends_somewhere(bench: FaultBench, idempotent: bool) -> None:
    kill = f'kill -9 "$(cut -d" " -f1 {bench.desk.lock})"; sleep 300'
    bench.counting("killer", kill, idempotent=idempotent, retry={"attempts": 2, "backoff": "10ms"})
    bench.drop("deadly.txt", route="killer")
    deaths = until_it_stays(bench, 6)
    (task,) = bench.stop_and_check()
    assert task.state is (State.FAILED if idempotent else State.IN_DOUBT)
    assert deaths == (3 if idempotent else 1) == len(bench.of("task.started", task)) == bench.runs()[task.key]
    assert "the daemon ended during attempt" in (task.reason or "")


# -- 61 ----------------------------------------------------------------------------------------------------------------


def test_f61_low_priority_runs_within_the_ageing_bound(bench: FaultBench, wait_for: Callable[..., object]) -> None:
    """Forty drops of the highest priority wait, and for every one that is started a new one comes, for ever."""
    bench.configure("run: {workers: 1, ageing: 2s}\n")
    bench.counting("job", "true", priority=10)
    clock = FakeClock()
    begin, bound = clock.wall(), (10 - -10) * 2.0
    source = bench.source("drop.txt")
    arrivals: dict[str, float] = {}

    def drop(priority: int) -> str:
        suffix = "".join("abcdefghij"[int(digit)] for digit in f"{len(arrivals):06}")
        options = Options(recipe="job", priority=priority)
        found = submit(Files(), bench.desk, source, options, now=clock.wall(), suffix=suffix, limit=1000)
        arrivals[f"{found[:15]}-{suffix}"] = clock.wall()
        return f"{found[:15]}-{suffix}"

    started: list[str] = []
    with open_desk(bench.desk, NoLog(), ring=lambda: None, watch=False, clock=clock) as session:

        def one_more(count: int) -> bool:
            session.engine.tick()
            started.extend(session.parts.runs.keys() - set(started))
            return len(started) > count

        low = drop(-10)
        for _ in range(40):
            drop(10)
        while low not in started:
            assert clock.wall() < begin + 3 * bound, "it starves"
            drop(10)
            session.engine.scan_everything()
            wait_for(lambda count=len(started): one_more(count), timeout=20.0, what="one more is started")
            clock.advance(1.0)
    earlier = started[: started.index(low)]
    assert len(earlier) > 40, "priority counts"
    assert all(arrivals[key] <= begin + bound for key in earlier)
    bench.check(settled=False)


# -- 62 ----------------------------------------------------------------------------------------------------------------


def cancelled(bench: FaultBench, name: str, *more: str) -> None:
    """Cancel a task by command; it has to be cancelled when the command ends."""
    task = bench.task(name)
    assert task is not None
    bench.ok("task", "cancel", task.key[-6:], "--reason", "not needed", *more)
    after = bench.task(name)
    assert after is not None
    assert (after.state, after.reason) == (State.CANCELLED, "not needed")


def test_f62_cancel_before_it_runs(bench: FaultBench) -> None:
    bench.counting("job", "true")
    bench.start()
    bench.ask("waits.txt")
    bench.ok("drop", "--recipe", "job", "--not-before", "2099-01-01 00:00", bench.source("ready.txt"))
    bench.ok("drop", "--recipe", "job", "--after", "nothing", bench.source("blocked.txt"))
    bench.ok("drop", "--recipe", "nobody", bench.source("parked.txt"))
    for name, state in (("ready", State.READY), ("blocked", State.BLOCKED), ("parked", State.PARKED)):
        bench.wait_state(f"{name}.txt", state)
    for name in ("waits", "ready", "blocked", "parked"):
        cancelled(bench, f"{name}.txt")
    bench.until(lambda: len(bench.found("queue/rejected/*.task.json")) == 4, "all are in rejected/")
    bench.stop_and_check()
    assert bench.runs() == {} and bench.records("task.started") == []
    assert bench.found("queue/approvals/2*") == [] == bench.found("outbox/*")


@pytest.mark.parametrize("force", [True, False])
def test_f62_cancel_while_it_runs(bench: FaultBench, force: bool) -> None:
    grandchild = long_run(bench)
    begin = time.monotonic()
    cancelled(bench, "long.txt", *(["--force"] if force else []))
    assert time.monotonic() - begin < 10
    assert ended(grandchild)
    (task,) = bench.stop_and_check()
    assert (task.state, bench.runs()[task.key]) == (State.CANCELLED, 1)


def test_f62_cancel_of_a_run_that_does_not_listen(bench: FaultBench) -> None:
    bench.counting("deaf", "trap '' TERM INT HUP; while :; do sleep 0.05; done")
    bench.start()
    bench.drop("long.txt", route="deaf")
    bench.until(lambda: bench.runs(), "it runs")
    cancelled(bench, "long.txt")
    bench.stop_and_check()


def test_f62_cancel_after_it_is_over(bench: FaultBench) -> None:
    bench.start()
    bench.drop("first.txt")
    bench.wait_records("task.delivered")
    task = bench.task("first.txt")
    assert task is not None
    done = bench.command("task", "cancel", task.key[-6:])
    assert done.returncode == ExitCode.USAGE, done.stderr
    (after,) = bench.stop_and_check()
    assert after == task


# -- in doubt ----------------------------------------------------------------------------------------------------------

ANSWERS = {"again": State.COMPLETED, "happened": State.COMPLETED, "given-up": State.FAILED}


def test_the_three_answers_to_a_task_in_doubt_by_rename_and_by_command(bench: FaultBench) -> None:
    done = bench.root.parent / "cut"
    script = f'mark={done}-"$DESKHAND_IDEMPOTENCY_KEY"; [ -e "$mark" ] && exit 0; touch "$mark"; kill -9 $$'
    bench.counting("doubtful", script)
    bench.start()
    names = [f"{answer}-{how}.txt" for answer in ANSWERS for how in ("rename", "command")]
    for name in names:
        bench.drop(name, route="doubtful")
    requests = {name: bench.request(name) for name in names}
    keys = {name: bench.wait_state(name, State.IN_DOUBT).key for name in names}
    renamed(requests["again-rename.txt"], ".approved")
    bench.ok("task", "retry", keys["again-command.txt"][-6:])
    renamed(requests["happened-rename.txt"], ".happened")
    bench.ok("approve", "--yes", "--happened", keys["happened-command.txt"][-6:])
    renamed(requests["given-up-rename.txt"], ".rejected")
    bench.ok("reject", keys["given-up-command.txt"][-6:], "--reason", "let it be")
    for name in names:
        bench.wait_state(name, ANSWERS[name.rsplit("-", 1)[0]])
    bench.until(lambda: not bench.found("queue/approvals/2*"), "nothing is asked any more")
    states = {task.key: task for task in bench.stop_and_check()}
    for name, key in keys.items():
        again = name.startswith("again")
        assert bench.runs()[key] == (2 if again else 1) == len(bench.of("task.started", key)), name
        assert states[key].state is ANSWERS[name.rsplit("-", 1)[0]]
        (ending,) = [record for record in bench.of("", key) if record.fields.get("to") == states[key].state]
        if not again:
            assert ending.fields["actor"]["kind"] == "person", name
