"""Start-up: from the log, and whatever a crash left in the folders, to folders that are the log's picture.

Old attempts are proved dead before this runs.  Every step only repeats what the log already says, so a crash during
recovery, however often, changes nothing.
"""

from __future__ import annotations

from collections import defaultdict

from deskhand.core.log import Log
from deskhand.core.names import OWN_PARTS, key_of, member
from deskhand.core.state import LIVE_FOLDERS, State
from deskhand.core.task import Task
from deskhand.engine.ledger import Ledger
from deskhand.engine.outcome import Finished
from deskhand.engine.outcomes import Outcomes
from deskhand.engine.placement import Placement
from deskhand.store.attempts import Attempts
from deskhand.store.desk import Desk
from deskhand.store.files import FsyncError
from deskhand.store.queue_folders import QueueFolders


class Recovery:
    """Run once, before the first tick."""

    def __init__(
        self,
        desk: Desk,
        ledger: Ledger,
        placement: Placement,
        folders: QueueFolders,
        attempts: Attempts,
        outcomes: Outcomes,
        log: Log,
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._placement = placement
        self._folders = folders
        self._attempts = attempts
        self._outcomes = outcomes
        self._log = log

    def run(self, now: float) -> int:
        """Put everything in order and decide about attempts that were cut off; the number of those."""
        self._adopt_files()
        self._finish_moves()
        for task in list(self._ledger.tasks.values()):
            if self._placement.knows(task.key):
                self._repair(task)
        for problem in self._attempts.discard_all():
            self._log.warning("what an attempt left cannot be removed", cause=problem)
        return self._cut_off(now)

    def _adopt_files(self) -> None:
        """Find the files of every task that is not over, and of those that ended but were not moved yet."""
        found: dict[str, list[str]] = defaultdict(list)
        for folder in LIVE_FOLDERS:
            for name in self._folders.names(folder):
                self._note(name, found)
        for name in self._folders.staged():
            self._note(name, found)
        for identifier, names in found.items():
            key = key_of(identifier)
            if key in self._ledger.tasks or key in self._ledger.ended:
                self._placement.adopt(identifier, tuple(sorted(set(names))))

    @staticmethod
    def _note(name: str, found: dict[str, list[str]]) -> None:
        part = member(name)
        if part is not None and part.part in OWN_PARTS:
            found[part.id].append(name)

    def _finish_moves(self) -> None:
        for key, task in list(self._ledger.ended.items()):
            if task.undelivered:
                continue
            if self._placement.knows(key) and not self._repair(task, ended=True):
                continue
            self._placement.forget(key)
            del self._ledger.ended[key]

    def _repair(self, task: Task, *, ended: bool = False) -> bool:
        """Put one task's files right.  What the disk refuses is tried again at the next full scan; False then."""
        try:
            self._placement.repair(task)
            if ended:
                self._placement.void_request(task.key)
        except FsyncError:
            raise
        except OSError as error:
            self._placement.behind.add(task.key)
            self._log.warning("files of a task cannot be moved yet", task=task.key, cause=str(error))
            return False
        return True

    def _cut_off(self, now: float) -> int:
        cut = [task for task in self._ledger.tasks.values() if task.state is State.STARTED]
        for task in cut:
            if not self._placement.knows(task.key):
                continue
            self._log.warning("an attempt was cut off", task=task.key, attempt=task.attempt)
            reason = f"the daemon ended during attempt {task.attempt}"
            self._outcomes.finished(Finished(task.key, task.attempt, "cut", reason), now)
        return len(cut)
