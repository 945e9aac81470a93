"""Start-up: from the log, and whatever a crash left in the folders, to folders that are the log's picture.

Old attempts are proved dead before this runs.  Every step only repeats what the log already says, so a crash during
recovery, however often, changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from deskhand.core.log import Log
from deskhand.core.names import OWN_PARTS, Part, key_of, member
from deskhand.core.state import ASKING, LIVE_FOLDERS, State, place_of
from deskhand.core.task import Task
from deskhand.engine.ledger import Ledger
from deskhand.engine.outcome import Finished
from deskhand.engine.outcomes import Outcomes
from deskhand.engine.placement import TERMINAL_FOLDERS, Placement
from deskhand.store.attempts import Attempts
from deskhand.store.desk import Desk
from deskhand.store.files import FsyncError
from deskhand.store.queue_folders import QueueFolders


class Recovery:
    """Run once, before the first tick.  *reunite*: see ``store.recover``."""

    def __init__(
        self,
        desk: Desk,
        ledger: Ledger,
        placement: Placement,
        folders: QueueFolders,
        attempts: Attempts,
        outcomes: Outcomes,
        log: Log,
        reunite: Callable[[Mapping[str, str]], list[tuple[str, str]]],
        later: Callable[[Finished], None],
    ) -> None:
        """*later* takes a report about which nothing could be decided now."""
        self._desk = desk
        self._ledger = ledger
        self._placement = placement
        self._folders = folders
        self._attempts = attempts
        self._outcomes = outcomes
        self._log = log
        self._reunite = reunite
        self._later = later
        self._in_place: Counter[str] = Counter()
        """Key -> its files that stand in the folder of its state."""
        self._leftover: set[str] = set()
        """Keys of tasks of which a request, or an answer, stands in approvals/ although nothing is asked."""

    def run(self, now: float) -> int:
        """Put everything in order and decide about attempts that were cut off; the number of those."""
        self._adopt_files()
        self._placement.sort_out_requests(self._digest)
        self._finish_moves()
        for key in list(self._ledger.tasks):
            in_place = self._in_place[key] == self._placement.count(key)
            if self._placement.knows(key) and not (in_place and self._nothing_asked(key)):
                self._repair(self._ledger.tasks[key], in_place=in_place)
        for problem in self._attempts.discard_all():
            self._log.warning("what an attempt left cannot be removed", cause=problem)
        return self._cut_off(now)

    def _adopt_files(self) -> None:
        """Find the files of every task that is not over, and of those that ended but were not moved yet."""
        for folder in LIVE_FOLDERS:
            for name in self._folders.names(folder):
                self._note(folder, name)
        for name in self._folders.staged():
            self._note("", name)
        for identifier, name in self._reunite(self._apart()):
            part = member(name)
            if part is not None:
                self._placement.found(key_of(identifier), part)

    def _apart(self) -> dict[str, str]:
        """Tasks on record whose input may still lie where it was claimed: ids, and hashes of their task files.

        An input that is nowhere is expected under its name all the same, so that its task is found to be lost.
        """
        if not self._folders.holds_claims():
            return {}
        for folder in TERMINAL_FOLDERS:  # a task may be over, its description in its last place, and its input not yet
            for name in self._folders.names(folder):
                part = member(name)
                key = "" if part is None else key_of(part.id)
                if part is not None and part.part in OWN_PARTS and key in self._ledger.ended:
                    self._placement.found(key, part)
        apart = {}
        for tasks in (self._ledger.tasks, self._ledger.ended):
            for key, task in tasks.items():
                names = self._placement.names(key)
                parts = {each.part for name in names if (each := member(name)) is not None}
                if Part.TASK in parts and Part.INPUT not in parts:
                    apart[self._placement.identifier(key)] = task.task_sha256
        return apart

    def _note(self, folder: str, name: str) -> None:
        part = member(name)
        key = "" if part is None else key_of(part.id)
        if part is None or not self._ledger.known(key):
            return
        state = self._ledger.tasks.state(key)
        if part.part in OWN_PARTS:
            self._placement.found(key, part)
            self._in_place[key] += state is not None and folder == place_of(state)
        elif state not in ASKING:
            self._leftover.add(key)

    def _nothing_asked(self, key: str) -> bool:
        """Whether a task asks nothing, and no request of it is left.

        What is asked is always compared with the log, byte for byte: it was written without waiting for the disk.
        """
        asks = self._ledger.tasks.state(key) in ASKING
        return not asks and key not in self._leftover and not self._placement.has_copies(key)

    def _digest(self, key: str) -> str | None:
        task = self._ledger.tasks.get(key)
        return None if task is None or task.state not in ASKING else task.digest

    def _finish_moves(self) -> None:
        for key, task in list(self._ledger.ended.items()):
            if task.undelivered:
                continue
            if self._placement.knows(key) and not self._repair(task, ended=True):
                continue
            self._placement.forget(key)
            del self._ledger.ended[key]

    def _repair(self, task: Task, *, ended: bool = False, in_place: bool = False) -> bool:
        """Put one task's files right.  What the disk refuses is tried again at the next full scan; False then."""
        try:
            self._placement.repair(task, in_place=in_place)
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
        cut = list(self._ledger.tasks.having({State.STARTED}))
        for task in cut:
            if not self._placement.knows(task.key):
                continue
            self._log.warning("an attempt was cut off", task=task.key, attempt=task.attempt)
            reason = f"the daemon ended during attempt {task.attempt}"
            report = Finished(task.key, task.attempt, "cut", reason)
            try:
                self._outcomes.finished(report, now)
            except FsyncError:
                raise
            except OSError as error:
                self._log.warning("nothing can be decided about it yet", task=task.key, cause=str(error))
                self._later(report)
        return len(cut)
