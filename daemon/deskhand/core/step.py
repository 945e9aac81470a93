"""What to do when something happens to a task.

``step`` is a pure function: the task as it stands, what happened, the time.  Its answer is a value: the records that
say what is decided.  Writing them, and moving files accordingly, is the engine's work.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec
from msgspec import Struct

from deskhand.core.event import (
    Answer,
    Ask,
    Cancel,
    Damage,
    Delivered,
    Ended,
    Event,
    Expire,
    Hold,
    Reask,
    Route,
    Start,
)
from deskhand.core.record import DAEMON, Actor, Draft
from deskhand.core.state import ASKING, STARTABLE, TRANSITIONS, State
from deskhand.core.task import Task

MAX_REASON = 1000
"""Characters of a reason that go on record: a line of the log has room for 16 KiB."""
CUT_ATTEMPTS = 3
"""An idempotent run that keeps being cut off is given up after this many attempts (or the recipe's, if more): one
that kills the daemon every time must end somewhere."""

UNREADY_PAUSE = 30.0
"""Seconds at least until an attempt that the disk or the system did not let begin is made again, whatever the recipe's
backoff: each try is a record in a log that may be short of room itself."""


class Decision(Struct, frozen=True):
    """Records to write, in order; none and a *refusal* when the event has no effect."""

    drafts: tuple[Draft, ...] = ()
    refusal: str | None = None


def step(task: Task, event: Event, now: float) -> Decision:
    """Decide.  *now* is epoch seconds."""
    match event:
        case Route():
            return _route(task, event)
        case Reask() if task.pin is None:
            return Decision(refusal="a task without a recipe has nothing to ask about")
        case Reask():
            return _reask(task, event)
        case Answer():
            return _answer(task, event, now)
        case Expire():
            return _expire(task, now)
        case Start():
            return _start(task, event, now)
        case Ended():
            return _ended(task, event, now)
        case Cancel():
            return _cancel(task, event)
        case Damage():
            missing: dict[str, Any] = {"missing": list(event.missing)} if event.kind == "lost" else {}
            return _if_legal(task, State(event.kind), _draft(f"task.{event.kind}", missing, reason=event.reason))
        case Hold():
            return _if_legal(task, State(event.kind), _draft(f"task.{event.kind}", reason=event.reason))
        case Delivered():
            given_up = {} if event.problem is None else {"problem": event.problem[:MAX_REASON]}
            return Decision((_draft("task.delivered", {"targets": list(event.targets), **given_up}),))
        case _:
            assert_never(event)


def _draft(
    kind: str, fields: dict[str, Any] | None = None, *, actor: Actor = DAEMON, reason: str | None = None
) -> Draft:
    said = {"reason": reason[:MAX_REASON]} if reason else {}
    return Draft(kind, {"actor": msgspec.to_builtins(actor), **said, **(fields or {})})


def _asking(kind: str, ask: Ask) -> Draft:
    fields: dict[str, Any] = {"digest": ask.digest, "revision": ask.revision, "expires": ask.expires}
    if kind == "task.waiting":
        fields["input_sha256"] = ask.input_sha256
    return _draft(kind, fields, reason=ask.reason)


def _if_legal(task: Task, to: State, draft: Draft) -> Decision:
    if to not in TRANSITIONS[task.state]:
        return Decision(refusal=f"a task that is {task.state} cannot become {to}")
    return Decision((draft,))


def _reask(task: Task, event: Reask) -> Decision:
    if task.pin is None:
        return Decision(refusal="it has no recipe: there is nothing to ask about")
    if task.state is State.IN_DOUBT:
        return Decision((_draft_in_doubt(task, event.ask),))
    return _if_legal(task, State.WAITING, _asking("task.waiting", event.ask))


def _route(task: Task, event: Route) -> Decision:
    """From received, or again from parked or blocked."""
    if event.hostile:
        return Decision((_draft("task.quarantined", reason=event.problem),))
    problem = event.problem or (None if event.pin is not None else "no recipe")
    if problem is not None:
        if task.state is State.PARKED:
            return Decision(refusal=problem)
        ready = (_ready(event),) if task.state is State.BLOCKED else ()
        return Decision((*ready, _draft("task.parked", reason=problem)))
    if event.blocked is not None:
        if task.state is State.BLOCKED:
            return Decision(refusal=event.blocked)
        ready = (_ready(event),) if task.state is State.PARKED else ()
        return Decision((*ready, _draft("task.blocked", reason=event.blocked)))
    known = task.state is State.RECEIVED and task.pin == event.pin
    ready = () if known and event.ask is not None else (_ready(event),)
    ask = () if event.ask is None else (_asking("task.waiting", event.ask),)
    return Decision((*ready, *ask))


def _ready(event: Route) -> Draft:
    return _draft("task.ready", {"recipe": msgspec.to_builtins(event.pin), "priority": event.priority})


def _answer(task: Task, event: Answer, now: float) -> Decision:
    if task.state not in ASKING:
        return Decision(refusal=f"nothing is asked: the task is {task.state}")
    if event.digest != task.digest:
        return Decision(refusal="the answer is to something else than what was asked")
    if task.state is State.IN_DOUBT:
        fields: dict[str, Any] = {"attempt": task.attempt, "via": "answer"}
        match event.verdict:
            case "approved":
                return _answered(event, "task.retry", {**fields, "next_at": now})
            case "happened":
                return _answered(event, "task.completed", fields)
            case "rejected":
                return _answered(event, "task.failed", fields)
            case _:
                assert_never(event.verdict)
    if task.expires is not None and now >= task.expires and not event.expiry_suspended:
        return _expire(task, now)
    if event.verdict == "happened":
        return Decision(refusal="it was never started: approve it or reject it")
    how = {"digest": event.digest, "revision": task.revision, "via": event.actor.via}
    return _answered(event, f"task.{event.verdict}", how)


def _answered(event: Answer, kind: str, fields: dict[str, Any]) -> Decision:
    return Decision((_draft(kind, fields, actor=event.actor, reason=event.reason),))


def _expire(task: Task, now: float) -> Decision:
    if task.state is not State.WAITING or task.expires is None or now < task.expires:
        return Decision(refusal="not due")
    fields = {"digest": task.digest, "expires": task.expires}
    return Decision((_draft("task.expired", fields, reason="nobody answered in time"),))


def _start(task: Task, event: Start, now: float) -> Decision:
    if task.state not in STARTABLE or _too_early(task, now) or task.pin is None:
        return Decision(refusal=f"a task that is {task.state} cannot be started now")
    if event.needs_approval and task.approved is None:
        return Decision(refusal="nobody has approved it")
    fields = {
        "attempt": task.attempt + 1,
        "attempt_key": event.attempt_key,
        "recipe": msgspec.to_builtins(task.pin),
        "approval": task.approved,
        "input_sha256": task.input_sha256,
        **({} if event.reserve is None else {"reserved": event.reserve}),
    }
    return Decision((_draft("task.started", fields),))


def _too_early(task: Task, now: float) -> bool:
    if task.state is State.RETRY and now < task.since:
        return False  # the clock was set back since: its `next_at` says nothing any more, perhaps for years
    return now < task.next_at


def _ended(task: Task, event: Ended, now: float) -> Decision:
    if task.state is not State.STARTED:
        return Decision(refusal=f"no attempt of it is running: the task is {task.state}")
    usage: dict[str, Any] = {"attempt": task.attempt, **msgspec.to_builtins(event.usage)}
    cap = event.attempts + task.attempt_cap_extra
    match event.result:
        case "ok":
            outcome: dict[str, Any] = {"results": list(event.results), **({"deliver": True} if event.deliver else {})}
            return Decision((_draft("task.completed", {**usage, **outcome}),))
        case "cancelled":
            actor = event.actor or DAEMON
            return Decision((_draft("task.cancelled", {"attempt": task.attempt}, actor=actor, reason=event.reason),))
        case "failed":
            if task.attempt < cap:
                return _retry(event, usage, now + event.backoff)
            return Decision((_draft("task.failed", usage, reason=event.reason),))
        case "unready":
            return _retry(event, usage, now + max(event.backoff, UNREADY_PAUSE), via="unready")
        case "cut" | "drained":
            if not event.idempotent:
                if event.ask is None:
                    raise ValueError("a run that may not be repeated was cut off, and there is no question to ask")
                return Decision((_draft_in_doubt(task, event.ask),))
            if event.result == "drained":
                return _retry(event, usage, now, via="drain")
            if task.attempt < max(cap, CUT_ATTEMPTS + task.attempt_cap_extra):
                return _retry(event, usage, now + (event.backoff if task.attempt > 1 else 0.0))
            return Decision((_draft("task.failed", usage, reason=event.reason),))
        case _:
            assert_never(event.result)


def _draft_in_doubt(task: Task, ask: Ask) -> Draft:
    draft = _asking("task.in_doubt", ask)
    return Draft(draft.type, {**draft.fields, "attempt": task.attempt})


def _retry(event: Ended, usage: dict[str, Any], next_at: float, via: str | None = None) -> Decision:
    how = {"via": via} if via else {}
    return Decision((_draft("task.retry", {"next_at": next_at, **usage, **how}, reason=event.reason),))


def _cancel(task: Task, event: Cancel) -> Decision:
    if task.terminal:
        return Decision(refusal=f"it is already {task.state}")
    if task.state is State.STARTED:
        return Decision(refusal="it is running: its attempt has to be stopped first")
    return Decision((_draft("task.cancelled", {"via": event.actor.via}, actor=event.actor, reason=event.reason),))
