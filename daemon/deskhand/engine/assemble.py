"""Putting a desk's engine together, in the one order that is safe, and taking it apart again.

Lock, log, proof that old attempts are dead, recovery, then work: nothing is decided before the desk is ours, nothing
runs before what ran earlier is known to be over.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import msgspec

from deskhand import __version__
from deskhand.core.clock import Clock
from deskhand.core.log import Log
from deskhand.core.record import DAEMON, Actor, Draft, Record
from deskhand.core.settings import Settings
from deskhand.engine.answers import Answers
from deskhand.engine.asking import Asking
from deskhand.engine.background import Background
from deskhand.engine.bell import Notice
from deskhand.engine.budget import Budget
from deskhand.engine.choosing import Choosing
from deskhand.engine.clock import SystemClock
from deskhand.engine.dispatcher import Dispatcher
from deskhand.engine.effects import Effects
from deskhand.engine.engine import Engine
from deskhand.engine.forgetting import Forgetting
from deskhand.engine.gestures import Gestures
from deskhand.engine.intake import Intake
from deskhand.engine.intake_facts import Taken
from deskhand.engine.ledger import Ledger
from deskhand.engine.on_record import OnRecord
from deskhand.engine.opening import open_log
from deskhand.engine.outcomes import Outcomes
from deskhand.engine.packing import Packing
from deskhand.engine.parts import Parts
from deskhand.engine.placement import Placement
from deskhand.engine.reception import Reception
from deskhand.engine.recovery import Recovery
from deskhand.engine.routines import Routines
from deskhand.engine.runs import Runs
from deskhand.engine.starting import Starting
from deskhand.engine.strays import Strays
from deskhand.engine.watcher import Watcher
from deskhand.engine.work import Work
from deskhand.errors import ConfigError
from deskhand.handlers import orphans
from deskhand.handlers.spawner import Spawner
from deskhand.store import config_file, desk_salt, dropped, removal, segments, task_files
from deskhand.store.attempts import Attempts
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_read import Filter, lines
from deskhand.store.copied_folder import Manifest
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError
from deskhand.store.lock import DeskLock
from deskhand.store.machine import process_mark
from deskhand.store.mounts import is_remote
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.recipes import Recipes
from deskhand.store.recover import reunite
from deskhand.store.requests import Requests
from deskhand.store.seen import Seen


@dataclass(frozen=True, slots=True)
class Session:
    """A desk that is open and ours."""

    desk: Desk
    settings: Settings
    clock: Clock
    engine: Engine
    parts: Parts
    audit: AuditLog


@contextmanager
def open_desk(
    desk: Desk,
    log: Log,
    *,
    ring: Callable[[], None],
    notify: Callable[[str, str], None] = lambda title, text: None,
    watch: bool = True,
    work: bool = True,
    files: Files | None = None,
    clock: Clock | None = None,
    adopt: Actor | None = None,
    fresh: bool = False,
    environ: Mapping[str, str] = os.environ,
    rehearsal: bool = False,
) -> Iterator[Session]:
    """Take the desk, recover it, and give it back at the end.

    *watch*: with a watcher; *work*: attempts may be started (a command that only decides needs neither).  *rehearsal*:
    on a copy of a desk that may be at work elsewhere; no process is ended, not even one that bears the desk's mark.
    Raises HeldError, ConfigError, IntegrityError or StoreError when the desk cannot be opened.
    """
    files, clock = files or Files(), clock or SystemClock()
    settings = config_file.load(desk, environ).settings
    if settings is None:
        raise ConfigError("opening the desk", "the configuration is wrong", path=desk.config)
    refuse_remote(desk)
    with ExitStack() as stack:
        folders = QueueFolders(files, desk)
        folders.ensure()
        stack.enter_context(DeskLock(files, desk, secrets.token_hex(4)))
        recipes = Recipes(files, desk)
        salt = desk_salt.load(files, desk)
        if salt.new and segments.names(desk.audit):
            log.warning("queue/.salt was gone and was made anew: no drop is found by the `key:` of an older one")
        audit = open_log(files, desk, recipes, clock, environ, adopt=adopt, fresh=fresh)
        stack.callback(audit.close)
        mark = process_mark(desk, audit.log_id)
        recovered = [] if rehearsal else orphans.reap_strangers(mark, audit.run)
        for stranger in recovered:
            log.warning("a process of an earlier run was ended", pid=stranger.pid, attempt=stranger.attempt)
        ledger = Ledger(audit, lambda key: _history(desk, key))
        recipes.refresh(ledger.book.pins)
        seen = Seen.open(files, desk.queue, _records(desk))
        stack.callback(seen.close)
        spawner = Spawner(mark, audit.run)
        background = Background(ring, inline=not work)
        stack.callback(background.close)
        parts = _parts(
            *(files, desk, settings, clock, log, audit, ledger, folders, recipes, seen, ring, notify, watch),
            *(salt.text, spawner, background),
        )
        stack.callback(parts.runs.close)
        stack.callback(parts.intake.close)
        if parts.watcher is not None:
            stack.callback(parts.watcher.close)
        routines = Routines(files, desk, parts, spawner, ring, notify, os.environ)
        stack.callback(routines.close)
        cut = _recover(files, desk, parts, clock.wall())
        if work:
            _announce(parts, cut, audit)
        engine = Engine(parts, routines)
        if work:
            engine.go_on_delivering()
        else:
            engine.stop_starting()
        yield Session(desk, settings, clock, engine, parts, audit)


def refuse_remote(desk: Desk) -> None:
    """ConfigError when the queue is on a filesystem that other machines write to."""
    kind = is_remote(desk.queue if desk.queue.is_dir() else desk.root)
    if kind is not None:
        raise ConfigError(
            "opening the desk",
            f"queue/ is on {kind}; renames and locks are not safe there",
            path=desk.queue,
            hint="keep the desk on a local disk; only an inbox may be remote (`poll: true`)",
        )


def _history(desk: Desk, key: str) -> Iterable[Record]:
    wanted = Filter(task=key)
    return (record for line in lines(desk.audit, wanted) if (record := line.record) is not None)


def _records(desk: Desk) -> Iterable[Record]:
    return (record for line in lines(desk.audit) if (record := line.record) is not None)


def _parts(
    files: Files,
    desk: Desk,
    settings: Settings,
    clock: Clock,
    log: Log,
    audit: AuditLog,
    ledger: Ledger,
    folders: QueueFolders,
    recipes: Recipes,
    seen: Seen,
    ring: Callable[[], None],
    notify: Callable[[str, str], None],
    watch: bool,
    salt: str,
    spawner: Spawner,
    background: Background,
) -> Parts:
    notice = Notice(ring)
    requests = Requests(files, desk)
    placement = Placement(desk, folders, requests)
    asking = Asking(requests, settings.approval.expires_after)
    choosing = Choosing(recipes, settings)
    answers = Answers(ledger, placement, folders, requests, recipes, asking, log, salt)
    dispatcher = Dispatcher(settings.run.ageing)
    worker = Work(files, desk, recipes, Attempts(files, desk), settings.run, clock, settings.cost.currency)
    budget = Budget(ledger, settings.cost, log, notify)
    runs = Runs(worker, spawner, ring)
    effects = Effects(ledger, placement, runs, seen, log, notify)
    return Parts(
        settings=settings,
        clock=clock,
        log=log,
        ledger=ledger,
        folders=folders,
        placement=placement,
        recipes=recipes,
        intake=Intake(
            *(desk, settings, files, clock, choosing.for_drop, recipes.current.ids, ring),
            known=ledger.known,
            on_record=OnRecord(partial(_copied, desk, ledger)),
        ),
        watcher=Watcher(desk, settings, notice.give_known) if watch else None,
        notice=notice,
        reception=Reception(ledger, recipes, asking, choosing, seen.find, salt),
        gestures=Gestures(folders, requests),
        answers=answers,
        strays=Strays(ledger, placement, folders, answers, log),
        outcomes=Outcomes(ledger, placement, recipes, asking, log),
        dispatcher=dispatcher,
        starting=Starting(ledger, dispatcher, recipes, placement, asking, log, settings.run, budget),
        budget=budget,
        runs=runs,
        effects=effects,
        packing=Packing(files, desk.audit, ledger, background, log),
        forgetting=Forgetting(files, desk, ledger, recipes, background, log, effects.purge),
    )


def _copied(desk: Desk, ledger: Ledger, taken: Taken) -> Manifest | None:
    key = ledger.copied(taken)
    return None if key is None else task_files.copied(desk, key, taken.input_sha256)


def _recover(files: Files, desk: Desk, parts: Parts, now: float) -> int:
    recovery = Recovery(
        *(desk, parts.ledger, parts.placement, parts.folders, Attempts(files, desk), parts.outcomes, parts.log),
        partial(reunite, files, desk),
        parts.runs.hear_again,
    )
    cut = recovery.run(now)
    _sweep(files, desk)
    _finish_removals(files, desk, parts)
    dropped.sweep(files, desk, now)
    for warning in parts.intake.warnings:
        parts.log.warning(warning)
    parts.intake.recover({*parts.ledger.tasks, *parts.ledger.ended})
    parts.intake.on_record.add(parts.ledger.sources)
    for task in parts.ledger.tasks.values():
        parts.dispatcher.add(task)
    parts.dispatcher.clock_set_back(parts.ledger.tasks.values(), now)
    return cut


def _sweep(files: Files, desk: Desk) -> None:
    """Remove what a crash left of files that were about to be replaced; no other process writes there."""
    for folder in (desk.queue, desk.requests, desk.approvals, desk.vault / "_deskhand"):
        for path in folder.glob(".deskhand-*.tmp"):
            files.unlink(path)


def _finish_removals(files: Files, desk: Desk, parts: Parts) -> None:
    """End what a crash cut off: files of finished tasks that were being removed, tasks that were being forgotten."""
    try:
        removal.finish(files, desk)
    except FsyncError:
        raise
    except OSError as error:
        parts.log.warning("files of finished tasks cannot be removed yet", cause=str(error))
    parts.forgetting.go_on(parts.ledger.forgotten)


def _announce(parts: Parts, cut: int, audit: AuditLog) -> None:
    fields = {
        "version": __version__,
        "pid": os.getpid(),
        "unfinished": len(parts.ledger.tasks),
        "recovered": cut,
        "reason": None if audit.recovered is None else "the log's torn end was cut off",
    }
    parts.ledger.note(Draft("daemon.started", fields))
    if parts.settings.paused and parts.ledger.book.paused == "no":
        actor = msgspec.to_builtins(DAEMON)
        parts.ledger.note(Draft("desk.paused", {"actor": actor, "reason": "deskhand.yaml says so"}))
