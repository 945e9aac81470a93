"""Keeping the folders the picture of the log: every unfinished task's files where its state says.

All of it is repeatable.  What cannot be done now (disk full, a file held open) is remembered and tried again; a file
that is nowhere to be found means the task is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from deskhand.core.names import Member, Part, id_of, is_id, key_of, slug_of
from deskhand.core.state import ASKING, FOLDERS, LIVE_FOLDERS
from deskhand.core.task import Task, TaskFile
from deskhand.engine.ledger import Change
from deskhand.errors import IntegrityError
from deskhand.store import task_files
from deskhand.store.accept import Accepted
from deskhand.store.desk import Desk
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.requests import Requests


class Placement:
    """Where each unfinished task's files are, and moving them."""

    def __init__(self, desk: Desk, folders: QueueFolders, requests: Requests) -> None:
        self._desk = desk
        self._folders = folders
        self._requests = requests
        self._files: dict[str, str] = {}
        """Key -> slug and parts of its files, with a slash between: all that the key does not say of their names."""
        self._staged: dict[str, Accepted] = {}
        self._emptied: dict[Path, None] = {}
        """Folders of the staging area that payloads were moved out of."""
        self.behind: set[str] = set()
        """Keys whose files could not be put right yet."""
        self.unasked: set[str] = set()
        """Keys whose request is gone with every copy of it: they have to be asked again."""

    @property
    def approvals(self) -> Path:
        """`queue/approvals/`."""
        return self._desk.approvals

    def adopt_staged(self, accepted: Accepted) -> None:
        """Take note of a task whose files are not in a state folder yet."""
        identifier = accepted.task_file.id
        self.adopt(identifier, (f"{identifier}.{Part.TASK}", accepted.task_file.input))
        self._staged[key_of(identifier)] = accepted

    def adopt(self, identifier: str, names: tuple[str, ...]) -> None:
        """Take note of a task's id and files."""
        self._files[key_of(identifier)] = _SLASH.join((slug_of(identifier), *_parts(identifier, names)))

    def found(self, key: str, part: Member) -> None:
        """A file of the task *key* was found.  Of two ids with the same key the last one counts."""
        slug, own = slug_of(part.id), part.name.removeprefix(f"{part.id}.")
        known = self._files.get(key, "").split(_SLASH)
        parts = known[1:] if known[0] == slug else []
        self._files[key] = _SLASH.join((slug, *sorted({*parts, own})))

    def add_names(self, key: str, names: tuple[str, ...]) -> None:
        """A task got more files (log, results, the answered request)."""
        known = self._files.get(key)
        if known is not None:
            parts = dict.fromkeys((*known.split(_SLASH), *_parts(self.identifier(key), names)))
            self._files[key] = _SLASH.join(parts)

    def forget(self, key: str) -> None:
        """The task is over and its files are where they belong."""
        self._files.pop(key, None)
        self._staged.pop(key, None)
        self.behind.discard(key)
        self.unasked.discard(key)

    def identifier(self, key: str) -> str:
        """The id with its slug; the key itself when no file of the task was ever found."""
        known = self._files.get(key)
        return key if known is None else id_of(key, known.partition(_SLASH)[0])

    def names(self, key: str) -> tuple[str, ...]:
        """The names of a task's files."""
        known = self._files.get(key)
        if known is None:
            return ()
        slug, *parts = known.split(_SLASH)
        identifier = id_of(key, slug)
        return tuple(f"{identifier}.{part}" for part in parts)

    def count(self, key: str) -> int:
        """How many files a task has."""
        return self._files.get(key, "").count(_SLASH)

    def owns(self, key: str, name: str) -> bool:
        """Whether *name* is one of a task's files."""
        slug, *parts = self._files.get(key, "").split(_SLASH)
        identifier, _, part = name.partition(".")
        return slug == slug_of(identifier) and part in parts

    def staged(self, key: str) -> Accepted | None:
        """The task as it was accepted, while its files wait in the staging area; None when they are placed."""
        return self._staged.get(key)

    def staged_inputs(self) -> dict[str, str]:
        """Key -> path of the input of every task that is in the staging area."""
        return {key: str(accepted.payload) for key, accepted in self._staged.items()}

    def knows(self, key: str) -> bool:
        """Whether the task's files were seen."""
        return key in self._files

    def task_file(self, task: Task) -> TaskFile:
        """The task's description, checked against the log.  IntegrityError when it is not the one on record."""
        staged = self._staged.get(task.key)
        if staged is not None:
            return staged.task_file
        identifier = self.identifier(task.key)
        return task_files.read(self._desk.folder(task.folder) / f"{identifier}.{Part.TASK}", task.task_sha256)

    def follow(self, change: Change) -> tuple[str, ...]:
        """Do on disk what *change* decided; the names that are nowhere to be found.  OSError when the disk refuses."""
        before, after = change.before, change.after
        if after.key in self._staged:
            missing = self._unstage(after)
        elif before is not None and before.folder != after.folder:
            self._answered(before, after)
            missing = self._folders.move(self.names(after.key), self._desk.folder(before.folder), after.folder)
        else:
            missing = ()
        if missing:
            missing = self.search(after, missing)
        self.post(after)
        return missing

    def _unstage(self, task: Task) -> tuple[str, ...]:
        """Bring an accepted task's files where its state says; the names that are nowhere."""
        accepted = self._staged[task.key]
        name = accepted.task_file.input
        # The input first: while its description stands in the staging area, recovery knows that it belongs to a task.
        missing: tuple[str, ...] = () if self._folders.bring(str(accepted.payload), name, task.folder) else (name,)
        missing += self._folders.move((f"{accepted.task_file.id}.{Part.TASK}",), self._desk.accepted, task.folder)
        del self._staged[task.key]
        self._emptied[accepted.payload.parent] = None
        return missing

    def tidy(self) -> None:
        """Remove what the payloads that were placed left empty."""
        self._folders.tidy_staging(self._emptied)
        self._emptied.clear()

    def post(self, task: Task) -> bool:
        """Put the request of a task that asks where a person renames it; False when it is gone for good."""
        self.unasked.discard(task.key)
        if task.state not in ASKING or task.digest is None or not self.knows(task.key):
            return True
        try:
            self._requests.post(self.identifier(task.key), task.digest)
        except IntegrityError:
            self.unasked.add(task.key)
            return False
        return True

    def _answered(self, before: Task, after: Task) -> None:
        if before.state in ASKING and after.state not in ASKING:
            self._put_away(before.key, before.digest)

    def _put_away(self, key: str, digest: str | None) -> None:
        """Nothing is asked any more: take the request away; the one with *digest* stays beside the task."""
        identifier = self.identifier(key)
        gestures = tuple(f"{identifier}.{form}" for form in REQUEST_FORMS if self._exists(f"{identifier}.{form}"))
        yes = next((name for name in gestures if digest and self._digest(name) == digest), None)
        decided = f"{identifier}.{Part.DECIDED}"
        if yes is not None and (self.approvals / decided).is_dir():
            self._folders.set_aside("approvals", decided)
        self._requests.take_away(identifier, gestures, yes)
        self._requests.forget(identifier, digest)
        kept = f"{identifier}.{Part.DECIDED}"
        if self._exists(kept):  # also when an earlier call came that far and no further
            self.add_names(key, (kept,))

    def sort_out_requests(self, digest: Callable[[str], str | None]) -> None:
        """Find out which kept questions count no more; *digest*: key -> that of the question that does, if any."""
        self._requests.sort_out(lambda identifier: digest(key_of(identifier)) if is_id(identifier) else None)

    def has_copies(self, key: str) -> bool:
        """Whether questions of a task are kept that count no more."""
        return self._requests.has_others(self.identifier(key))

    def void_request(self, key: str) -> None:
        """Take away the request of a task that is over, with everything that was made of it."""
        identifier = self.identifier(key)
        self._requests.take_away(identifier, tuple(f"{identifier}.{form}" for form in REQUEST_FORMS))
        self._requests.forget(identifier, None)

    def _digest(self, name: str) -> str | None:
        data = self._requests.read(name)
        return None if data is None else hashlib.sha256(data).hexdigest()

    def _exists(self, name: str) -> bool:
        return self._folders.exists("approvals", name)

    def repair(self, task: Task, *, in_place: bool = False) -> tuple[str, ...]:
        """Put a task's files and request where they belong, wherever they are; the names that are nowhere.

        *in_place*: its files were just seen where they belong.
        """
        if task.state not in ASKING and self.knows(task.key):
            self._put_away(task.key, task.approved)  # a crash may have come between the answer's record and this
        if task.key in self._staged:
            self._unstage(task)
        names = () if in_place else self.names(task.key)
        missing = tuple(name for name in names if not self._folders.exists(task.folder, name))
        if missing:
            missing = self.search(task, missing)
        self.post(task)
        return missing

    def search(self, task: Task, names: tuple[str, ...]) -> tuple[str, ...]:
        """Look for files in every place a crash or a person may have left them, and move them home."""
        places = (self._desk.accepted, *(self._desk.folder(name) for name in (*LIVE_FOLDERS, *TERMINAL_FOLDERS)))
        for place in places:
            if place != self._desk.folder(task.folder):
                names = self._folders.move(names, place, task.folder)
            if not names:
                break
        return tuple(name for name in names if not self._optional(name))

    @staticmethod
    def _optional(name: str) -> bool:
        """Logs, results and answered requests can go without the task being lost."""
        return name.endswith((f".{Part.LOG}", f".{Part.OUT}", f".{Part.DECIDED}"))

    def payload(self, task: Task, task_file: TaskFile) -> Path:
        """Where the input is."""
        staged = self._staged.get(task.key)
        if staged is not None:
            return staged.payload
        return self._desk.folder(task.folder) / task_file.input


def _parts(identifier: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.removeprefix(f"{identifier}.") for name in names)


_SLASH = "/"
TERMINAL_FOLDERS = tuple(dict.fromkeys(name for name in FOLDERS.values() if name not in LIVE_FOLDERS))
REQUEST_FORMS = (
    "json",
    *(f"json.{v}" for v in ("approved", "rejected", "happened")),
    *(f"{v}.json" for v in ("approved", "rejected", "happened")),
)
