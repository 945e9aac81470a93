"""What happens on a desk in a campaign: what is dropped, what runs, what the person answers, how it has to end."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deskhand.core.record import Actor
from deskhand.core.state import State
from deskhand.core.task import Task, TaskFile
from deskhand.engine.assemble import Session
from deskhand.engine.commands import Command, Commands
from deskhand.handlers.attempt import Attempt, Ended, Reason
from deskhand.testing.clock import FakeClock
from deskhand.testing.lossy_files import LossyFiles

RESTING = frozenset({State.WAITING, State.IN_DOUBT, State.PARKED, State.BLOCKED})
"""States in which a task waits for somebody."""
PERSON = Actor(kind="person", via="command", uid=0)
Verdicts = Mapping[State, str]


class Instant:
    """In place of the spawner: what runs is over before ``submit`` returns, and every run is counted."""

    runs: Path
    """Folder with one file per task, one byte longer after each run."""
    disk: LossyFiles | None = None
    """The disk that has to be told of what was written to it and not synced."""
    plan: Sequence[str] = ("ok",)
    """How the first run ends, the second ...: `ok`, `failed` or `cut`; the last one is repeated."""

    alive = True

    def __init__(self, log_id: str, run: str) -> None:
        """As the real one."""

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, attempt: Attempt, on_end: Callable[[Ended], None]) -> None:
        """Run it."""
        count = self.runs / attempt.key.rpartition("-")[0]
        with count.open("ab") as file:
            file.write(b"x")
            number = file.tell()
        result = Path(attempt.cwd, "out", "result.txt")
        result.write_bytes(b"the result\n")
        if self.disk is not None:
            self.disk.unsynced(result)
        Path(attempt.log).write_bytes(f"run {number}\n".encode())
        match self.plan[min(number, len(self.plan)) - 1]:
            case "ok":
                on_end(Ended(exit=0))
            case "failed":
                on_end(Ended(exit=1))
            case _:
                on_end(Ended(cut="spawner", error="it was cut off"))

    def together(self) -> AbstractContextManager[None]:
        """Nothing is handed over."""
        return nullcontext()

    def kill(self, key: str, reason: Reason, *, force: bool = False) -> None:
        """Too late."""

    def close(self) -> None:
        """Nothing to close."""

    @classmethod
    def counted(cls) -> dict[str, int]:
        """Task key -> runs."""
        return {path.name: path.stat().st_size for path in cls.runs.iterdir()}


@dataclass(frozen=True)
class Scenario:
    """What happens on a desk, and how it has to end."""

    name: str
    drops: Mapping[str, bytes]
    """Path in `watch_inbox/` -> content; put there before the first life."""
    ends: Mapping[str, frozenset[State]]
    """Name of each drop -> the states it may end in."""
    delivered: Mapping[str, tuple[bytes, int, int]] = field(default_factory=dict)
    """Glob in the desk -> content, least and greatest number of files that must match in the end."""
    answers: Verdicts = field(default_factory=dict)
    """What the person does with a request, by state of the task: the ending of the new name, or `cancel`."""
    meddles: Callable[[Session, Task, Path], None] | None = None
    """What somebody does to a task and its request, once, when it is asked about for the first time."""
    plan: Sequence[str] = ("ok",)
    start: float | None = None
    """Wall time (epoch seconds) at which the first life begins; None = now."""
    late: Mapping[str, bytes] = field(default_factory=dict)
    """Dropped when everything before is over and the clock has passed *late_at*."""
    late_at: float = 0.0
    """Seconds after the start."""
    since: str = ""
    """Part of the first call that other scenarios do not have as well: the points begin there."""
    handed: bool = False
    """The drops are handed in as a command does it, with the recipe that their folder names."""
    linked: bool = False
    """The drops have a second name elsewhere, so they are copied, not moved."""
    together: bool = True
    """Drops are made durable with one sync of the filesystem, not one by one."""


class Person:
    """Answers requests, and drops what comes late."""

    def __init__(
        self, scenario: Scenario, session: Session, start: float, drop: Callable[[Mapping[str, bytes]], None]
    ) -> None:
        """*start*: wall time at which the first life began; *drop* drops files."""
        self._drop = drop
        self._scenario = scenario
        self._session = session
        self._start = start
        self._commands = Commands(session.engine)
        self._meddled: set[str] = set()

    def act(self, clock: FakeClock) -> None:
        """Answer what stands in approvals/ by renaming; drop the late files when it is time."""
        approvals = self._session.desk.approvals
        acted = False
        for task in self._tasks():
            ending = self._scenario.answers.get(task.state)
            request = approvals / f"{self._session.parts.placement.identifier(task.key)}.json"
            if self._scenario.meddles is not None and request.exists() and task.key not in self._meddled:
                self._meddled.add(task.key)
                self._scenario.meddles(self._session, task, request)
                acted = True
                continue
            if ending == "cancel":
                self._commands.carry_out(Command("cancel", PERSON, {"key": task.key}), clock.wall())
            elif ending is not None and request.exists():
                request.rename(f"{request}.{ending}")
                acted = True
            elif ending is None and task.state in RESTING and not self._may_end_as(task):
                due = self._session.engine.next_time()  # nobody answers: the question expires
                clock.advance(0.0 if due is None else max(0.0, due - clock.wall()))
        if self._scenario.late and self._over() and not self._was_dropped():
            if clock.wall() < self._start + self._scenario.late_at:
                clock.advance(self._start + self._scenario.late_at - clock.wall())
            self._drop(self._scenario.late)
            acted = True
        if acted:
            # Fake time passes faster than the folder's time stamp: a second change must not look like the first.
            os.utime(approvals)
            self._session.parts.gestures._seen = -1
            self._session.parts.notice.give_quietly()

    def _over(self) -> bool:
        session = self._session
        return session.engine.idle and not session.parts.placement.behind and all(map(self._rests, self._tasks()))

    def _tasks(self) -> list[Task]:
        return list(self._session.engine.ledger.tasks.values())

    def _rests(self, task: Task) -> bool:
        """Whether nothing more is going to happen to it."""
        asks = task.state in self._scenario.answers or (self._scenario.meddles and task.key not in self._meddled)
        return task.state in RESTING and not asks and self._may_end_as(task)

    def _may_end_as(self, task: Task) -> bool:
        return any(task.state in ends for ends in self._scenario.ends.values())

    def _was_dropped(self) -> bool:
        names = {Path(name).name for name in self._scenario.late}
        return any(path.name in names for path in self._session.desk.root.rglob("*")) or any(
            msgspec.json.decode(path.read_bytes(), type=TaskFile).name in names
            for path in self._session.desk.queue.rglob("*.task.json")
        )

    def content(self) -> bool:
        """Whether everything the scenario wants has come to an end."""
        return self._over() and (not self._scenario.late or self._was_dropped())
