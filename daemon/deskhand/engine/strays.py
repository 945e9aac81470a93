"""Foreign changes in ``inbox/`` and ``pending/``: files put back, strangers set aside, lost tasks noticed.

``approvals/`` has its own reader, ``engine.gestures``.  Terminal folders belong to people and are never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from deskhand.core.event import Damage
from deskhand.core.log import Log
from deskhand.core.names import Part, key_of, member
from deskhand.core.record import Draft
from deskhand.core.state import place_of
from deskhand.engine.answers import Answers
from deskhand.engine.gestures import settled
from deskhand.engine.ledger import Ledger
from deskhand.engine.placement import Placement
from deskhand.store.files import FsyncError
from deskhand.store.queue_folders import QueueFolders

WATCHED = ("inbox", "pending")


class Strays:
    """Compares two folders with the log; costs one listing of each, and nothing while they do not change."""

    def __init__(self, ledger: Ledger, placement: Placement, folders: QueueFolders, answers: Answers, log: Log) -> None:
        self._ledger = ledger
        self._placement = placement
        self._folders = folders
        self._answers = answers
        self._log = log
        self._seen: dict[str, int] = {}

    def look(self, running: Container[str], now: float) -> None:
        """Put right what people or programs moved, and report it."""
        present: Counter[str] = Counter()  # of each task's files, by key: their names would take ten times the memory
        modified = {folder: self._folders.modified(folder) for folder in (*WATCHED, "approvals")}
        if modified == self._seen:
            return
        self._seen = {}
        for folder in WATCHED:
            strangers = [name for name in self._folders.names(folder) if not self._counted(folder, name, present)]
            for name in strangers:
                self._answers.foreign(folder, name, "no task of this desk has it")
        for name in self._folders.names("approvals"):
            self._counted("approvals", name, present)
        done = True
        for key in list(self._ledger.tasks):
            count = self._placement.count(key)
            if key not in running and (not count or present[key] != count):
                done &= self._try_to_repair(key, now)
        if done and all(settled(moment, now) for moment in modified.values()):
            self._seen = modified

    def _try_to_repair(self, key: str, now: float) -> bool:
        """False when the disk refuses: it is tried again at the next look, and does not stop the others."""
        try:
            self._repair(key, now)
        except FsyncError:
            raise
        except OSError as error:
            self._log.warning("files of a task cannot be put back yet", task=key, cause=str(error))
            return False
        return True

    def _counted(self, folder: str, name: str, present: Counter[str]) -> bool:
        """Whether *name* may stand in *folder*; it counts when it is a file of a task that belongs there."""
        part = member(name)
        if part is None:
            return False
        key = key_of(part.id)
        state = self._ledger.tasks.state(key)
        if state is None:
            return key in self._ledger.ended  # over, and on its way to its last folder
        if part.part in (Part.UNKNOWN, Part.REQUEST):
            return False
        if folder == place_of(state) and self._placement.owns(key, name):
            present[key] += 1
        return True

    def _repair(self, key: str, now: float) -> None:
        task = self._ledger.tasks[key]
        missing = self._placement.repair(task)
        gone = missing if self._placement.knows(key) else ("all of its files",)
        if gone:
            reason = "files of an unfinished task vanished"
            self._ledger.decide(task, Damage("lost", reason, tuple(name_part(name) for name in gone)), now)
        elif self._placement.names(key):
            reason = "a file of the task was moved by somebody else"
            self._ledger.note(Draft("foreign.restored", {"task": key, "folder": task.folder, "reason": reason}))


def name_part(name: str) -> str:
    """Which of a task's files a name is, without its slug (names can be personal)."""
    part = member(name)
    return str(Part.UNKNOWN if part is None else part.part)
