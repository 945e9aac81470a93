"""A canary: a real file, dropped like any other, seen through to its end.

It is handed in as ``deskhand drop`` does it, and nobody is rung: that the daemon notices it by itself is part of what
is tried.  It stays in ``completed/``, where ``*health_check*`` finds it.
"""

from __future__ import annotations

import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from deskhand.cli.frame import Frame
from deskhand.cli.submitting import new_suffix
from deskhand.core.health import Check, Verdict
from deskhand.core.names import key_of
from deskhand.core.state import State
from deskhand.core.task import Options
from deskhand.errors import DeskhandError, HeldError
from deskhand.host.client import request
from deskhand.store.drop_file import submit
from deskhand.store.files import Files

LIMIT = 30.0
"""Seconds in which it has to come to its end."""
SLOW = 5.0
"""Seconds above which that is slow."""


def canary(frame: Frame, recipe: str, *, paused: str, alive: bool) -> Check:
    """Drop a file with *recipe* and wait for its end."""
    if not alive:
        return Check("canary", Verdict.UNKNOWN, "no daemon answers that could take it", "deskhand run")
    if paused != "no":
        return Check("canary", Verdict.UNKNOWN, "the desk is paused: nothing is taken in", "deskhand resume")
    start = time.perf_counter()
    identifier = _drop(frame, recipe)
    try:
        state, reason = _end(frame, key_of(identifier), start + LIMIT)
    except DeskhandError as error:
        return Check("canary", Verdict.DOWN, error.nameless, error.hint, detail=identifier)
    took = time.perf_counter() - start
    if state == State.COMPLETED:
        slow = took > SLOW
        text = f"a dropped file was completed after {took:.3f} s"
        verdict, fix = (Verdict.DEGRADED, "deskhand status") if slow else (Verdict.OK, None)
        return Check("canary", verdict, text, fix, 1000 * took, identifier)
    text = f"a dropped file is {state or 'not taken'} after {took:.1f} s" + (f": {reason}" if reason else "")
    return Check("canary", Verdict.DOWN, text, f"deskhand task show {identifier[-6:]}", 1000 * took, identifier)


def _drop(frame: Frame, recipe: str) -> str:
    now = frame.now
    text = f"deskhand health --canary, {datetime.fromtimestamp(now, UTC).isoformat(timespec='seconds')}\n"
    with tempfile.TemporaryDirectory(prefix="deskhand-canary-") as folder:
        source = Path(folder) / f"health_check-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}.txt"
        source.write_text(text)
        return submit(
            *(Files(), frame.desk, source, Options(recipe=recipe)),
            now=now,
            suffix=new_suffix(),
            limit=frame.settings.intake.max_size,
        )


def _end(frame: Frame, key: str, until: float) -> tuple[str | None, str | None]:
    """State and reason when it is over or waits for somebody; the last ones known when the time is up."""
    pause, tick = 0.005, threading.Event()
    while True:
        left = until - time.perf_counter()
        try:
            reply = request(frame.desk, "wait", {"key": key}, timeout=max(0.1, left), need_daemon=True)
        except HeldError:
            if time.perf_counter() < until:
                raise
            task = frame.look().task(key)
            return (None, None) if task is None else (task.state, task.reason)
        if reply.get("state") is not None or time.perf_counter() >= until:
            return reply.get("state"), reply.get("reason")
        tick.wait(pause)  # not on record yet: it is being taken
        pause = min(2 * pause, 0.1)
