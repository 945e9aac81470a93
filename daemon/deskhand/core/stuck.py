"""Which tasks do not go on although they should, why, and what a person can do about it.

A task that waits for its time, for a worker, for another task or for an answer that is not overdue is not stuck.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import assert_never

from msgspec import Struct

from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.core.units import DURATIONS, show_duration

GRACE = 60.0
"""Seconds beyond its time after which something counts as late."""
DELIVERY_GRACE = 120.0
"""Seconds after its end in which results may still be on their way."""


class Around(Struct, frozen=True):
    """What a judgement needs to know beside the task; None where nobody knows."""

    now: float
    """Epoch seconds."""
    daemon: bool
    """Whether a daemon runs."""
    paused: str
    """`no`, `intake` or `all`."""
    workers: int
    timeout: float
    """Seconds that an attempt may take unless its recipe says otherwise."""
    expires_after: float
    """Seconds after which a question expires unless it says otherwise."""
    running: Collection[str] = ()
    """Keys of the tasks with an attempt under way."""
    undeliverable: Mapping[str, str] = {}
    """Key -> why its results could not be delivered."""
    unplaced: Collection[str] = ()
    """Keys of the tasks whose files cannot be moved where they belong."""


class Stuck(Struct, frozen=True):
    """A judgement."""

    why: str
    advice: str
    """A command, or what to look at."""


_NO_DAEMON = "no daemon runs"
_START = "deskhand run"


def judge(
    task: Task, around: Around, *, timeout: float | None = None, held: bool = False, hopeless: bool = False
) -> Stuck | None:
    """Why an unfinished or undelivered task is stuck; None when it is not.

    *timeout*: that of its recipe; *held*: its recipe runs as often as it may already; *hopeless*: what it waits for
    never comes by itself.
    """
    short = task.key[-6:]
    if task.key in around.unplaced:
        return Stuck("its files cannot be moved where they belong", "deskhand doctor")
    match task.state:
        case State.STARTED:
            return _started(task, around, timeout or around.timeout, short)
        case State.RECEIVED | State.READY | State.RETRY | State.APPROVED:
            return _due(task, around, held=held)
        case State.PARKED:
            return Stuck(task.reason or "it is parked", f"put that right, then: deskhand task retry {short}")
        case State.BLOCKED:
            advice = f"drop or retry what it waits for, or: deskhand task cancel {short}"
            return Stuck(task.reason or "it waits for another task", advice) if hopeless else None
        case State.WAITING:
            return _waiting(task, around, short)
        case State.IN_DOUBT:
            advice = f"deskhand approve {short} (run it again), approve --happened {short}, or reject {short}"
            return Stuck(task.reason or "nobody can say whether it ran", advice)
        case State.COMPLETED:
            return _undelivered(task, around)
        case State.FAILED | State.QUARANTINED | State.LOST | State.REJECTED | State.EXPIRED | State.CANCELLED:
            return None
        case _:
            assert_never(task.state)


def _started(task: Task, around: Around, timeout: float, short: str) -> Stuck | None:
    if not around.daemon:
        return Stuck(f"{_NO_DAEMON}, so its attempt was cut off", _START)
    runs = around.now - task.since
    if task.key not in around.running:
        known = runs > GRACE
        return Stuck("it is on record as started, and nothing runs", "restart the daemon") if known else None
    if runs > timeout + GRACE:
        why = f"it has run for {about(runs)}, and its limit is {show_duration(timeout)}"
        return Stuck(why, f"deskhand task cancel {short} --force")
    return None


def _due(task: Task, around: Around, *, held: bool) -> Stuck | None:
    late = around.now - max(task.since, task.next_at)
    if late <= GRACE or around.paused == "all":
        return None
    if not around.daemon:
        return Stuck(_NO_DAEMON, _START)
    if task.state is not State.RECEIVED and (held or len(around.running) >= around.workers):
        return None
    why = f"it could go on for {about(late)}, and nothing keeps it"
    return Stuck(why, "deskhand doctor; if that finds nothing, restart the daemon")


def _waiting(task: Task, around: Around, short: str) -> Stuck | None:
    expires = task.since + around.expires_after if task.expires is None else task.expires
    if around.now <= task.since + (expires - task.since) / 2:
        return None
    waits = about(around.now - task.since)
    left = "" if task.expires is None else f"; it expires in {about(expires - around.now)}"
    return Stuck(f"nobody has answered for {waits}{left}", f"deskhand approve {short}, or reject {short}")


def _undelivered(task: Task, around: Around) -> Stuck | None:
    if not task.undelivered or around.now - task.since <= DELIVERY_GRACE:
        return None
    if not around.daemon:
        return Stuck(f"its results are not delivered, and {_NO_DAEMON}", _START)
    why = around.undeliverable.get(task.key)
    said = "its results cannot be delivered" if why is None else f"its results cannot be delivered: {why}"
    return Stuck(said, "put that right; it is tried again every 30 s")


def about(seconds: float) -> str:
    """A length of time in one unit: ``90s``, ``15m``, ``5h``, ``3d``."""
    unit = next((unit for unit in ("d", "h", "m") if seconds >= 2 * DURATIONS[unit]), "s")
    return f"{max(0, round(seconds / DURATIONS[unit]))}{unit}"
