"""What people did in ``approvals/``: reading renames as answers.

A gesture counts only when the file's bytes are those that were asked, or when it says no.  Everything else has no
effect and is reported once, with a hint.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable

from msgspec import Struct

from deskhand.core.names import GESTURES, OWN_PARTS, Member, Part, gesture_hint, key_of, member
from deskhand.core.record import Actor
from deskhand.core.state import ASKING
from deskhand.core.task import Task
from deskhand.core.tasks import Tasks
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.requests import Requests

HALF_WRITTEN = 2.0
"""Seconds a gesture whose content is not what was asked may still be a copy under way."""


COARSE = 0.1
"""Seconds within which a second change of a folder may leave its time stamp as it was."""


def settled(modified_ns: int, now: float) -> bool:
    """Whether a folder with this time stamp can be skipped as long as that does not change."""
    return abs(now - modified_ns / 1e9) > COARSE


class Answered(Struct, frozen=True):
    """The request of task *key* was answered."""

    key: str
    verdict: str
    digest: str
    actor: Actor
    reason: str | None = None


class Edited(Struct, frozen=True):
    """The request was changed before it was renamed; *data* is what it says now."""

    key: str
    name: str
    data: bytes


class Deleted(Struct, frozen=True):
    """The request is gone without an answer."""

    key: str


class Ignored(Struct, frozen=True):
    """A name that looks like an answer but is none; *put_back* is the name to give it again, if it is a task's file."""

    name: str
    reason: str
    key: str | None = None
    put_back: str | None = None


class Foreign(Struct, frozen=True):
    """Something that does not belong to any task the log knows."""

    name: str


ANSWERS = GESTURES - {Part.REQUEST}

Gesture = Answered | Edited | Deleted | Ignored | Foreign


class Gestures:
    """Reads ``approvals/`` when something changed there.

    With many questions waiting a look costs a listing and little more, and nothing is kept between two looks: names
    that are as they should be are passed by, and only tasks with something remarkable are gone into.
    """

    def __init__(self, folders: QueueFolders, requests: Requests) -> None:
        self._folders = folders
        self._requests = requests
        self._told: set[str] = set()
        self._unclear: dict[str, float] = {}
        self._seen = -1

    @property
    def unclear(self) -> bool:
        """Whether something has to be looked at again shortly although the folder does not change."""
        return bool(self._unclear)

    def changed(self) -> bool:
        """Whether the folder has changed since the last look, or something in it was not clear yet."""
        return self._folders.modified("approvals") != self._seen or self.unclear

    def look(self, tasks: Tasks, known: Callable[[str], bool], mono: float, now: float) -> list[Gesture]:
        """Read the folder.  *known*: whether a key is on record and not yet put away; *mono* is seconds of a clock
        that never goes back, *now* epoch seconds."""
        modified = self._folders.modified("approvals")
        self._seen = modified if settled(modified, now) else -1
        found: list[Gesture] = []
        unasked = dict.fromkeys(tasks.keys_in(ASKING))
        remarkable: dict[str, list[Member]] = defaultdict(list)
        remembered, there = {*self._told, *self._unclear}, set()
        for name, is_folder in self._folders.kinds("approvals"):
            if name in remembered:
                there.add(name)
            part = member(name)
            if part is None or part.part is Part.UNKNOWN:
                found += self._strange(name, part, tasks)
            elif is_folder and part.part in GESTURES:
                found.append(Foreign(name))
            else:
                key = key_of(part.id)
                state = tasks.state(key)
                if part.part in GESTURES:
                    unasked.pop(key, None)
                waits = state is not None and state in ASKING and part.part not in ANSWERS
                if not waits and (state is not None or not known(key)):
                    remarkable[part.id].append(part)
        for parts in remarkable.values():
            found += self._of_task(parts, tasks.get(key_of(parts[0].id)), mono)
        found += map(Deleted, unasked)
        for name in remembered - there:
            self._told.discard(name)
            self._unclear.pop(name, None)
        return found

    def again(self) -> None:
        """Let the next look happen although the folder does not change: something could not be done."""
        self._seen = -1

    def _of_task(self, parts: list[Member], task: Task | None, mono: float) -> list[Gesture]:
        answers = {part.part: part.name for part in parts if part.part in ANSWERS}
        if task is None:
            own = [Foreign(part.name) for part in parts if part.part in OWN_PARTS or part.part is Part.REQUEST]
            return [
                *own,
                *(
                    self._ignored(name, "no task with this id is waiting")
                    for name in answers.values()
                    if self._new(name)
                ),
            ]
        if task.state not in ASKING:
            spare = [*answers.values(), *(part.name for part in parts if part.part is Part.REQUEST)]
            reason = f"nothing is asked any more: the task is {task.state}"
            return [self._ignored(name, reason, task.key) for name in spare if self._new(name)]
        if Part.REJECTED in answers:
            return [self._answered(task, "rejected", answers[Part.REJECTED])]
        for part, verdict in ((Part.HAPPENED, "happened"), (Part.APPROVED, "approved")):
            if part in answers:
                return self._yes(task, verdict, answers[part], mono)
        return []

    def _yes(self, task: Task, verdict: str, name: str, mono: float) -> list[Gesture]:
        data = self._requests.read(name)
        if data is not None and hashlib.sha256(data).hexdigest() == task.digest:
            self._unclear.pop(name, None)
            return [self._answered(task, verdict, name)]
        if mono - self._unclear.setdefault(name, mono) < HALF_WRITTEN:
            return []
        self._unclear.pop(name, None)
        return [Edited(task.key, name, data or b"")]

    def _answered(self, task: Task, verdict: str, name: str) -> Answered:
        actor = Actor(kind="person", via="rename", uid=self._requests.owner(name))
        return Answered(task.key, verdict, task.digest or "", actor)

    def _strange(self, name: str, part: Member | None, tasks: Tasks) -> list[Gesture]:
        hint = gesture_hint(name)
        task = tasks.get(key_of(part.id)) if part is not None else None
        if part is not None and task is not None and name.startswith(f"{part.id}.{Part.TASK}."):
            return [Ignored(name, hint or "the task file was renamed", task.key, f"{part.id}.{Part.TASK}")]
        if hint is not None:
            key = task.key if task is not None else None
            return [self._ignored(name, hint, key)] if self._new(name) else []
        return [Foreign(name)]

    def _new(self, name: str) -> bool:
        """Whether this name was not reported yet."""
        if name in self._told:
            return False
        self._told.add(name)
        return True

    @staticmethod
    def _ignored(name: str, reason: str, key: str | None = None) -> Ignored:
        return Ignored(name, reason, key)
