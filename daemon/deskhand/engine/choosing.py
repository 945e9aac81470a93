"""Choosing the recipe of a drop: what the drop says itself, where it was dropped, and what is blessed."""

from __future__ import annotations

from deskhand.core import front_matter
from deskhand.core.routing import Choice as Route
from deskhand.core.routing import Drop as Facts
from deskhand.core.routing import choose
from deskhand.core.settings import Inbox, Settings
from deskhand.core.task import Options, TaskFile
from deskhand.store.accept import Choice, Drop
from deskhand.store.recipes import Recipes


class Choosing:
    """Used by the intake's threads; reads the catalogue, changes nothing."""

    def __init__(self, recipes: Recipes, settings: Settings) -> None:
        self._recipes = recipes
        self._inboxes: dict[str, Inbox] = {inbox.name: inbox for inbox in settings.inboxes}

    def for_drop(self, drop: Drop) -> Choice:
        """The recipe for a drop that is being taken."""
        options = drop.declared
        if options is None:
            options = Options()
            if drop.kind == "file" and front_matter.applies(drop.name):
                said = front_matter.read(drop.head)
                if said.problem is not None:
                    return Choice(pin=None, options=options, problem=said.problem, quarantine=True)
                options = said.options or options
        route = self._route(Facts(drop.name, drop.origin or drop.inbox, drop.route, options))
        return Choice(pin=route.pin, options=options, problem=route.problem, quarantine=False)

    def again(self, task_file: TaskFile) -> Route:
        """The recipe for a task that could not go on, as things are now."""
        return self._route(Facts(task_file.name, task_file.dropped_in, task_file.route, task_file.options))

    def _route(self, facts: Facts) -> Route:
        current = self._recipes.current
        return choose(facts, current.recipes, self._inboxes.get(facts.inbox), unavailable=current.unavailable)
