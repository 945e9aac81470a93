"""A task as the listing verbs show it: for programs, and as a row of a table."""

from __future__ import annotations

from typing import Any

from deskhand.cli import show
from deskhand.cli.times import ago
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.view import View

HEADS = ("TASK", "STATE", "SINCE", "RECIPE", "NAME AND REASON")


def as_data(view: View, task: Task) -> dict[str, Any]:
    """A task for programs; times are epoch seconds."""
    described = view.task_file(task.key)
    place = view.place(task.key)
    return {
        "id": view.identifier(task.key),
        "key": task.key,
        "name": None if described is None else described.name,
        "state": str(task.state),
        "since": task.since,
        "received": task.received,
        "folder": None if place is None else show.path(place.folder, below=view.desk.root),
        "inbox": task.inbox,
        "recipe": None if task.pin is None else task.pin.id,
        "version": None if task.pin is None else task.pin.version,
        "attempt": task.attempt,
        "next_at": task.next_at or None,
        "priority": task.priority,
        "reason": view.reason(task),
        "expires": task.expires if task.state is State.WAITING else None,
        "duplicate_of": task.duplicate_of,
        "undelivered": task.undelivered,
    }


def row(view: View, task: Task, now: float) -> tuple[str, ...]:
    """A task as cells under :data:`HEADS`."""
    described = view.task_file(task.key)
    gone = "(forgotten)" if task.key in view.forgotten else "(its files are gone)"
    name = gone if described is None else show.short(described.name)
    recipe = "-" if task.pin is None else task.pin.id
    return (
        view.identifier(task.key),
        show.state(task.state),
        ago(task.since, now),
        recipe,
        with_reason(name, task, now, view.reason(task)),
    )


def with_reason(name: str, task: Task, now: float, reason: str | None) -> str:
    """The name, and what a person should know about where the task stands."""
    said = [reason.rstrip(".")] if reason else []
    if task.state is State.RETRY and task.next_at:
        said.append(f"again {ago(task.next_at, now)}")
    if task.state is State.READY and task.next_at > now:
        said.append(f"starts {ago(task.next_at, now)}")
    if task.undelivered:
        said.append("its results are not delivered yet")
    if task.duplicate_of:
        said.append(f"same bytes as {task.duplicate_of}")
    return f"{name}: {show.text('; '.join(said))}" if said else name
