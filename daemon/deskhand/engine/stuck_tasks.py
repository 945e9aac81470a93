"""Finding the tasks that are stuck, from the log, the recipes and what a living daemon says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from deskhand.core.recipe import Pin, Recipe
from deskhand.core.settings import Settings
from deskhand.core.state import State
from deskhand.core.stuck import Around, Stuck, judge
from deskhand.engine.view import View
from deskhand.errors import DeskhandError
from deskhand.store.files import Files
from deskhand.store.recipes import Recipes


def stuck_tasks(view: View, settings: Settings, said: Mapping[str, Any] | None, now: float) -> dict[str, Stuck]:
    """Key -> why it is stuck, for every task that is.

    *said*: the status of the living daemon; None = there is none.  *now*: epoch seconds.
    """
    known = {} if said is None else said
    around = Around(
        now=now,
        daemon=said is not None,
        paused=str(known.get("paused", view.book.paused)),
        workers=settings.run.workers,
        timeout=settings.run.timeout,
        expires_after=settings.approval.expires_after,
        running=frozenset(known.get("running", ())),
        undeliverable=known.get("undeliverable", {}),
        unplaced=frozenset(known.get("unplaced", ())),
    )
    recipes = Recipes(Files(), view.desk)

    @cache
    def recipe(pin: Pin) -> Recipe | None:
        try:
            return recipes.get(pin)
        except (DeskhandError, OSError):
            return None  # a damaged one parks its tasks, and that is said of them

    active = Counter(task.pin.id for key in around.running if (task := view.unfinished.get(key)) and task.pin)
    found = {}
    for task in view.unfinished.values():
        own = None if task.pin is None else recipe(task.pin)
        verdict = judge(
            task,
            around,
            timeout=None if own is None else own.timeout,
            held=own is not None and own.concurrency is not None and active[own.id] >= own.concurrency,
            hopeless=task.state is State.BLOCKED and view.hopeless(task),
        )
        if verdict is not None:
            found[task.key] = verdict
    return found
