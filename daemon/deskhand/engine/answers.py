"""What a gesture or a command about a waiting task leads to."""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from deskhand.core.event import Answer, Ask, Damage, Reask
from deskhand.core.log import Log
from deskhand.core.names import visible
from deskhand.core.record import DAEMON, Draft
from deskhand.core.request import difference
from deskhand.core.state import State
from deskhand.core.step import Decision
from deskhand.core.task import Task, commitment
from deskhand.engine.asking import Asking
from deskhand.engine.gestures import Answered, Deleted, Edited, Foreign, Gesture, Ignored
from deskhand.engine.ledger import Ledger
from deskhand.engine.placement import Placement
from deskhand.engine.reception import warnings
from deskhand.errors import DeskhandError, IntegrityError
from deskhand.store import task_files
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.recipes import Recipes
from deskhand.store.requests import Requests


class Answers:
    """Turns what people did in approvals/ into decisions and reports."""

    def __init__(
        self,
        ledger: Ledger,
        placement: Placement,
        folders: QueueFolders,
        requests: Requests,
        recipes: Recipes,
        asking: Asking,
        log: Log,
        salt: str,
    ) -> None:
        """*salt*: the desk's secret, for the hashes of foreign names."""
        self._ledger = ledger
        self._placement = placement
        self._folders = folders
        self._requests = requests
        self._recipes = recipes
        self._asking = asking
        self._log = log
        self._salt = salt

    def handle(self, gesture: Gesture, now: float) -> None:
        """Decide about one gesture."""
        match gesture:
            case Answered():
                task = self._ledger.tasks.get(gesture.key)
                if task is not None:
                    self.answer(task, gesture, now)
            case Edited():
                self._edited(gesture, now)
            case Deleted():
                self._restore(gesture.key, now)
            case Ignored():
                self._ignored(gesture)
            case Foreign():
                self.foreign("approvals", gesture.name, "no task of this desk has it")

    def answer(self, task: Task, given: Answered, now: float) -> Decision:
        """A yes, a no, or *it happened*."""
        verdict = cast(Literal["approved", "rejected", "happened"], given.verdict)
        suspended = self._ledger.book.clock_unconfirmed
        return self._ledger.decide(task, Answer(verdict, given.digest, given.actor, given.reason, suspended), now)

    def _edited(self, gesture: Edited, now: float) -> None:
        """Not an approval of what was asked: ask again, showing what was changed."""
        task = self._ledger.tasks.get(gesture.key)
        if task is None or task.digest is None or task.state is not State.WAITING or task.pin is None:
            self._ignored(Ignored(gesture.name, "the file is not the question that was asked", gesture.key))
            return
        identifier = self._placement.identifier(task.key)
        try:
            asked = self._requests.asked(identifier, task.digest)
        except IntegrityError:  # nobody can say what was changed
            self.ask_again(task, now)
            self._requests.take_away(identifier, (gesture.name,))
            return
        try:
            changed = difference(asked, gesture.data)
            ask = self._asking.approval(
                self._placement.task_file(task),
                self._recipes.get(task.pin),
                "the request was edited before it was renamed; an edit is no approval",
                now,
                revision=task.revision + 1,
                difference=changed,
            )
        except DeskhandError as error:
            self._log.warning("an edited request cannot be asked again", task=task.key, cause=error.sentence)
            return
        self._ledger.decide(task, Reask(ask), now)
        self._requests.take_away(identifier, (gesture.name,))

    def ask_again(self, task: Task, now: float) -> None:
        """Put a question anew whose request is gone, from its folder and from the copies that are kept."""
        try:
            ask = self._asked_anew(task, "its request was lost", now)
        except IntegrityError as error:
            self._ledger.decide(task, Damage("quarantined", error.nameless), now)
        except DeskhandError as error:
            self._log.warning("a lost request cannot be asked again", task=task.key, cause=error.sentence)
        else:
            self._ledger.decide(task, Reask(ask), now)
            self._placement.unasked.discard(task.key)

    def _asked_anew(self, task: Task, why: str, now: float) -> Ask:
        task_file = self._placement.task_file(task)
        if task.state is State.IN_DOUBT:
            recipe = None if task.pin is None else self._recipes.get(task.pin)
            return self._asking.doubt(task, task_file, recipe, why, now)
        if task.pin is None:
            raise IntegrityError("asking again", "the task has no recipe")
        files = task_files.manifest(self._placement.payload(task, task_file))
        return self._asking.approval(
            *(task_file, self._recipes.get(task.pin), why, now),
            revision=task.revision + 1,
            files=files,
            warnings=warnings(task),
        )

    def _restore(self, key: str, now: float) -> None:
        task = self._ledger.tasks[key]
        if task.digest is None or key in self._placement.behind:  # behind: it could not be put there yet
            return
        if not self._placement.post(task):
            self.ask_again(task, now)
            return
        reason = "the request was deleted; deleting is no answer"
        self._ledger.note(Draft("foreign.restored", {"task": key, "folder": "approvals", "reason": reason}))
        self._log.warning("request restored", task=key)

    def _ignored(self, gesture: Ignored) -> None:
        if gesture.put_back is not None:
            approvals = self._placement.approvals
            self._folders.rename(approvals / gesture.name, approvals / gesture.put_back)
        fields = {
            "task": gesture.key,
            "actor": msgspec.to_builtins(DAEMON),
            "reason": gesture.reason,
            "name_sha256": self.name_hash(gesture.name),
        }
        self._ledger.note(Draft("approval.ignored", fields))
        self._log.warning("this name is no answer", name=visible(gesture.name), hint=gesture.reason)

    def foreign(self, folder: str, name: str, reason: str) -> None:
        """Something in a state folder that the log knows nothing about: out of the way, on record, never run."""
        try:
            target = self._folders.set_aside(folder, name)
        except OSError as error:
            self._log.warning("a foreign file cannot be moved away", name=visible(name), cause=str(error))
            return
        fields = {"task": None, "folder": folder, "name_sha256": self.name_hash(name), "reason": reason}
        self._ledger.note(Draft("foreign.found", fields))
        self._log.warning("foreign file set aside", name=visible(name), now=visible(target.name), reason=reason)

    def name_hash(self, name: str) -> str:
        """How the log speaks of a foreign name without saying it."""
        return commitment(self._salt, name)
