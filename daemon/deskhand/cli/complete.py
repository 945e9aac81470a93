"""Shell completion of ids and recipe names.  It never fails loudly: without a desk there is nothing to offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from deskhand.cli.frame import Frame
from deskhand.cli.group import DESK
from deskhand.errors import DeskhandError

if TYPE_CHECKING:
    from deskhand.core.task import Task
    from deskhand.engine.view import View

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offers(find: Callable[[Frame], Iterable[tuple[str, str]]]) -> Offer:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = list(find(Frame(ctx.meta.get(DESK))))
        except (DeskhandError, OSError):
            return []
        return [CompletionItem(value, help=text) for value, text in found if value.startswith(incomplete)]

    return complete


def _tasks(wanted: Callable[[Task], bool]) -> Callable[[Frame], Iterable[tuple[str, str]]]:
    def find(frame: Frame) -> Iterable[tuple[str, str]]:
        view: View = frame.look()
        return [(view.identifier(task.key), str(task.state)) for task in view.tasks() if wanted(task)]

    return find


def _recipes(frame: Frame) -> Iterable[tuple[str, str]]:
    return [(pin.id, f"version {pin.version}") for pin in dict.fromkeys(frame.look().book.pins)]


def _drafts(frame: Frame) -> Iterable[tuple[str, str]]:
    return [(path.stem, "draft") for path in sorted((frame.desk.recipes / "drafts").glob("*.yaml"))]


def _asking(task: Task) -> bool:
    from deskhand.core.state import ASKING

    return task.state in ASKING


def _option(argument: str, complete: Offer, **settings: Any) -> Callable[[Any], Any]:
    return click.argument(argument, shell_complete=complete, **settings)


def any_task(argument: str, **settings: Any) -> Callable[[Any], Any]:
    """An argument that is a task."""
    return _option(argument, _offers(_tasks(lambda task: True)), **settings)


def unfinished_task(argument: str, **settings: Any) -> Callable[[Any], Any]:
    """An argument that is an unfinished task."""
    return _option(argument, _offers(_tasks(lambda task: not task.terminal)), **settings)


def asking_task(argument: str, **settings: Any) -> Callable[[Any], Any]:
    """An argument that is a task that waits for an answer."""
    return _option(argument, _offers(_tasks(_asking)), **settings)


def draft(argument: str, **settings: Any) -> Callable[[Any], Any]:
    """An argument that is a recipe's draft."""
    return _option(argument, _offers(_drafts), **settings)


def recipe(argument: str, **settings: Any) -> Callable[[Any], Any]:
    """An argument that is a blessed recipe."""
    return _option(argument, _offers(_recipes), **settings)


offer_recipes = _offers(_recipes)
"""For options that take a blessed recipe."""
