"""What ``deskhand health`` looks at: the daemon first, then the desk, then a drop that goes all the way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec

from deskhand.cli.audit_verify import verifying
from deskhand.cli.canary import canary as fly
from deskhand.cli.catalogue import recipes
from deskhand.cli.frame import Frame
from deskhand.core.health import Check, Verdict
from deskhand.core.settings import Settings
from deskhand.core.task import Task
from deskhand.engine.health import Look, Standing, standing, timed
from deskhand.engine.view import View
from deskhand.errors import ConfigError, DeskhandError
from deskhand.host.client import daemon_alive, request
from deskhand.operations import health_daemon, health_work
from deskhand.operations.health_daemon import Vitals
from deskhand.store.head import read_head
from deskhand.store.recipes import Catalogue

PATIENCE = 5.0
"""Seconds in which the daemon has to answer."""


def looks(frame: Frame, *, full: bool, canary: bool, post_recovery: bool, quiet: bool) -> Iterator[Check]:
    """Every check that was asked for, as soon as it is done.  *quiet*: show no progress."""
    before = _head(frame)
    daemon, vitals = _daemon(frame)
    yield daemon
    settings = _settings(frame)
    now = frame.now
    look = Look(frame.desk, settings, now, os.environ)
    try:
        view = frame.look()
    except DeskhandError as error:
        yield Check("log", Verdict.DOWN, error.nameless, error.hint, detail=error.path)
        said, tasks = Standing(health_work.Work()), []
    else:
        said, tasks = _standing(frame, view, settings, now), list(view.unfinished.values())
    if full or post_recovery:
        with verifying(frame, shown=not quiet) as progress:
            yield from look.full(said, vitals, tasks, progress)
    else:
        yield from look.quick(said, vitals)
    if canary or post_recovery:
        yield fly(frame, settings.health.canary, paused=said.work.paused, alive=vitals is not None)
    if post_recovery:
        yield timed("doubt", lambda: health_work.doubt(said.work))
        yield timed("log", lambda: _continues(frame, before))


def _daemon(frame: Frame) -> tuple[Check, Vitals | None]:
    """Whether it answers, how soon, and what it says of itself."""
    start = time.perf_counter()
    try:
        request(frame.desk, "ping", timeout=PATIENCE, need_daemon=True)
    except DeskhandError as error:
        return health_daemon.silent(error.cause, accepts=daemon_alive(frame.desk)), None
    answered = health_daemon.answered(time.perf_counter() - start)
    try:
        return answered, msgspec.convert(request(frame.desk, "health", timeout=PATIENCE, need_daemon=True), Vitals)
    except (DeskhandError, msgspec.ValidationError) as error:
        cause = error.cause if isinstance(error, DeskhandError) else "it is of another version"
        text = f"it answers, and does not say how it is: {cause}"
        return Check("daemon", Verdict.DEGRADED, text, "stop it and start it again", answered.latency_ms), None


def _head(frame: Frame) -> int:
    """Number of the last durable record; 0 when nobody can say."""
    try:
        head, _ = read_head(frame.desk.audit)
    except OSError:
        return 0
    return 0 if head is None else head.seq


def _settings(frame: Frame) -> Settings:
    """The desk's; what comes with deskhand when they cannot be read, which is a check of its own."""
    try:
        return frame.settings
    except ConfigError:
        return Settings()


def _standing(frame: Frame, view: View, settings: Settings, now: float) -> Standing:
    try:
        current = recipes(frame).current
    except (DeskhandError, OSError):  # that they cannot be read is a check of its own
        current = Catalogue()

    def timeout(task: Task) -> float:
        recipe = None if task.pin is None else current.get(task.pin.id)
        return settings.run.timeout if recipe is None or recipe.timeout is None else recipe.timeout

    return standing(view.book, view.last_record, now, timeout)


def _continues(frame: Frame, before: int) -> Check:
    """Whether the log goes on: something was written behind what was there before."""
    head, why = read_head(frame.desk.audit)
    if head is None:
        return Check("log", Verdict.UNKNOWN, f"its head was not used: {why}", "deskhand audit verify")
    if head.seq <= before:
        text = f"nothing was written behind record {before}"
        return Check("log", Verdict.DOWN, text, "deskhand run, then look again")
    return Check("log", Verdict.OK, f"it goes on: {head.seq - before} records were written behind record {before}")
