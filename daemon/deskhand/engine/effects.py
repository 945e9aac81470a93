"""What is done on disk and to handlers once decisions are durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from msgspec import Struct

from deskhand.core.log import Log
from deskhand.core.names import is_id, key_of
from deskhand.core.state import ASKING, State
from deskhand.core.task import Task
from deskhand.engine.ledger import Change, Ledger
from deskhand.engine.placement import Placement
from deskhand.engine.runs import Runs
from deskhand.store.files import FsyncError
from deskhand.store.seen import Seen

TROUBLE = frozenset({State.FAILED, State.QUARANTINED, State.LOST})
PASSING = frozenset({State.RECEIVED, State.READY, State.APPROVED, State.STARTED})
"""States on the way to the next one: told to whoever debugs."""
RECENT = 10
"""Finished tasks that are remembered for the status note."""


class Ended(Struct, frozen=True):
    """A task that is over."""

    id: str
    at: float
    """Epoch seconds."""
    recipe: str
    reason: str


class Effects:
    """Carries out a committed batch.  Every effect can be repeated; recovery does nothing else."""

    def __init__(
        self,
        ledger: Ledger,
        placement: Placement,
        runs: Runs,
        seen: Seen,
        log: Log,
        notify: Callable[[str, str], None],
    ) -> None:
        self._ledger = ledger
        self._placement = placement
        self._runs = runs
        self._seen = seen
        self._log = log
        self._notify = notify
        self.missing: dict[str, tuple[str, ...]] = {}
        """Key -> files of an unfinished task that are nowhere; the next tick decides about it."""
        self._held: set[str] = set()
        """Keys of attempts and deliveries that wait for their files."""
        self.completed: deque[Ended] = deque(maxlen=RECENT)
        """Newest first."""
        self.failed: deque[Ended] = deque(maxlen=RECENT)
        """Failed, quarantined or lost, newest first."""

    def carry_out(self, changes: Collection[Change]) -> None:
        """Begin with the attempts: programs run while the files of all other tasks are moved."""
        with self._runs.together():
            for change in changes:
                if change.attempt:
                    self._carry_out(change)
        for change in changes:
            if not change.attempt:
                self._carry_out(change)
        self._placement.tidy()
        completed = [(change.after.input_sha256, change.after.key) for change in changes if _completes(change)]
        if completed:
            self._seen.add(completed)

    def _carry_out(self, change: Change) -> None:
        """Move one task's files, then start its attempt or delivery."""
        self._tell(change)
        task = change.after
        if not (change.attempt and self._kept_at_once(task)):
            self.place(change)
            if change.attempt or task.undelivered:
                self._set_off(task)

    def _kept_at_once(self, task: Task) -> bool:
        """Make an attempt that takes no time and changes nothing now: its files are placed once, when it is over."""
        accepted = self._placement.staged(task.key)
        if accepted is None or task.state is not State.STARTED:
            return False
        return self._runs.keep(task, accepted.task_file, accepted.payload)

    def _set_off(self, task: Task) -> None:
        """Start an attempt or a delivery, as soon as the files are where it looks for them."""
        if task.key in self._placement.behind:
            self._held.add(task.key)
            return
        self._held.discard(task.key)
        if task.state is State.STARTED:
            self._runs.start(task, self._placement.identifier(task.key))
        elif task.undelivered:
            self._runs.deliver(task, self._placement.identifier(task.key))

    def place(self, change: Change) -> None:
        """Bring one task's files where its state says; what fails now is tried again."""
        task = change.after
        try:
            missing = self._placement.follow(change)
        except FsyncError:
            raise
        except OSError as error:
            self._placement.behind.add(task.key)
            self._log.warning("files of a task cannot be moved yet", task=task.key, cause=str(error))
            return
        self._settled(task, missing)

    def retry(self) -> None:
        """Try again what could not be moved."""
        for key in list(self._placement.behind):
            task = self._ledger.tasks.get(key) or self._ledger.ended.get(key)
            if task is None:
                self._placement.forget(key)
                continue
            try:
                missing = self._placement.repair(task)
            except FsyncError:
                raise
            except OSError as error:
                self._log.debug("still not possible", task=key, cause=str(error))
                continue
            self._placement.behind.discard(key)
            if key in self._held and not missing:
                self._set_off(task)
            self._settled(task, missing)

    def purge(self, key: str) -> None:
        """Remember no more of a finished task than the log does."""
        for over in (self.completed, self.failed):
            kept = [entry for entry in over if entry.id != key and not (is_id(entry.id) and key_of(entry.id) == key)]
            over.clear()
            over.extend(kept)
        self._seen.forget(key)

    def _settled(self, task: Task, missing: tuple[str, ...]) -> None:
        if task.terminal and not task.undelivered:
            self._placement.forget(task.key)
            self._ledger.ended.pop(task.key, None)
        elif missing:
            self.missing[task.key] = missing

    def _tell(self, change: Change) -> None:
        task = change.after
        if change.before is not None and change.before.state is task.state:
            return
        identifier = self._placement.identifier(task.key)
        recipe = "" if task.pin is None else task.pin.id
        if task.state in PASSING:
            self._log.debug(f"task {task.state}", task=identifier, recipe=recipe, reason=task.reason)
            return
        self._log.info(f"task {task.state}", task=identifier, recipe=recipe, reason=task.reason)
        ended = Ended(identifier, task.since, recipe, task.reason or "")
        if task.state in ASKING:
            self._notify("deskhand asks", f"{identifier} waits for your answer")
        elif task.state is State.COMPLETED:
            self.completed.appendleft(ended)
        elif task.state in TROUBLE:
            self.failed.appendleft(ended)
            self._notify(f"deskhand: task {task.state}", f"{identifier}: {task.reason or ''}")


def _completes(change: Change) -> bool:
    before = None if change.before is None else change.before.state
    return change.after.state is State.COMPLETED and before is not State.COMPLETED
