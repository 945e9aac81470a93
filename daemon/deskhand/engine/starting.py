"""Starting what may be started: free workers, the recipe's own limit, and the last look at approval."""

from __future__ import annotations

from collections import Counter

from deskhand.core.event import Hold, Reask, Start
from deskhand.core.log import Log
from deskhand.core.recipe import Recipe
from deskhand.core.rule import must_ask
from deskhand.core.settings import Run
from deskhand.core.task import Task
from deskhand.engine.asking import Asking
from deskhand.engine.budget import Budget
from deskhand.engine.dispatcher import Dispatcher
from deskhand.engine.ledger import Ledger
from deskhand.engine.placement import Placement
from deskhand.engine.reception import facts, warnings
from deskhand.errors import DeskhandError
from deskhand.store.recipes import Recipes

INLINE_BATCH = 512
"""Tasks of kinds that start no process which are begun together: they are over at once, and share one sync."""
ADOPTED = "this desk was copied or restored; it may have run elsewhere since"


class Starting:
    """Picks tasks and records their attempts; the effects start them when that is durable."""

    def __init__(
        self,
        ledger: Ledger,
        dispatcher: Dispatcher,
        recipes: Recipes,
        placement: Placement,
        asking: Asking,
        log: Log,
        settings: Run,
        budget: Budget,
    ) -> None:
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._recipes = recipes
        self._placement = placement
        self._asking = asking
        self._log = log
        self._settings = settings
        self._budget = budget

    def start_due(self, running: Counter[str], now: float) -> None:
        """Record attempts for as many tasks as there is room for.  *running*: recipe id -> attempts under way."""
        self._dispatcher.mature(now, self._ledger.tasks.get)
        inside = sum(count for recipe_id, count in running.items() if self._recipes.is_inline(recipe_id))
        inline = INLINE_BATCH - inside
        room = self._settings.workers - (sum(running.values()) - inside)

        def full(recipe_id: str) -> bool:
            limit = self._recipes.concurrency(recipe_id)
            crowded = limit is not None and running[recipe_id] >= limit
            return crowded or (inline if self._recipes.is_inline(recipe_id) else room) <= 0

        for task in self._dispatcher.ready(self._ledger.tasks.get, full):
            if not self._begin(task, now):
                continue
            recipe_id = task.pin.id if task.pin is not None else ""
            running[recipe_id] += 1
            if self._recipes.is_inline(recipe_id):
                inline -= 1
            else:
                room -= 1

    def _begin(self, task: Task, now: float) -> bool:
        """Whether an attempt was recorded.  A task that the disk kept from starting is put back into the order."""
        if task.key in self._placement.behind:
            self._dispatcher.add(task)
            return False
        try:
            recipe = self._recipe(task, now)
            if recipe is None:
                return False
            return self._start(task, recipe, now)
        except OSError:
            self._dispatcher.add(task)
            raise

    def _recipe(self, task: Task, now: float) -> Recipe | None:
        if task.pin is None:
            return None
        try:
            return self._recipes.glance(task.pin)
        except DeskhandError as error:
            hint = f"{error.nameless}; {error.hint or 'restore it, or bless it again'}, then: deskhand task retry"
            self._ledger.decide(task, Hold("parked", hint), now)
            return None

    def _start(self, task: Task, recipe: Recipe, now: float) -> bool:
        if self._settings.dry_run:
            self._ledger.decide(task, Hold("parked", f"a dry run: {recipe.id} would have run"), now)
            return False
        why = self._may_have_run(task, recipe)
        if why is None and task.approved is None:
            why = self._wants_approval(task, recipe)
        if why is not None:
            self._ask(task, recipe, now, why)
            return False
        over = self._budget.refusal(recipe, now)
        if over is not None:
            self._ledger.decide(task, Hold("parked", over), now)
            return False
        reserve = None if recipe.cost is None else recipe.cost.reserve
        needs_approval = recipe.approval.mode == "required" or task.strict
        decision = self._ledger.decide(task, Start(task.key, needs_approval, reserve), now)
        if decision.refusal:
            self._log.warning("a task was not started", task=task.key, reason=decision.refusal)
        return decision.refusal is None

    def _may_have_run(self, task: Task, recipe: Recipe) -> str | None:
        """Why a task of an adopted desk is put to a person, unless somebody said yes to it since."""
        adopted = self._ledger.book.adopted
        if recipe.idempotent or task.first_seq > adopted or (task.approved is not None and task.seq > adopted):
            return None
        return ADOPTED

    def _wants_approval(self, task: Task, recipe: Recipe) -> str | None:
        """Why somebody has to say yes first; None when nobody has to.  Fails closed: a rule is read once more."""
        if recipe.approval.mode == "never" and not task.strict:
            return None
        try:
            known = facts(recipe, self._placement.task_file(task), task)
        except DeskhandError as error:
            return error.nameless
        verdict = must_ask(recipe.approval, known, strict=task.strict)
        return verdict.why if verdict.asks else None

    def ask_if_it_may_have_run(self, task: Task, now: float) -> None:
        """Put a task of an adopted desk to a person, unless its recipe may simply be repeated."""
        recipe = self._recipe(task, now)
        why = None if recipe is None else self._may_have_run(task, recipe)
        if recipe is not None and why is not None:
            self._ask(task, recipe, now, why)

    def _ask(self, task: Task, recipe: Recipe, now: float, why: str) -> None:
        try:
            task_file = self._placement.task_file(task)
            ask = self._asking.approval(
                task_file, recipe, why, now, revision=task.revision + 1, warnings=warnings(task)
            )
        except DeskhandError as error:
            self._ledger.decide(task, Hold("parked", error.nameless), now)
            return
        self._ledger.decide(task, Reask(ask), now)
