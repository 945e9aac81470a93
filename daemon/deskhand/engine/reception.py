"""From an accepted drop to its first records: which recipe, what does it wait for, does somebody have to agree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from deskhand.core.dependency import Waits, in_words
from deskhand.core.event import Ask, Route
from deskhand.core.names import is_id, key_of
from deskhand.core.recipe import Pin, Recipe
from deskhand.core.record import Actor, Draft
from deskhand.core.rule import Facts, must_ask
from deskhand.core.state import State
from deskhand.core.step import MAX_REASON
from deskhand.core.task import Task, TaskFile, commitment
from deskhand.engine.asking import Asking
from deskhand.engine.choosing import Choosing
from deskhand.engine.ledger import Ledger
from deskhand.errors import ConfigError, DeskhandError
from deskhand.handlers.command import parameters
from deskhand.store.accept import Accepted
from deskhand.store.recipes import Recipes

COMMANDS = frozenset({"drop", "retry"})
"""Inboxes that are no folders but commands."""


class Reception:
    """Decides what happens to a task that is new, or that could not go on before."""

    def __init__(
        self,
        ledger: Ledger,
        recipes: Recipes,
        asking: Asking,
        choosing: Choosing,
        seen: Callable[[Collection[str]], Mapping[str, str]],
        salt: str,
    ) -> None:
        """*seen*: of these input hashes, the completed task that had each; *salt*: the desk's secret."""
        self._ledger = ledger
        self._recipes = recipes
        self._asking = asking
        self._choosing = choosing
        self._seen = seen
        self._salt = salt

    def twins(self, batch: Iterable[Accepted]) -> Mapping[str, str]:
        """Input hash -> key of the completed task that had the same bytes, for those that anything is in."""
        return self._seen([one.task_file.input_sha256 for one in batch if one.task_file.input_bytes])

    def receive(self, accepted: Accepted, twin: str | None) -> Task:
        """Record a drop as received.  One that no record can describe is received without what it says of itself,
        and with the reason for which :meth:`route` then quarantines it."""
        task_file = accepted.task_file
        fields = self._facts(accepted)
        try:
            draft = Draft("task.received", {**fields, **self._wishes(task_file, twin)})
            return self._ledger.receive(key_of(task_file.id), draft)
        except ValueError as error:
            reason = f"it cannot be put on record: {error}"[:MAX_REASON]
            draft = Draft("task.received", {**fields, "priority": 0, "reason": reason})
            return self._ledger.receive(key_of(task_file.id), draft)

    @staticmethod
    def _facts(accepted: Accepted) -> dict[str, Any]:
        """What is so, whatever the drop says: all of it short."""
        task_file, options = accepted.task_file, accepted.task_file.options
        actor = accepted.by or Actor(kind="person", via="command" if task_file.inbox in COMMANDS else "drop")
        return {
            "actor": msgspec.to_builtins(actor),
            "task_sha256": accepted.task_sha256,
            "input_sha256": task_file.input_sha256,
            "input_bytes": task_file.input_bytes,
            "input_files": len(task_file.files),
            "name_commit": commitment(task_file.salt, task_file.name),
            "params_commit": commitment(task_file.salt, msgspec.json.encode(options.params, order="sorted").decode()),
            "source": msgspec.to_builtins(task_file.source),
            "inbox": task_file.inbox,
            "recipe": None if task_file.pin is None else msgspec.to_builtins(task_file.pin),
            **({} if accepted.source_to_unlink is None else {"copied": True}),
        }

    def _wishes(self, task_file: TaskFile, twin: str | None) -> dict[str, Any]:
        """What it says of itself, and what is known of its bytes."""
        options = task_file.options
        optional = {
            "not_before": options.not_before,
            "label": None if options.key is None else self._label(options.key),
            "after": [self._dependency(entry) for entry in options.after] or None,
            "strict": True if options.approval == "required" else None,
            "parent": None if task_file.retry_of is None else key_of(task_file.retry_of),
            "duplicate_of": twin,
        }
        wishes = {name: value for name, value in optional.items() if value is not None}
        return {"priority": self._priority(task_file), **wishes}

    def _label(self, label: str) -> str:
        return commitment(self._salt, label)

    def _dependency(self, entry: str) -> str:
        return key_of(entry) if is_id(entry) else self._label(entry)

    def _priority(self, task_file: TaskFile) -> int:
        recipe = self._recipe(task_file.pin)[0]
        given = 0 if recipe is None else recipe.priority
        wanted = task_file.options.priority
        return given if wanted is None else min(given, wanted)

    def _recipe(self, pin: Pin | None) -> tuple[Recipe | None, str | None]:
        if pin is None:
            return None, "no recipe"
        try:
            return self._recipes.glance(pin), None
        except DeskhandError as error:
            return None, f"{error.nameless}; {error.hint or 'bless it again'}"

    def route(self, task: Task, task_file: TaskFile, now: float) -> None:
        """Decide where a received, parked or blocked task goes; nothing happens when it has to stay."""
        unrecorded = task.reason if task.state is State.RECEIVED else None
        if task_file.quarantine or unrecorded:
            why = unrecorded or task_file.problem or "hostile"
            self._ledger.decide(task, Route(pin=None, problem=why, hostile=True), now)
            return
        pin, problem = task_file.pin, task_file.problem
        if task.state is State.PARKED:
            choice = self._choosing.again(task_file)
            pin, problem = choice.pin, choice.problem
        recipe = None
        if problem is None:
            recipe, problem = self._recipe(pin)
        blocked = self.blocked(task)
        if blocked and (ring := Waits([task, *(self._ledger.tasks[key] for key in self._ledger.blocked)]).circle(task)):
            blocked = in_words(ring)
        ask = None
        if problem is None and recipe is not None and blocked is None:
            try:
                ask = self.ask(task, task_file, recipe, now)
            except ConfigError as error:
                problem = error.nameless
        self._ledger.decide(task, Route(pin, task.priority, problem, blocked=blocked, ask=ask), now)

    def blocked(self, task: Task) -> str | None:
        """Which dependency keeps it from going on."""
        for wanted in task.after:
            other = self._ledger.tasks.get(wanted)
            state = self._ledger.label_state(wanted) if other is None else other.state
            state = state or self._ledger.final_state(wanted)
            if state is None:
                return f"waits for {wanted[:16]}, which has not been dropped yet"
            if state != State.COMPLETED:
                return f"waits for {wanted[:16]}, which is {state}"
        return None

    def ask(self, task: Task, task_file: TaskFile, recipe: Recipe, now: float) -> Ask | None:
        """The question to put to a person first, if there has to be one."""
        verdict = must_ask(recipe.approval, facts(recipe, task_file, task), strict=task.strict)
        if not verdict.asks:
            return None
        return self._asking.approval(
            task_file, recipe, verdict.why, now, revision=task.revision + 1, warnings=warnings(task)
        )


def facts(recipe: Recipe, task_file: TaskFile, task: Task) -> Facts:
    """What an approval rule can speak of."""
    return Facts(
        name=task_file.name,
        bytes=task_file.input_bytes,
        kind=task_file.kind,
        inbox=task_file.dropped_in,
        route=task_file.route or "",
        files=len(task_file.files),
        duplicate=task.duplicate_of is not None,
        params=parameters(recipe, task_file.options.params),
    )


def warnings(task: Task) -> Sequence[str]:
    """What a person should know before saying yes."""
    if task.duplicate_of is None:
        return ()
    return (f"the same bytes were completed before, as {task.duplicate_of}",)
