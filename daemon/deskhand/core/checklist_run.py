"""How a run of a checklist goes on: from the checklist, what is on record of the run, and the time, to the next action.

Rules: steps go in the order of the file; one that waits for a person holds up only those that need it.  What is on
record is never done again.  A step that was begun and not ended is left to the caller, who knows whether it is still
at work.  A run always ends: whatever still waits when its time is over is missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from deskhand.core.checklist import Checklist, Manual, Program, Step
from deskhand.core.routine import STARTED, OpenRun
from deskhand.core.units import show_duration

GOOD = frozenset({"ok", "warn"})
RANKS = ("ok", "skipped", "warn", "waiting", "unknown", "missed", "fail")
"""States of a step from the best to the worst; a run is as good as its worst step."""
BAD = frozenset({"fail", "missed", "unknown"})
PATIENCE = 86_400.0
"""Seconds that a program waits for its checklist to be blessed."""


class Do(Struct, frozen=True):
    """Look at the condition, and then run the program, look at the fact, or ask the question."""

    step: Step


class Settle(Struct, frozen=True):
    """Put this state of a step on record."""

    step: Step
    state: str
    reason: str


class Wait(Struct, frozen=True):
    """Nothing can be done before *until* (epoch seconds; None: before something happens)."""

    until: float | None


class Finish(Struct, frozen=True):
    """Every step has come to its end."""

    state: str


Action: TypeAlias = Do | Settle | Wait | Finish


def next_action(checklist: Checklist, run: OpenRun, now: float, *, blessed: bool) -> Action:
    """What is to be done next.  *blessed*: the checklist's programs may run."""
    deadlines: list[float] = []
    for step in checklist.steps:
        result = run.steps.get(step.id)
        state = None if result is None else result.state
        if state == STARTED:
            return Wait(None)  # one at a time
        if state == "waiting":
            action = _waiting(step, run, now, blessed=blessed)
            if action is not None:
                return action
            deadlines.append(_deadline(step, run))
        elif state is None:
            action = _first(step, run, blessed=blessed)
            if action is not None:
                return action
    if deadlines:
        return Wait(min(deadlines))
    return Finish(worst(result.state for result in run.steps.values()))


def _first(step: Step, run: OpenRun, *, blessed: bool) -> Action | None:
    """About a step that nothing is on record of; None while what it needs waits."""
    states = {need: run.steps[need].state if need in run.steps else None for need in step.needs}
    bad = [need for need, state in states.items() if state not in GOOD and state not in (None, "waiting", STARTED)]
    if bad:
        return Settle(step, "skipped", f"needs {bad[0]}, which is {states[bad[0]]}")
    if any(state not in GOOD for state in states.values()):
        return None
    if isinstance(step.what, Program) and not blessed:
        return Settle(step, "waiting", unblessed(run.checklist))
    return Do(step)


def _waiting(step: Step, run: OpenRun, now: float, *, blessed: bool) -> Action | None:
    if isinstance(step.what, Program) and blessed:
        return Do(step)
    if now < _deadline(step, run):
        return None
    if isinstance(step.what, Manual):
        escalated = f"; tell {step.escalate}" if step.escalate else ""
        return Settle(step, "missed", f"nobody ({step.role}) answered within {show_duration(step.due)}{escalated}")
    return Settle(step, "missed", f"the checklist was not blessed within {show_duration(PATIENCE)}")


def _deadline(step: Step, run: OpenRun) -> float:
    return run.at + (step.due if isinstance(step.what, Manual) else PATIENCE)


def unblessed(checklist: str) -> str:
    """Why a program does not run."""
    return f"its programs are not blessed as they are now: read it, then deskhand checklist bless {checklist}"


def worst(states: Iterable[str]) -> str:
    """The state of a run with steps in these states; what was skipped on purpose does not make it worse than ok."""
    found = max(states, key=RANKS.index, default="ok")
    return "ok" if found == "skipped" else found
