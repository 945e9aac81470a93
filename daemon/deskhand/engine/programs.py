"""Running the program of a checklist's step: like a handler's, with its own process group, timeout and capped output.

The working folder is the desk.  Output goes to ``logs/checklists/``, never to the audit log.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from msgspec import Struct

from deskhand.core.checklist import Program, Step
from deskhand.core.settings import Run
from deskhand.errors import DeskhandError
from deskhand.handlers.attempt import Attempt, Ended
from deskhand.handlers.spawner import Spawner
from deskhand.store.desk import Desk
from deskhand.store.files import Files

OUTPUT_READ = 64 * 1024
"""Bytes of output, from its end, in which what is expected is looked for."""
KEPT = 200
"""Files of output that are kept."""
OURS = "deskhand"


class StepOutcome(Struct, frozen=True):
    """How a step came out."""

    state: str
    reason: str | None = None
    attempts: int | None = None
    exit: int | None = None
    output_bytes: int | None = None
    duration_s: float | None = None


class Programs:
    """Starts programs; thread-safe."""

    def __init__(self, files: Files, desk: Desk, spawner: Spawner, settings: Run, environ: Mapping[str, str]) -> None:
        self._files = files
        self._desk = desk
        self._spawner = spawner
        self._cap = settings.output_cap
        self._environment = {name: environ[name] for name in settings.environment if name in environ}
        self._environment |= {name: environ[name] for name in ("XDG_STATE_HOME",) if name in environ}
        self._folder = desk.logs / "checklists"

    def run(self, run_id: str, step: Step) -> Future[StepOutcome]:
        """Start the step's program; not for the deciding thread, because the spawner may have to be started.

        RunError or OSError when that fails.
        """
        self._files.make_folder(self._folder)
        self._tidy()
        self._spawner.start()
        promise: Future[StepOutcome] = Future()
        self._attempt(promise, run_id, step, 1)
        return promise

    def _attempt(self, promise: Future[StepOutcome], run_id: str, step: Step, number: int) -> None:
        assert isinstance(step.what, Program)
        log = self._folder / f"{run_id}.{step.id}.{number}.log"
        self._files.unlink(log)
        key = f"checklist.{run_id}.{step.id}.{number}"
        attempt = Attempt(
            key=key,
            argv=command_line(step.what),
            env={**self._environment, "DESKHAND_DESK": str(self._desk.root), "DESKHAND_CHECKLIST": key},
            cwd=self._desk.root,
            log=log,
            timeout=step.timeout,
            output_cap=self._cap,
        )

        def over(ended: Ended) -> None:
            try:
                outcome = judge(step, ended, _tail(log), number)
                if outcome.state == "fail" and number <= step.retry and ended.cut in (None, "timeout"):
                    self._attempt(promise, run_id, step, number + 1)
                    return
            except (OSError, DeskhandError) as error:
                outcome = StepOutcome("fail", f"its output cannot be read: {type(error).__name__}", number)
            promise.set_result(outcome)

        self._spawner.submit(attempt, over)

    def _tidy(self) -> None:
        """Remove the oldest output when there is much of it."""
        found = sorted(self._folder.glob("*.log"))
        for path in found[: max(0, len(found) - KEPT)]:
            self._files.unlink(path)


def command_line(program: Program) -> tuple[str, ...]:
    """What is started; `deskhand` is this very installation, whatever PATH says."""
    if program.argv[0] == OURS:
        return (sys.executable, "-m", OURS, *program.argv[1:])
    return program.argv


def judge(step: Step, ended: Ended, output: str, attempts: int) -> StepOutcome:
    """What the end of a program means for its step."""
    problem = _problem(step, ended, output)
    again = f" (attempt {attempts} of {step.retry + 1})" if attempts > 1 else ""
    return StepOutcome(
        state="ok" if problem is None else "fail",
        reason=None if problem is None else f"{problem}{again}",
        attempts=attempts,
        exit=ended.exit,
        output_bytes=ended.output_bytes,
        duration_s=round(ended.duration_s, 3),
    )


def _problem(step: Step, ended: Ended, output: str) -> str | None:
    expect = step.expect
    if ended.cut == "timeout":
        return f"took longer than {step.timeout:g} s"
    if ended.cut is not None:
        return "was stopped because the daemon ended" if ended.cut == "drain" else "was cut off"
    if ended.error is not None:
        return "could not be started"
    if ended.exit != expect.exit:
        how = f"signal {ended.signal}" if ended.exit is None else f"exit status {ended.exit}"
        return f"{how}, not exit status {expect.exit}"
    if expect.output is not None and re.search(expect.output, output) is None:
        return "the expected output is not there"
    return None


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - OUTPUT_READ))
            return stream.read(OUTPUT_READ).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
