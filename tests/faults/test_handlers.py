"""Handlers that misbehave, under the real daemon: fault row 56.

All of them run on one desk at the same time; what each left is looked at when the daemon has stopped and I1-I7 hold.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from deskhand.core.state import State
from deskhand.core.task import Task
from tests.support.fault_desk import FaultBench

pytestmark = pytest.mark.faults

CAP = 64 * 1024
"""Bytes of output that are kept here."""
HANDLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("exit 0", {}),
    "fails": ("echo sorry >&2; exit 3", {}),
    "crashes": ("ulimit -c 0; kill -SEGV $$", {}),
    "crashes-again": ("ulimit -c 0; kill -SEGV $$", {"idempotent": True, "retry": {"backoff": "10ms"}}),
    "hangs": ("trap '' TERM; while :; do sleep 0.05; done", {"timeout": "300ms"}),
    "leaves": ("env -i setsid sh -c 'echo $$ > LEFT; exec sleep 300' & while ! [ -s LEFT ]; do :; done", {}),
    "gigabyte": ("head -c 1G /dev/zero", {}),
    "deletes": ('rm -rf "$1" "$PWD"/*', {}),
    "scribbles": ('echo more >> "$1"; cp "$1" "$2"/changed', {"deliver": "outbox/{name}"}),
    "absent": ("exec no-such-program-anywhere", {}),
}


@dataclass(frozen=True)
class Ran:
    """A desk on which every handler has run."""

    bench: FaultBench
    tasks: dict[str, Task]

    def ending(self, name: str) -> dict[str, Any]:
        """Fields of the record that ended the last attempt."""
        (record,) = [each for each in self.bench.of("", self.tasks[name]) if each.seq == self.tasks[name].seq]
        return dict(record.fields)

    def log(self, name: str) -> bytes:
        """The task's log; empty when there is none."""
        return b"".join(path.read_bytes() for path in self.bench.found(f"queue/*/*-{name}-??????.log"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Every handler once, to the end."""
    bench = FaultBench(tmp_path_factory.mktemp("handlers"), f"run: {{workers: 4, output_cap: {CAP}}}\n")
    try:
        for name, (script, more) in HANDLERS.items():
            bench.counting(name, script.replace("LEFT", str(bench.root.parent / "left")), **more)
        bench.start()
        for name in HANDLERS:
            bench.drop(f"{name}.txt", route=name)

        def over() -> bool:
            tasks = bench.tasks().values()
            resting = [task for task in tasks if task.terminal or task.state is State.IN_DOUBT]
            return len(resting) == len(HANDLERS) and not any(task.undelivered for task in tasks)

        bench.until(over, "every task has ended or is in doubt", 60.0)
        tasks = {name: task for name in HANDLERS if (task := bench.task(f"{name}.txt")) is not None}
        bench.stop_and_check()
        yield Ran(bench, tasks)
    finally:
        bench.close()


def test_f56_every_payload_is_unchanged_and_every_run_is_on_record(ran: Ran) -> None:
    """Beside I1-I7, which were checked: the payloads hold what was dropped, and nothing ran without its record."""
    payloads = [path.read_bytes() for path in ran.bench.found("queue/*/*.in.txt")]
    assert payloads == [b"hello\n"] * len(HANDLERS)
    for name, task in ran.tasks.items():
        assert ran.bench.runs()[task.key] == task.attempt == len(ran.bench.of("task.started", task)), name


def test_f56_exit_0_without_output_is_completed(ran: Ran) -> None:
    assert ran.tasks["nothing"].state is State.COMPLETED
    assert (ran.ending("nothing").get("output_bytes", 0), ran.ending("nothing")["results"]) == (0, [])
    assert not ran.bench.found("queue/completed/*-nothing-??????.out")


def test_f56_a_failure_says_how_and_keeps_its_output(ran: Ran) -> None:
    assert (ran.tasks["fails"].state, ran.tasks["fails"].reason) == (State.FAILED, "exit status 3")
    assert b"sorry\n" in ran.log("fails")


def test_f56_a_program_that_is_not_there_has_failed(ran: Ran) -> None:
    assert (ran.tasks["absent"].state, ran.tasks["absent"].reason) == (State.FAILED, "exit status 127")


def test_f56_a_crash_that_must_not_be_repeated_is_in_doubt(ran: Ran) -> None:
    task = ran.tasks["crashes"]
    assert (task.state, task.attempt) == (State.IN_DOUBT, 1)
    assert task.reason == "it was ended by SIGSEGV"


def test_f56_a_crash_that_may_be_repeated_ends_as_failed(ran: Ran) -> None:
    task = ran.tasks["crashes-again"]
    assert (task.state, task.attempt) == (State.FAILED, 3)
    assert ran.ending("crashes-again")["exit"] == -signal.SIGSEGV


def test_f56_a_hanging_run_is_ended(ran: Ran) -> None:
    task = ran.tasks["hangs"]
    assert (task.state, task.attempt) == (State.IN_DOUBT, 1)
    assert task.reason == "it took longer than 0.3 s"


def test_f56_what_forks_and_leaves_is_ended_with_its_run(ran: Ran) -> None:
    assert ran.tasks["leaves"].state is State.COMPLETED
    pid = int((ran.bench.root.parent / "left").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_f56_a_gigabyte_of_output_is_counted_and_cut(ran: Ran) -> None:
    assert ran.tasks["gigabyte"].state is State.COMPLETED
    assert ran.ending("gigabyte")["output_bytes"] == 1 << 30
    assert CAP <= len(ran.log("gigabyte")) <= CAP + 200


def test_f56_deleting_everything_it_can_reach_deletes_a_copy(ran: Ran) -> None:
    assert ran.tasks["deletes"].state is State.COMPLETED
    (payload,) = ran.bench.found("queue/completed/*-deletes-??????.in.txt")
    assert payload.read_bytes() == b"hello\n"


def test_f56_writing_into_the_input_changes_a_copy(ran: Ran) -> None:
    assert ran.tasks["scribbles"].state is State.COMPLETED
    (payload,) = ran.bench.found("queue/completed/*-scribbles-??????.in.txt")
    (result,) = ran.bench.found("outbox/*")
    assert (payload.read_bytes(), result.read_bytes()) == (b"hello\n", b"hello\nmore\n")


def test_f56_no_attempt_left_a_working_folder(ran: Ran) -> None:
    assert [path for path in Path(ran.bench.desk.work).iterdir() if not path.name.startswith(".")] == []
