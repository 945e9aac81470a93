"""The daemon looking at itself once a minute: what changed goes on record, the rest is shown.

What it knows is taken on the deciding thread, in microseconds; what touches the disk is done by a worker of its own, so
that a backup that takes an hour hides nothing.  What was found is heard by the deciding thread, which alone writes
records.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
from msgspec.structs import replace

from deskhand.core.health import Check, Verdict, changes, worst
from deskhand.core.names import visible
from deskhand.core.record import Draft
from deskhand.core.task import Task
from deskhand.engine import dashboards
from deskhand.engine.assemble import Session
from deskhand.engine.chores import Chores
from deskhand.engine.health import Look, Standing, standing
from deskhand.errors import StoreError
from deskhand.operations.health_daemon import Vitals
from deskhand.operations.recipes_note import RecipesFacts
from deskhand.operations.security_note import SecurityFacts
from deskhand.store.files import Files

PATIENCE = 1.0
"""Seconds in which a file made in an inbox has to be heard of."""
REASON_MAX = 1000
"""Characters of a reason that go on record."""


class SelfLook:
    """Used by the deciding thread only."""

    def __init__(self, session: Session, worker: Chores, lag: Callable[[], float]) -> None:
        """*worker*: makes the looks, and nothing else; *lag*: seconds by which the clockwork is late."""
        self._session = session
        self._worker = worker
        self._lag = lag
        self._under_way = False
        self._last: dict[str, Verdict] = dict(session.engine.ledger.book.condition.health)
        self._turned = self._seconds()
        self._took = 0.0
        self._since = session.clock.wall()
        self.checks: tuple[Check, ...] = ()
        """What the last look found."""
        self.looked: float | None = None
        """When (epoch seconds); None: not yet."""

    @property
    def bad(self) -> tuple[tuple[str, Verdict], ...]:
        """What the last look found not ok, by name."""
        return tuple((check.name, check.verdict) for check in self.checks if check.verdict is not Verdict.OK)

    @property
    def verdict(self) -> Verdict:
        """Of the last look."""
        return worst(check.verdict for check in self.checks)

    def turned(self, took: float) -> None:
        """The deciding loop made a turn, in *took* seconds."""
        self._turned, self._took = self._seconds(), took

    def begin(self) -> None:
        """Look, unless a look is under way."""
        if not self._under_way:
            self._under_way = True
            now = self._session.clock.wall()
            said, vitals = self._standing(now), self._vitals()
            notes = dashboards.recipes(self._session, self._since), dashboards.security(self._session, self._since)
            self._worker.submit("health", lambda: self._look(said, vitals, now, notes), self._heard)

    def vitals(self) -> Future[dict[str, Any]]:
        """For whoever asks over the control socket: what only the daemon knows, the watcher tried."""
        vitals = self._vitals()
        return self._worker.submit("vitals", lambda: msgspec.to_builtins(self._tried(vitals)))

    def status(self) -> dict[str, Any]:
        """The last look, as plain data: its verdict, when it was (epoch seconds), and what is not ok."""
        bad = [check for check in self.checks if check.verdict is not Verdict.OK]
        return {"overall": self.verdict.value, "looked": self.looked, "checks": msgspec.to_builtins(bad)}

    def _heard(self, result: Future[list[Check]]) -> None:
        """Put on record what a look found to have changed."""
        self._under_way = False
        if result.exception() is not None:  # the worker has said so in the operational log
            self.checks = (Check("look", Verdict.UNKNOWN, "looking at the desk failed; logs/deskhand.log says why"),)
        else:
            self.checks = tuple(result.result())
        self.looked = self._session.clock.wall()
        for change in changes(self._last, self.checks):
            fields = {"check": change.check, "from": change.before.value, "to": change.after.value}
            draft = Draft("health.changed", {**fields, "reason": change.reason[:REASON_MAX]})
            self._session.engine.ledger.note(draft)
            self._session.parts.log.warning("health changed", **fields, reason=change.reason)
        self._last.update((check.name, check.verdict) for check in self.checks)

    # -- what is known right now -------------------------------------------------------------------------------

    def _seconds(self) -> float:
        return self._session.clock.monotonic_ns() / 1e9

    def _standing(self, now: float) -> Standing:
        # Whatever was just recorded is not in the future: the newest record need not be asked for.
        return standing(self._session.engine.ledger.book, None, now, self._timeout)

    def _timeout(self, task: Task) -> float:
        recipe = None if task.pin is None else self._session.parts.recipes.current.get(task.pin.id)
        own = None if recipe is None else recipe.timeout
        return self._session.settings.run.timeout if own is None else own

    def _vitals(self) -> Vitals:
        parts, time, settings = self._session.parts, self._session.engine.time, self._session.settings
        watcher, mono = parts.watcher, self._seconds()
        return Vitals(
            turn_age=max(0.0, mono - self._turned),
            turn_took=self._took,
            turn_due=min(settings.scan_interval, settings.health.every),
            lag=self._lag(),
            watching="scan only" if watcher is None else watcher.mode,
            watcher_errors=0 if watcher is None else watcher.errors,
            stalled=tuple(visible(entry.name) for entry in parts.intake.stalled()),
            stuck=self._session.engine.stuck,
            step=time.step,
            step_age=max(0.0, mono - time.stepped),
        )

    # -- in the worker -----------------------------------------------------------------------------------------

    def _tried(self, vitals: Vitals) -> Vitals:
        watcher = self._session.parts.watcher
        if watcher is None or vitals.watching != "events":
            return vitals
        heard, failed = watcher.probe(Files(), PATIENCE)
        return replace(vitals, heard=heard, not_probed=failed)

    def _look(
        self, said: Standing, vitals: Vitals, now: float, notes: tuple[RecipesFacts, SecurityFacts]
    ) -> list[Check]:
        look = Look(self._session.desk, self._session.settings, now, os.environ)
        found = list(look.quick(said, self._tried(vitals)))
        try:
            dashboards.write(self._session.desk, *notes, found)
        except StoreError as error:
            text = "the notes about recipes and security cannot be written"
            found.append(Check("vault", Verdict.DEGRADED, text, error.hint or "deskhand doctor", detail=error.sentence))
        return found
