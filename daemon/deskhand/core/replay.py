"""From records to tasks: the one place that says what a record means for the state of a task.

The engine and recovery both use :func:`apply`, so what runs and what is read back after a crash cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from deskhand.core.recipe import Pin
from deskhand.core.record import Draft
from deskhand.core.state import TRANSITIONS, State
from deskhand.core.task import Task

TARGETS: Mapping[str, State] = MappingProxyType(
    {f"task.{state.value}": state for state in State} | {"task.delivered": State.COMPLETED}
)
"""Record type -> the state a task is in after it."""


class IllegalMove(ValueError):
    """A record that the transition table does not allow; a defect or a forged log."""


def stamp_task(task: Task | None, key: str, draft: Draft) -> Draft:
    """*draft* with the fields every task record carries: whose, its number, the one before, from and to."""
    before = None if task is None else task.state
    numbering: dict[str, Any] = {
        "task": key,
        "tn": 1 if task is None else task.tn + 1,
        "tprev": None if task is None else task.seq,
        "from": before,
        "to": TARGETS[draft.type],
    }
    return Draft(draft.type, {**numbering, **draft.fields})


def apply(task: Task | None, kind: str, fields: Mapping[str, Any], seq: int, ts: float) -> Task:
    """The task after a record of type *kind*.  Raises IllegalMove when the table does not allow it."""
    to = TARGETS.get(kind)
    if to is None:
        raise IllegalMove(f"{kind} is no task record")
    if task is None:
        if to is not State.RECEIVED:
            raise IllegalMove(f"the first record of a task is task.received, not {kind}")
        return _received(fields, seq, ts)
    if kind == "task.delivered":
        if task.state is not State.COMPLETED or not task.undelivered:
            raise IllegalMove(f"task.delivered after {task.state}")
        problem = fields.get("problem")
        return replace(task, tn=task.tn + 1, seq=seq, undelivered=False, results=None, reason=problem or task.reason)
    if to not in TRANSITIONS[task.state]:
        raise IllegalMove(f"{task.state} -> {to} is no legal move")
    return replace(
        task, state=to, tn=task.tn + 1, seq=seq, since=ts, reason=fields.get("reason"), **_changes(task, to, fields)
    )


def _received(fields: Mapping[str, Any], seq: int, ts: float) -> Task:
    return Task(
        key=fields["task"],
        state=State.RECEIVED,
        tn=1,
        seq=seq,
        first_seq=seq,
        since=ts,
        received=ts,
        task_sha256=fields["task_sha256"],
        input_sha256=fields["input_sha256"],
        inbox=fields.get("inbox", ""),
        pin=_pin(fields.get("recipe")),
        priority=fields.get("priority", 0),
        next_at=fields.get("not_before") or 0.0,
        label=fields.get("label"),
        after=tuple(fields.get("after", ())),
        reason=fields.get("reason"),
        strict=fields.get("strict", False),
        duplicate_of=fields.get("duplicate_of"),
    )


def _pin(value: Any) -> Pin | None:
    if value is None:
        return None
    try:
        return _shared(*map(value.get, Pin.__struct_fields__))
    except (AttributeError, TypeError):
        return msgspec.convert(value, Pin)  # which says what is wrong with it


@lru_cache(maxsize=1024)
def _shared(*values: Any) -> Pin:
    """One object for each version of a recipe, however many tasks have it."""
    return msgspec.convert(dict(zip(Pin.__struct_fields__, values, strict=True)), Pin)


def _changes(task: Task, to: State, fields: Mapping[str, Any]) -> dict[str, Any]:
    match to:
        case State.READY:
            return {
                "pin": _pin(fields.get("recipe")) or task.pin,
                "priority": fields.get("priority", task.priority),
                "digest": None,
                "approved": None,
            }
        case State.WAITING | State.IN_DOUBT:
            return {
                "digest": fields["digest"],
                "revision": fields["revision"],
                "expires": fields.get("expires"),
                "approved": None if to is State.WAITING else task.approved,
                "input_sha256": fields.get("input_sha256", task.input_sha256),
            }
        case State.APPROVED:
            return {"approved": fields["digest"], "digest": None, "expires": None}
        case State.STARTED:
            return {"attempt": fields["attempt"]}
        case State.RETRY:
            granted = 1 if fields.get("via") else 0
            return {
                "next_at": fields["next_at"],
                "digest": None,
                "attempt_cap_extra": task.attempt_cap_extra + granted,
            }
        case State.COMPLETED:
            deliver = bool(fields.get("deliver"))
            results = tuple(fields.get("results", ())) if deliver else None
            return {"undelivered": deliver, "results": results, "digest": None}
        case _:
            return {"digest": None}
