"""Judging the work on a desk: how much there is, how old it is, and whether something is stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from deskhand.core.health import Check, Verdict, worst_of
from deskhand.core.settings import Health
from deskhand.core.state import STARTABLE, State
from deskhand.core.task import Task
from deskhand.core.tasks import Tasks
from deskhand.operations.words import age, counted

LOOKED_AT = 200
"""Tasks that are looked at for one that is due, and for one beyond its timeout: the first ones to arrive."""
SHOWN = 3
"""Names that are shown."""
SLACK = 15.0
"""Seconds beyond its timeout that ending an attempt may take."""


class Overdue(Struct, frozen=True):
    """An attempt that should have been ended by its timeout."""

    key: str
    started: float
    """Epoch seconds."""
    timeout: float
    """Seconds."""


class Work(Struct, frozen=True):
    """The unfinished work at one moment."""

    counts: dict[str, int] = field(default_factory=dict)
    """State -> tasks."""
    oldest: dict[str, float] = field(default_factory=dict)
    """State -> when the task that arrived first came into it (epoch seconds)."""
    due_since: float | None = None
    """Since when the oldest task that could be started waits for it (epoch seconds); None: none does."""
    overdue: tuple[Overdue, ...] = ()
    paused: str = "no"
    """`no`, `intake` or `all`."""


def work_of(tasks: Tasks, now: float, paused: str, timeout: Callable[[Task], float]) -> Work:
    """What *tasks* are at.  *timeout*: seconds that an attempt at a task may take."""
    due = (max(task.since, task.next_at or 0.0) for task in tasks.first(STARTABLE, LOOKED_AT))
    overdue = (
        Overdue(task.key, task.since, limit)
        for task in tasks.first({State.STARTED}, LOOKED_AT)
        if now - task.since > (limit := timeout(task)) + SLACK
    )
    return Work(
        counts={state.value: count for state, count in tasks.counts.items() if count},
        oldest={state.value: task.since for state, task in tasks.oldest().items()},
        due_since=min((since for since in due if since <= now), default=None),
        overdue=tuple(overdue),
        paused=paused,
    )


def queue(work: Work, limits: Health, now: float) -> Check:
    """How deep the queue is, and how long the first task of each state has been in it."""
    total = sum(work.counts.values())
    if not total:
        return Check("queue", Verdict.OK, "nothing is unfinished")
    parts = [
        f"{count} {state.replace('_', ' ')} (oldest {age(now - work.oldest[state])})"
        if state in work.oldest
        else f"{count} {state}"
        for state, count in sorted(work.counts.items())
    ]
    reason = ", ".join(parts)
    if total > limits.queue_depth:
        text = f"{counted(total, 'task')} unfinished, more than {limits.queue_depth}: {reason}"
        return Check("queue", Verdict.DEGRADED, text, "deskhand tasks; raise run.workers, or drop less")
    return Check("queue", Verdict.OK, reason)


def stuck(work: Work, stalled: Iterable[str] | None, limits: Health, now: float) -> Check:
    """Whether work stands still that should not.  *stalled*: drops that stay unfinished; None without a daemon."""
    found = []
    if work.overdue:
        longest = max(work.overdue, key=lambda each: now - each.started - each.timeout)
        number = counted(len(work.overdue), "attempt")
        text = f"{number} beyond its timeout, the longest for {age(now - longest.started - longest.timeout)}"
        found.append(Check("", Verdict.DOWN, text, f"deskhand task cancel {longest.key[-6:]}"))
    if work.paused == "all":
        found.append(Check("", Verdict.DEGRADED, "the desk is paused: nothing is started", "deskhand resume"))
    elif work.due_since is not None and now - work.due_since > limits.pending_age:
        text = f"a task could have been started for {age(now - work.due_since)}"
        found.append(Check("", Verdict.DEGRADED, text, "deskhand tasks; raise run.workers"))
    names = list(stalled or ())
    if names:
        text, named = f"{counted(len(names), 'drop')} still being written for long", ", ".join(names[:SHOWN])
        found.append(Check("", Verdict.DEGRADED, text, "finish or remove what is being written", detail=named))
    if not found:
        found.append(Check("", Verdict.OK, "no attempt is beyond its timeout and nothing waits too long"))
    return worst_of("stuck", found)


def doubt(work: Work) -> Check:
    """Whether a person still has to say what became of a run that was cut off."""
    count = work.counts.get(State.IN_DOUBT, 0)
    if count:
        text = f"{counted(count, 'run')} in doubt: a person has to say what happened"
        return Check("doubt", Verdict.DEGRADED, text, "deskhand approvals")
    return Check("doubt", Verdict.OK, "nothing is in doubt")
