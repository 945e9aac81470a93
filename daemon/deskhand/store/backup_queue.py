"""Copying the queue into an archive as the audit log has it at one record, while tasks move on.

The log decides where a task's files belong; they are read from wherever they stand by now.  That works because they are
never changed, only moved, and an open file stays open.  Tasks that came later are left out, and so is what their
attempts made later.  A file that is nowhere is named, and the caller starts again from a later record.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from deskhand.core.names import OWN_PARTS, Member, Part, key_of, member
from deskhand.core.state import ASKING, LIVE_FOLDERS, STATE_FOLDERS, State
from deskhand.core.task import InputFile, Task, TaskFile, manifest_sha256
from deskhand.store.backup_tree import TIMES, Trees, folder, opened, whole
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DROP_FILE, plain_name
from deskhand.store.requests import DIGITS

TERMINAL_FOLDERS = tuple(name for name in STATE_FOLDERS if name not in LIVE_FOLDERS)
PASSING = frozenset({State.STARTED, State.COMPLETED, State.APPROVED, State.READY, State.RETRY, State.RECEIVED})
"""States of tasks that may be over in a moment, and be deleted by somebody: they are read first."""
HIDDEN = ".deskhand-keep"
"""A hidden name that is a part of the desk all the same."""


class QueueCopy:
    """The queue of one desk, on its way into one archive."""

    def __init__(
        self,
        desk: Desk,
        trees: Trees,
        tasks: Mapping[str, Task],
        ended: Mapping[str, Task],
        staged: Mapping[str, str],
        *,
        full: bool,
    ) -> None:
        """*tasks*: every one that is not over at the head, and *ended*, which are but may not be moved yet (key ->
        task); *staged*: key -> where an input lay in the staging area then; *full*: with ``completed/YYYY-MM-DD/``."""
        self.missing: dict[str, str] = {}
        """Key -> what of an unfinished task is nowhere, or is not what the log says."""
        self._desk = desk
        self._trees = trees
        self._tasks = tasks
        self._ended = ended
        self._staged = staged
        self._full = full
        self._standing: dict[str, dict[str, str]] = {}
        """Key -> name of a task's file -> the folder that it was seen in."""
        self._listed: dict[Path, set[str]] = {}
        """Folder -> what stood there before we asked which tasks are newer."""
        self._claimed: set[str] = set()
        """Names in the staging area when we began."""

    def copy(self, newer: Callable[[], Collection[str]]) -> None:
        """Do it.  *newer*: reads the keys of the tasks that came after the head; called when the folders were listed.

        Look at :attr:`missing` then.
        """
        self._claimed = _names(self._desk.claimed)
        self._list()
        states = {key: task.state for key, task in self._tasks.items()}
        for key in sorted(states, key=lambda key: states[key] not in PASSING):
            self._task(key, self._tasks[key])
        late = newer()
        for name in LIVE_FOLDERS:
            self._strangers(name)
        for name in TERMINAL_FOLDERS:
            self._terminal(name, late)
        self._handed_in(late)
        self._left_claimed()

    # -- looking -----------------------------------------------------------------------------------------------

    def _list(self) -> None:
        days = _days(self._desk)
        for again in range(TIMES):  # for a task that moved from where we had yet to look to where we had looked
            for place in (self._desk.accepted, *(self._desk.folder(name) for name in STATE_FOLDERS)):
                self._look_in(place)
            for day in days if self._full or again else ():
                self._look_in(day)
            if all(self._described(key) for key in self._tasks):
                return

    def _look_in(self, place: Path) -> None:
        try:
            names = os.listdir(place)
        except FileNotFoundError:
            return
        where = os.fspath(place)
        self._listed.setdefault(place, set()).update(names)
        for name in names:
            part = member(name)
            if part is not None and (key := f"{part.id[:15]}-{part.id[-6:]}") in self._tasks:
                self._standing.setdefault(key, {})[name] = where

    def _described(self, key: str) -> bool:
        return any(name.endswith(f".{Part.TASK}") for name in self._standing.get(key, ()))

    def _open(self, name: str, seen: str | None, staged: str | None = None) -> Iterator[tuple[int, os.stat_result]]:
        """The file, open, wherever it stands by now; nothing when it is nowhere."""
        for paths in ([f"{seen}/{name}"] * (seen is not None), *[self._paths(name, staged)] * TIMES):
            for path in paths:
                with suppress(FileNotFoundError, NotADirectoryError), opened(path) as found:
                    yield found
                    return

    def _paths(self, name: str, staged: str | None) -> list[str]:
        desk = self._desk
        day = desk.folder("completed") / f"{name[:4]}-{name[4:6]}-{name[6:8]}"
        places = (*(desk.folder(each) for each in STATE_FOLDERS), desk.accepted, day)
        return [*([staged] if staged is not None else []), *(f"{place}/{name}" for place in places)]

    # -- one task ----------------------------------------------------------------------------------------------

    def _task(self, key: str, task: Task) -> None:
        """What of it is missing is noted, and the rest put in all the same."""
        parts = {name: part for name in self._standing.get(key, ()) if (part := member(name)) is not None}
        described = next((name for name, part in parts.items() if part.part is Part.TASK), None)
        data = None if described is None else self._bytes(described, key)
        if described is None or data is None:
            self.missing[key] = "its description"
            return
        target = f"queue/{task.folder}"
        self._put(data[0], f"{target}/{described}", data[1])
        if hashlib.sha256(data[0]).hexdigest() != task.task_sha256:
            self.missing[key] = "its description, which is not the one on record"
        identifier = parts[described].id
        wrong = self._input(key, task, data[0], target)
        if wrong is not None:
            self.missing.setdefault(key, wrong)
        if task.state in ASKING and not self._request(task, identifier, parts):
            self.missing.setdefault(key, "its request")
        self._decided(key, task, identifier, target)
        for name, part in parts.items():
            if part.id == identifier and self._had(task, part):
                self._optional(name, key, f"{target}/{name}", task)

    def _bytes(self, name: str, key: str) -> tuple[bytes, int] | None:
        """Bytes and time of change of a small file."""
        for fd, found in self._open(name, self._standing[key].get(name)):
            if stat.S_ISREG(found.st_mode):
                data, found = whole(fd, found)
                return data, found.st_mtime_ns
        return None

    def _put(self, data: bytes, path: str, mtime_ns: int) -> None:
        self._trees.put_bytes(data, os.fsencode(path), mtime_ns=mtime_ns)

    def _input(self, key: str, task: Task, description: bytes, target: str) -> str | None:
        """Put the input in; what is wrong with it, if anything."""
        try:
            about = msgspec.json.decode(description, type=TaskFile)
        except msgspec.MsgspecError:
            return "its description, which cannot be read"
        path = os.fsencode(f"{target}/{about.input}")
        for fd, found in self._open(about.input, self._standing[key].get(about.input), self._staged.get(key)):
            if stat.S_ISDIR(found.st_mode):
                digest = self._folder(fd, path)
            elif stat.S_ISREG(found.st_mode):
                digest = self._trees.put(fd, found, path)
            else:
                continue
            return None if digest == task.input_sha256 else "its input, which is not the one on record"
        return "its input"

    def _folder(self, fd: int, path: bytes) -> str:
        """A dropped folder; what its manifest comes to."""
        found: list[InputFile] = []

        def tell(where: bytes, digest: str) -> None:
            found.append(InputFile(plain_name(os.fsdecode(where[len(path) + 1 :])), digest, 0))

        self._trees.below(fd, path, tell=tell)
        return manifest_sha256(tuple(found))

    def _request(self, task: Task, identifier: str, parts: Mapping[str, Member]) -> bool:
        """Put in what is asked: where a person answers it, and the kept copy; False when it is nowhere."""
        digest = task.digest or ""
        copy = f"{identifier}.{digest[:DIGITS]}.json"
        for path in self._requests(identifier, copy, parts):
            with suppress(OSError), opened(path) as (fd, found):
                data, found = whole(fd, found)
                if hashlib.sha256(data).hexdigest() == digest:
                    self._put(data, f"queue/{task.folder}/{identifier}.{Part.REQUEST}", found.st_mtime_ns)
                    self._put(data, f"queue/.requests/{copy}", found.st_mtime_ns)
                    return True
        return False

    def _requests(self, identifier: str, copy: str, parts: Mapping[str, Member]) -> Iterator[Path]:
        """Where the bytes of a question may be: also once it was answered, beside the task, wherever that is."""
        desk = self._desk
        for _ in range(TIMES):
            yield desk.requests / copy
            for name in (f"{identifier}.json", *(name for name, part in parts.items() if part.part not in OWN_PARTS)):
                yield desk.approvals / name
            for place in STATE_FOLDERS:
                yield desk.folder(place) / f"{identifier}.{Part.DECIDED}"

    def _had(self, task: Task, part: Member) -> bool:
        """Whether a task at the head had this beside description, input and request."""
        ended = task.attempt - (task.state is State.STARTED)
        return part.part in (Part.LOG, Part.OUT) and (ended > 0 or task.state is State.COMPLETED)

    def _decided(self, key: str, task: Task, identifier: str, target: str) -> None:
        """The request that was approved by then; a later one may have taken its name."""
        name = f"{identifier}.{Part.DECIDED}"
        found = self._bytes(name, key) if task.approved is not None else None
        if found is not None and hashlib.sha256(found[0]).hexdigest() == task.approved:
            self._put(found[0], f"{target}/{name}", found[1])

    def _optional(self, name: str, key: str, path: str, task: Task) -> None:
        """A log, results, an answered request: what can go without the task being lost."""
        for fd, found in self._open(name, self._standing[key].get(name)):
            if stat.S_ISDIR(found.st_mode):
                self._trees.below(fd, os.fsencode(path), tell=_nobody)
            elif stat.S_ISREG(found.st_mode):
                self._trees.put(fd, found, os.fsencode(path))
            return
        if name.endswith(f".{Part.OUT}") and task.state is State.COMPLETED:
            self.missing[key] = "its results"

    # -- the rest ----------------------------------------------------------------------------------------------

    def _strangers(self, name: str) -> None:
        """What stands in a folder of ours and belongs to a task that is over, or to none."""

        def stranger(each: str) -> bool:
            return (not each.startswith(".") or each == HIDDEN) and member(each) is None

        place = os.fsencode(f"queue/{name}")
        with suppress(FileNotFoundError), folder(self._desk.folder(name).__fspath__()) as fd:
            self._trees.below(fd, place, keep=stranger, tell=_nobody)
            for each in sorted(os.listdir(fd)):
                part = member(each)
                if part is not None and part.part in OWN_PARTS and key_of(part.id) in self._ended:
                    self._moving(each, part)

    def _moving(self, name: str, part: Member) -> None:
        """A file of a task that was over at the head and is not yet where the others of its kind are."""
        task = self._ended[key_of(part.id)]
        for fd, found in self._open(name, None):
            path = os.fsencode(f"queue/{task.folder}/{name}")
            if stat.S_ISDIR(found.st_mode):
                self._trees.below(fd, path, tell=_nobody)
            elif stat.S_ISREG(found.st_mode):
                self._trees.put(fd, found, path)

    def _terminal(self, name: str, late: Collection[str]) -> None:
        """What is over stays as people left it."""

        def wanted(each: str) -> bool:
            part = member(each)
            if each not in listed:
                return False
            if part is not None:
                key = key_of(part.id)
                return key not in self._tasks and key not in late
            return (not each.startswith(".") or each == HIDDEN) and not (name == "completed" and _is_day(each))

        place, listed = os.fsencode(f"queue/{name}"), self._listed.get(self._desk.folder(name), set())
        with suppress(FileNotFoundError), folder(self._desk.folder(name).__fspath__()) as fd:
            self._trees.below(fd, place, keep=wanted, tell=_nobody)
        if name == "completed":
            for day in _days(self._desk):
                where = place + b"/" + os.fsencode(day.name)
                if not self._full:
                    self._trees.leave_out(where, "filed away; `backup create --full` has it")
                    continue
                listed = self._listed.get(day, set()) | listed  # it may have been filed away since
                with suppress(FileNotFoundError), folder(os.fspath(day)) as fd:
                    self._trees.below(fd, where, keep=wanted, tell=_nobody)

    def _handed_in(self, late: Collection[str]) -> None:
        """What `deskhand drop` left and no daemon has taken."""
        desk = self._desk
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(desk.dropped)):
                part = member(f"{name}.{Part.TASK}")
                key = None if part is None else key_of(part.id)
                if key is None or key in self._tasks or key in late or key in self._ended:
                    continue
                with suppress(FileNotFoundError, NotADirectoryError), folder(os.fspath(desk.dropped / name)) as fd:
                    if len(os.listdir(fd)) > 1 and os.path.exists(desk.dropped / name / DROP_FILE):
                        self._trees.below(fd, os.fsencode(f"queue/.staging/dropped/{name}"), tell=_nobody)

    def _left_claimed(self) -> None:
        """What was claimed before we began and still is: nobody works on it, and it is no more in any inbox."""
        of_tasks = {os.path.dirname(path) for path in self._staged.values()}
        for name in sorted(_names(self._desk.claimed) & self._claimed):
            path = os.fspath(self._desk.claimed / name)
            if path not in of_tasks:
                with suppress(FileNotFoundError, NotADirectoryError), folder(path) as fd:
                    self._trees.below(fd, os.fsencode(f"queue/.staging/claimed/{name}"), tell=_nobody)


def _nobody(path: bytes, digest: str) -> None:
    """Hears of a task's file and does nothing about it."""


def _names(place: Path) -> set[str]:
    try:
        return set(os.listdir(place))
    except FileNotFoundError:
        return set()


def _days(desk: Desk) -> list[Path]:
    """``completed/YYYY-MM-DD/``."""
    completed = desk.folder("completed")
    with suppress(FileNotFoundError):
        return [completed / name for name in sorted(os.listdir(completed)) if _is_day(name)]
    return []


def _is_day(name: str) -> bool:
    return len(name) == 10 and name[4] == name[7] == "-" and name.replace("-", "").isdigit()
