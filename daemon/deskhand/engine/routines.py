"""What the desk does by the clock and beside its tasks, put together: schedules, checklists, chores, maintenance.

The engine calls it once a tick: ``decide``, and, once that is durable, ``act``.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

import msgspec

from deskhand.core.checklist import Checklist, Drop
from deskhand.core.due import Closed, never_closed
from deskhand.core.record import DAEMON
from deskhand.core.routine import schedule_of
from deskhand.core.task import Options
from deskhand.engine.checklist_runs import ChecklistRuns
from deskhand.engine.chores import Chores
from deskhand.engine.cron import Cron
from deskhand.engine.facts import Facts, snapshot
from deskhand.engine.ledger import Ledger
from deskhand.engine.maintenance import Maintenance
from deskhand.engine.parts import Parts
from deskhand.engine.planner import Plan, Planner
from deskhand.engine.programs import Programs
from deskhand.engine.zone import desk_zone, zone_named
from deskhand.errors import DeskhandError
from deskhand.handlers.spawner import Spawner
from deskhand.store.checklist_files import ChecklistFiles
from deskhand.store.desk import Desk
from deskhand.store.drop_file import submit
from deskhand.store.files import Files

CHECKLIST = "checklist"
"""Prefix of the schedules of checklists."""


class Routines:
    """See the module."""

    def __init__(
        self,
        files: Files,
        desk: Desk,
        parts: Parts,
        spawner: Spawner,
        ring: Callable[[], None],
        notify: Callable[[str, str], None],
        environ: Mapping[str, str],
    ) -> None:
        """ConfigError when a time zone or a maintenance window makes no sense."""
        settings, log = parts.settings, parts.log
        self.zone = desk_zone(settings, environ)
        self._desk = desk
        self._parts = parts
        self._ledger: Ledger = parts.ledger
        self._log = log
        self._files = ChecklistFiles(files, desk, desk.root / settings.schedules.holidays)
        self.chores = Chores(ring, log)
        self.maintenance = Maintenance(settings.maintenance, self.zone)
        self.planner = Planner(parts.ledger, self.chores, log, partial(self._missed, notify))
        self.checklists = ChecklistRuns(
            parts.ledger,
            self._files,
            self.chores,
            Programs(files, desk, spawner, settings.run, environ),
            self.facts,
            partial(_drop, files, desk, settings.intake.max_size, parts.clock.wall),
            notify,
            self.zone,
            log,
        )
        self.problems: tuple[str, ...] = ()
        """What keeps schedules from being followed."""
        self._planned: object = None

    def facts(self, now: float) -> Facts:
        """The desk's facts as of now, to be read in any thread."""
        return Facts(self._desk, snapshot(self._parts, now), self.zone)

    def look(self) -> None:
        """Read checklists, ticks and holidays again where they changed."""
        try:
            self.checklists.look()
            days, _ = self._files.closed_days()
        except DeskhandError as error:
            self._log.warning("checklists cannot be read", cause=error.sentence)
            return
        found, blessed = self.checklists.found, dict(self._ledger.book.routine.blessed)
        planned = [(each.name, each.sha256) for each in found.values()], blessed, days
        if planned == self._planned:
            return
        self._planned = planned
        problems = [f"the holidays file is wrong: {violation.message}" for violation in days.violations[:1]]
        plans: dict[str, Plan] = {}

        def closed(zone: tzinfo, occurrence: float) -> str | None:
            return days.days.get(datetime.fromtimestamp(occurrence, zone).date())

        for name, each in found.items():
            if each.checklist is None:
                problems.append(f"checklist {name} cannot be read: {each.problems[0]}")
            elif name not in blessed:
                problems.append(f"checklist {name} is not blessed, so it is not scheduled and its programs do not run")
            else:
                if blessed[name].sha256 != each.sha256:
                    problems.append(f"checklist {name} was changed since it was blessed: its programs do not run")
                try:
                    plan = self._plan(each.checklist, blessed[name].at, closed)
                except DeskhandError as error:
                    problems.append(f"checklist {name}: {error.cause}")
                    continue
                if plan is not None:
                    plans[plan.name] = plan
        problems += [
            f"checklist {name} is blessed, but its file is gone" for name in sorted(blessed.keys() - found.keys())
        ]
        self.problems = tuple(problems)
        self.planner.replace(CHECKLIST, plans)

    def _plan(self, checklist: Checklist, since: float, closed: Callable[[tzinfo, float], str | None]) -> Plan | None:
        if checklist.schedule is None:
            return None
        zone = self.zone if checklist.zone is None else zone_named(checklist.zone)
        respects: Closed = never_closed if checklist.holidays == "run" else partial(closed, zone)
        name = checklist.name

        def begin(occurrence: float, now: float) -> None:
            self.checklists.begin(name, now, DAEMON, occurrence)

        return Plan(
            schedule_of(name),
            Cron(checklist.schedule, zone),
            begin,
            policy=checklist.catch_up,
            grace=checklist.grace,
            closed=respects,
            since=since,
            busy=lambda: self.checklists.busy(name),
        )

    def _missed(self, notify: Callable[[str, str], None], schedule: str, reason: str) -> None:
        self._log.warning("a scheduled time was missed", schedule=schedule, reason=reason)
        notify(f"{schedule} was missed", reason)

    def decide(self, now: float, *, full: bool, begin: bool) -> None:
        """What chores, the clock and the runs of checklists bring now; *full*: look at the files as well."""
        self.chores.hear()
        if full:
            self.look()
        if not begin:
            return
        self.checklists.advance(now)  # first: what ends now makes room for its next occurrence
        self.planner.look(now)
        self.checklists.advance(now)

    def act(self) -> None:
        """What was decided is durable."""
        self.chores.settle()
        self.planner.act()
        self.checklists.act()

    def next_time(self, now: float) -> float | None:
        """Epoch seconds of the next thing that the clock brings."""
        moments = (self.planner.next_time(), self.checklists.next_time(now), self.maintenance.next_change(now))
        return min((moment for moment in moments if moment is not None), default=None)

    def status(self, now: float) -> dict[str, Any]:
        """What only the living daemon knows, as plain data."""
        return {"maintenance": msgspec.to_builtins(self.maintenance.at(now)), "chores": list(self.chores.names)}

    @property
    def idle(self) -> bool:
        """Whether nothing is under way; what waits for a person or a time does not count."""
        return not (self.chores.names or self.checklists.active or self.planner.active)

    def close(self, patience: float = 5.0) -> None:
        """End with the daemon."""
        self.chores.close(patience)


def _drop(files: Files, desk: Desk, limit: int, wall: Callable[[], float], drop: Drop, name: str) -> None:
    """Make a task of a failed step, as `deskhand drop` would."""
    source = desk.work / name
    files.make_folder(desk.work)
    files.unlink(source)
    files.create(source, drop.text.encode(), sync=False)
    suffix = base64.b32encode(secrets.token_bytes(5)).decode().lower()[:6]
    try:
        submit(files, desk, source, Options(recipe=drop.recipe), now=wall(), suffix=suffix, limit=limit, by=DAEMON)
    finally:
        files.unlink(source)
