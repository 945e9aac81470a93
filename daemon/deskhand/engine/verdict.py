"""What the end of a process means for its attempt, and what the attempt used.  Touches nothing."""

from __future__ import annotations

import signal
from typing import Literal

from deskhand.core.event import Usage
from deskhand.core.recipe import Recipe
from deskhand.handlers.attempt import Ended

Result = Literal["ok", "failed", "cut", "drained", "cancelled"]


def verdict(ended: Ended | None, recipe: Recipe) -> tuple[Result, str | None]:
    """The result of an attempt of *recipe*, with the reason unless it went well.  *ended*: None = it had no process."""
    if ended is None or ended.ok:
        return "ok", None
    if ended.cut == "cancel":
        return "cancelled", "cancelled while it ran"
    if ended.cut == "drain":
        return "drained", "the daemon stopped while it ran"
    if ended.cut == "timeout":
        return "cut", f"it took longer than {recipe.timeout or 'the desk allows'} s"
    if ended.cut == "spawner":
        return "cut", ended.error or "its spawner died"
    if ended.error is not None:
        return "failed", ended.error
    if ended.signal is not None:
        return "cut", f"it was ended by {_signal(ended.signal)}"
    return "failed", f"exit status {ended.exit}"


def usage_of(ended: Ended | None) -> Usage:
    """What the attempt used, as the log tells it; times in seconds, to the microsecond."""
    if ended is None:
        return Usage()
    return Usage(
        exit=ended.exit if ended.signal is None else -ended.signal,
        output_bytes=ended.output_bytes,
        cpu_s=round(ended.cpu_s, 6),
        memory_bytes=ended.memory_bytes,
        duration_s=round(ended.duration_s, 6),
    )


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
