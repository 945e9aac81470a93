"""Holding runs to what may be spent: looked at before each one, told when it becomes much."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deskhand.core import money
from deskhand.core.log import Log
from deskhand.core.recipe import Recipe
from deskhand.core.record import Draft
from deskhand.core.settings import CostLimits
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.ledger import Ledger


class Budget:
    """Used by the deciding thread."""

    def __init__(self, ledger: Ledger, limits: CostLimits, log: Log, notify: Callable[[str, str], None]) -> None:
        self._ledger = ledger
        self._log = log
        self._notify = notify
        self._day = ""
        self.limits = limits
        """Replaced while the daemon runs when a person changes them."""

    def refusal(self, recipe: Recipe, now: float) -> str | None:
        """Why an attempt may not begin, and what can be done; None when it may."""
        return money.refusal(self.limits, self._ledger.book.spending, money.day_of(now), recipe.id, recipe.cost)

    def tell(self, now: float) -> None:
        """Put on record, and tell, that a level of the day's limit was reached; once a day and level."""
        day, spending = money.day_of(now), self._ledger.book.spending
        level = money.level(self.limits, spending, day)
        if level is None or self.limits.daily is None:
            return
        spent, limit, currency = spending.spent(day), self.limits.daily, self.limits.currency
        fields = {"day": day, "percent": level, "spent": spent, "limit": limit, "currency": currency}
        self._ledger.note(Draft("cost.level", fields))
        self._log.warning("the day's limit is being used up", percent=level, spent=spent, limit=limit)
        self._notify(
            f"deskhand: {level} % of today's limit", f"{money.shown(spent)} of {money.shown(limit)} {currency}"
        )

    def held_over(self, now: float) -> Iterator[Task]:
        """The tasks that were parked for their cost, once a new day has begun."""
        day = money.day_of(now)
        if day != self._day:
            self._day = day
            yield from self.parked()

    def parked(self) -> list[Task]:
        """The tasks that were parked for their cost."""
        tasks = self._ledger.tasks.having({State.PARKED})
        return [task for task in tasks if (task.reason or "").startswith(money.OVER)]
