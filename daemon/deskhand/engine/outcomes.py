"""What the end of an attempt, or of a delivery, leads to."""

from __future__ import annotations

import errno
import random

from deskhand.core.backoff import pause
from deskhand.core.event import Ask, Damage, Delivered, Ended, Reask
from deskhand.core.log import Log
from deskhand.core.recipe import Recipe, Retry
from deskhand.core.record import Actor
from deskhand.core.state import State
from deskhand.core.task import Task, manifest_sha256
from deskhand.engine.asking import Asking
from deskhand.engine.ledger import Ledger
from deskhand.engine.outcome import Finished, Handed
from deskhand.engine.placement import Placement
from deskhand.errors import DeskhandError, IntegrityError
from deskhand.store import task_files
from deskhand.store.recipes import Recipes


class Outcomes:
    """Turns reports of workers into decisions."""

    def __init__(self, ledger: Ledger, placement: Placement, recipes: Recipes, asking: Asking, log: Log) -> None:
        self._ledger = ledger
        self._placement = placement
        self._recipes = recipes
        self._asking = asking
        self._log = log
        self.cancelled_by: dict[str, tuple[Actor, str | None]] = {}
        """Key -> who wants the running attempt stopped."""
        self.undeliverable: dict[str, str] = {}
        """Key -> why its results could not be delivered at the last attempt."""

    def finished(self, report: Finished, now: float) -> None:
        """Decide about an attempt that is over.

        OSError when a question to a person cannot be put on disk, or what it is about is not in place yet: nothing was
        decided, the same call can be made again.
        """
        task = self._ledger.tasks.get(report.key)
        if task is None or task.state is not State.STARTED or task.attempt != report.attempt:
            return
        self._placement.add_names(task.key, report.names)
        self._over(task, report, now)
        self.cancelled_by.pop(task.key, None)

    def _over(self, task: Task, report: Finished, now: float) -> None:
        actor, said = self.cancelled_by.get(task.key, (None, None))
        if report.result == "damaged":
            self._damaged(task, report.reason or "its files are not those on record", now)
            return
        recipe = self._recipe(task)
        # Keeping a file changes nothing, whatever the recipe says: doing it again is no second time.
        idempotent = recipe is not None and (recipe.idempotent or recipe.kind == "keep")
        ask = None
        if report.result in ("cut", "drained") and not idempotent:
            if task.key in self._placement.behind:
                raise OSError(errno.EBUSY, "its files are not where they belong yet")
            try:
                ask = self._doubt(task, report, now)
            except IntegrityError as error:
                self._damaged(task, f"attempt {task.attempt} was cut off, and {error.cause}", now)
                return
        # It may have ended by itself just before it was to be stopped; what a person wanted stopped is not run again.
        wanted = actor is not None and report.result != "ok" and ask is None
        result = "cancelled" if wanted else report.result
        retry = Retry() if recipe is None else recipe.retry
        event = Ended(
            result=result,
            reason=said if result == "cancelled" and said else report.reason,
            idempotent=idempotent,
            attempts=retry.attempts,
            backoff=pause(retry, task.attempt, random.random()),
            usage=report.usage,
            results=report.results,
            deliver=report.result == "ok" and recipe is not None and recipe.deliver is not None,
            ask=ask,
            actor=actor,
        )
        self._ledger.decide(task, event, now)

    def _recipe(self, task: Task) -> Recipe | None:
        try:
            return None if task.pin is None else self._recipes.glance(task.pin)
        except DeskhandError as error:
            self._log.error("the recipe of a task is damaged", task=task.key, cause=error.sentence)
            return None

    def _doubt(self, task: Task, report: Finished, now: float) -> Ask:
        why = report.reason or "nobody can say how far it got"
        return self._asking.doubt(task, self._placement.task_file(task), self._recipe(task), why, now)

    def _damaged(self, task: Task, reason: str, now: float) -> None:
        """Not run.  What a person had approved is asked again as it is now; anything else is quarantined."""
        recipe = self._recipe(task)
        if task.approved is not None and recipe is not None:
            try:
                task_file = self._placement.task_file(task)
                files = task_files.manifest(self._placement.payload(task, task_file))
                why = "the input is not what you approved any more"
                ask = self._asking.approval(task_file, recipe, why, now, revision=task.revision + 1, files=files)
            except (DeskhandError, OSError) as error:
                self._log.error("a changed input cannot be asked about", task=task.key, cause=str(error))
            else:
                if manifest_sha256(files) != task.input_sha256:
                    self._ledger.decide(task, Reask(ask), now)
                    return
        self._ledger.decide(task, Damage("quarantined", reason), now)

    def handed(self, report: Handed, now: float) -> bool:
        """Record a delivery, or that there will be none; False when it has to be tried again."""
        task = self._ledger.tasks.get(report.key)
        self.undeliverable.pop(report.key, None)
        if task is None or not task.undelivered:
            return True
        if report.problem is not None and report.given_up is None:
            self.undeliverable[task.key] = report.problem
            self._log.error("results cannot be delivered", task=task.key, cause=report.problem)
            return False
        if report.given_up is not None:
            hint = "they stay beside the task in completed/"
            self._log.error("results will not be delivered", task=task.key, cause=report.problem, hint=hint)
        self._ledger.decide(task, Delivered(tuple(dict(target) for target in report.targets), report.given_up), now)
        return True
