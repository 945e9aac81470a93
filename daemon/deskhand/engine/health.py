"""Looking at a desk: every check, from what the log says, from the disk, and from what the living daemon says.

The same look serves ``deskhand health`` and the daemon's own look once a minute.  It changes nothing but the mark that
says how far the log's chain was followed.  A check that cannot be carried out is unknown, with the reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from deskhand.core.health import Check, Verdict
from deskhand.core.money import day_of
from deskhand.core.names import key_of, member
from deskhand.core.recipe import Pin
from deskhand.core.settings import Health, Settings
from deskhand.core.state import place_of
from deskhand.core.task import Task
from deskhand.engine.ledger import Book
from deskhand.errors import ConfigError, DeskhandError, IntegrityError
from deskhand.operations import health_daemon, health_reserves, health_work
from deskhand.operations.health_daemon import Vitals
from deskhand.operations.health_reserves import Disk
from deskhand.operations.health_work import Work, work_of
from deskhand.operations.words import counted
from deskhand.store import audit_since, config_file, log_end, loose
from deskhand.store.audit_verify import Progress, verify
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.machine import state_folder
from deskhand.store.recipes import Recipes
from deskhand.store.room import room

VERIFY = "deskhand audit verify names everything that is wrong"
INTEGRITY = frozenset({"audit", "mirror"})
"""Checks that, when they are down, mean that the log is not what was recorded."""
_SHOWN = 3
"""Findings of one check that are named; the others are counted."""


class Standing(Struct, frozen=True):
    """What the log says, at one moment."""

    work: Work
    pins: tuple[Pin, ...] = ()
    """Every blessed recipe version."""
    newest: float | None = None
    """When the newest record was written (epoch seconds)."""
    clock_unconfirmed: bool = False
    backups: Mapping[str, float] = {}
    """Name of a backup that was verified -> when it was made (epoch seconds)."""
    drilled: float | None = None
    """When a recovery drill last went well (epoch seconds)."""
    drill_failed: float | None = None
    spent: float = 0.0
    """Spent and reserved this UTC day, in the desk's currency."""


def standing(book: Book, newest: float | None, now: float, timeout: Callable[[Task], float]) -> Standing:
    """What *book* says.  *timeout*: seconds that an attempt at a task may take."""
    return Standing(
        work=work_of(book.tasks, now, book.paused, timeout),
        pins=tuple(book.pins),
        newest=newest,
        clock_unconfirmed=book.clock_unconfirmed,
        backups=dict(book.condition.backups),
        drilled=book.condition.drilled,
        drill_failed=book.condition.drill_failed,
        spent=book.spending.spent(day_of(now)),
    )


class Look:
    """One look at one desk."""

    def __init__(self, desk: Desk, settings: Settings, now: float, environ: Mapping[str, str]) -> None:
        self._desk = desk
        self._limits: Health = settings.health
        self._cost = settings.cost
        self._now = now
        self._environ = environ
        self._files = Files()

    def quick(self, said: Standing, vitals: Vitals | None, *, chain: bool = True) -> Iterator[Check]:
        """Everything that is quick.  *vitals*: None when no daemon answers; *chain*: follow the log's chain."""
        yield from _of_daemon(vitals)
        yield timed("queue", lambda: health_work.queue(said.work, self._limits, self._now))
        stalled = None if vitals is None else vitals.stalled
        yield timed("stuck", lambda: health_work.stuck(said.work, stalled, self._limits, self._now))
        yield timed("disk", lambda: health_reserves.disk(self._disks(), self._limits))
        yield timed("inodes", lambda: health_reserves.inodes(self._disks()))
        if chain:
            yield timed("audit", self._followed)
        yield timed("mirror", self._mirror)
        yield timed("recipes", lambda: self._recipes(said.pins))
        unconfirmed = said.clock_unconfirmed
        yield timed("clock", lambda: health_daemon.clock(unconfirmed, said.newest, self._now, vitals))
        yield timed("configuration", self._configuration)
        yield timed("permissions", self._permissions)
        yield timed(
            "backup", lambda: health_reserves.backup(self._newest_backup(said.backups), self._limits, self._now)
        )
        drilled, failed = said.drilled, said.drill_failed
        yield timed("drill", lambda: health_reserves.drill(drilled, failed, self._limits, self._now))
        yield timed("budget", lambda: health_reserves.budget(said.spent, self._cost))

    def full(
        self, said: Standing, vitals: Vitals | None, tasks: Iterable[Task], progress: Progress | None = None
    ) -> Iterator[Check]:
        """Everything: the whole log instead of its newest part, and the files of every unfinished task."""
        yield from self.quick(said, vitals, chain=False)
        yield timed("audit", lambda: self._verified(progress))
        yield timed("files", lambda: self._placed(tasks))

    # -- the disk ----------------------------------------------------------------------------------------------

    def _disks(self) -> list[Disk]:
        desk = self._desk
        places = {
            "the desk": desk.root,
            "its queue": desk.queue,
            "backups": desk.root / "backups",
            "logs": desk.logs,
            "the state folder": state_folder(self._environ),
        }
        found = {name: room(path) for name, path in places.items()}
        devices: dict[int, list[str]] = {}
        for name, each in found.items():
            devices.setdefault(each.device, []).append(name)
        return [
            Disk(", ".join(names), (here := found[names[0]]).free, here.inodes_free, here.inodes)
            for names in devices.values()
        ]

    def _permissions(self) -> Check:
        found = loose.loose(self._desk)
        if found:
            text = f"{counted(len(found), 'place')} of the desk open to others"
            detail = _named([f"{each.path}: {each.reason}" for each in found])
            return Check("permissions", Verdict.DEGRADED, text, "chmod o-w, or chown, these places", detail=detail)
        return Check("permissions", Verdict.OK, "nobody else can change the desk")

    def _configuration(self) -> Check:
        try:
            config_file.load(self._desk, self._environ)
        except ConfigError as error:
            text, lines = "deskhand.yaml is wrong: the next start would refuse it", error.cause.splitlines()
            return Check("configuration", Verdict.DOWN, text, "deskhand config check", detail=_named(lines))
        return Check("configuration", Verdict.OK, "deskhand.yaml is right")

    def _newest_backup(self, verified: Mapping[str, float]) -> float | None:
        folder = self._desk.root / "backups"
        there = (made for name, made in verified.items() if (folder / name).is_file())
        return max(there, default=None)

    # -- the log -----------------------------------------------------------------------------------------------

    def _followed(self) -> Check:
        mark = audit_since.read_mark(self._desk)
        found = audit_since.follow_on(self._desk.audit, mark, self._now)
        if found.error is not None:
            return Check("audit", Verdict.DOWN, found.error, VERIFY)
        if found.mark is not None:
            try:
                audit_since.write_mark(self._files, self._desk, found.mark)
            except OSError as error:
                text = f"how far it was verified cannot be remembered: {error.strerror or type(error).__name__}"
                return Check("audit", Verdict.DEGRADED, text, "make logs/ writable")
        if found.up_to < found.head:
            text = f"verified up to record {found.up_to} of {found.head}; the next look goes on from there"
            return Check("audit", Verdict.UNKNOWN, text, "deskhand health --full")
        text = f"{counted(found.checked, 'new record')} since the last look, up to {found.head}; the chain is whole"
        return Check("audit", Verdict.OK, text)

    def _verified(self, progress: Progress | None) -> Check:
        found = verify(self._desk.audit, progress=progress)
        if not found.ok:
            count = len(found.errors) + found.more_errors
            first = found.errors[0]
            place = f"{first.file}:{first.line}" if first.line else first.file
            return Check(
                "audit", Verdict.DOWN, f"{counted(count, 'problem')}, the first in {place}: {first.reason}", VERIFY
            )
        size = f"{counted(found.entries, 'record')} in {counted(len(found.files), 'file')}"
        text = f"all of it was read: {size}, as written"
        return Check("audit", Verdict.OK, text)

    def _mirror(self) -> Check:
        found = log_end.remembered(self._files, self._desk, self._environ)
        if found is None:
            return Check("mirror", Verdict.UNKNOWN, "there is no log with a head to compare", "deskhand doctor")
        if found.verdict in log_end.FINE:
            return Check("mirror", Verdict.OK, "the log here is the one that was written last on this machine")
        fix = "if this desk shall go on from here: deskhand init --adopt"
        verdict = Verdict.UNKNOWN if found.verdict == "unknown" else Verdict.DOWN
        text = f"what is remembered outside the desk does not agree ({found.verdict.replace('_', ' ')})"
        return Check("mirror", verdict, text, fix, detail=found.sentence)

    # -- what was recorded against what is there ---------------------------------------------------------------

    def _recipes(self, pins: Iterable[Pin]) -> Check:
        current = Recipes(self._files, self._desk).refresh(pins)
        if current.unavailable:
            named = _named([f"{name}: {reason}" for name, reason in current.unavailable.items()])
            text, fix = (
                f"{counted(len(current.unavailable), 'recipe')} not as blessed",
                "put the file back, or bless it again",
            )
            return Check("recipes", Verdict.DOWN, text, fix, detail=named)
        if current.damaged:
            named = _named([f"{each.pin.id} version {each.pin.version}: {each.reason}" for each in current.damaged])
            text = f"{counted(len(current.damaged), 'older version')} not as blessed"
            return Check("recipes", Verdict.DEGRADED, text, "put the files back", detail=named)
        if current.unblessed:
            named = _named([f"{each.path.parent.name}/{each.path.name}" for each in current.unblessed])
            text = f"{counted(len(current.unblessed), 'file')} among the blessed ones that nobody blessed"
            return Check("recipes", Verdict.DEGRADED, text, "remove them; they never run", detail=named)
        return Check("recipes", Verdict.OK, f"{counted(len(current.pins), 'blessed version')} as blessed")

    def _placed(self, tasks: Iterable[Task]) -> Check:
        """Whether every unfinished task has its description where the log says; of the moment, while tasks move."""
        listed: dict[Path, set[str]] = {}
        missing, count = [], 0
        for task in tasks:
            count += 1
            folders = (self._desk.folder(place_of(task.state)), self._desk.accepted)
            if not any(task.key in _keys(folder, listed) for folder in folders):
                missing.append(task)
        gone = [task.key for task in missing if not self._anywhere(task)]
        if gone:
            text = f"files of {counted(len(gone), 'unfinished task')} are not where the log says"
            return Check(
                "files", Verdict.DOWN, text, "put them back, or they go on record as lost", detail=_named(gone)
            )
        return Check("files", Verdict.OK, f"the files of {counted(count, 'unfinished task')} are where the log says")

    def _anywhere(self, task: Task) -> bool:
        """Whether it moved on while we looked."""
        names = ("inbox", "pending", "approvals", "completed", "failed", "rejected")
        fresh: dict[Path, set[str]] = {}
        return any(task.key in _keys(self._desk.folder(name), fresh) for name in names)


def timed(name: str, call: Callable[[], Check]) -> Check:
    """What *call* found, with how long it took; what it could not do is unknown.

    What is not as recorded (IntegrityError) is down.
    """
    start = time.perf_counter()
    try:
        found = call()
    except DeskhandError as error:
        verdict = Verdict.DOWN if isinstance(error, IntegrityError) else Verdict.UNKNOWN
        found = Check(name, verdict, error.nameless, error.hint, detail=error.path)
    except OSError as error:
        text = f"it could not be looked at: {error.strerror or type(error).__name__}"
        found = Check(name, Verdict.UNKNOWN, text, detail=error.filename and os.fsdecode(error.filename))
    if found.latency_ms is not None:
        return found
    return replace(found, name=name, latency_ms=round(1000 * (time.perf_counter() - start), 3))


def _of_daemon(vitals: Vitals | None) -> Iterator[Check]:
    judges = {"loop": health_daemon.loop, "watcher": health_daemon.watcher, "scheduler": health_daemon.scheduler}
    for name, judge in judges.items():
        if vitals is None:
            yield Check(name, Verdict.UNKNOWN, "no daemon answers that could be asked", "deskhand run")
        else:
            yield timed(name, partial(judge, vitals))


def _keys(folder: Path, listed: dict[Path, set[str]]) -> set[str]:
    """Keys of the tasks whose description stands in *folder*; listed once."""
    found = listed.get(folder)
    if found is None:
        try:
            parts = [member(name) for name in os.listdir(folder) if name.endswith(".task.json")]
        except FileNotFoundError:
            parts = []
        found = listed[folder] = {key_of(part.id) for part in parts if part is not None}
    return found


def _named(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
