"""Opening a desk's log: is it there, is it sound, and is this the desk that acted last?"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence

import msgspec

from deskhand import __version__
from deskhand.core.chain import START
from deskhand.core.clock import Clock
from deskhand.core.names import member
from deskhand.core.recipe import Pin
from deskhand.core.record import DAEMON, Actor, Draft, Record
from deskhand.core.state import LIVE_FOLDERS
from deskhand.engine.ledger import Ledger
from deskhand.errors import IntegrityError
from deskhand.store.audit_log import AuditLog
from deskhand.store.checklist_files import starter_checklists
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.machine import machine_id, state_folder
from deskhand.store.mirror import Finding, Mirror, Verdict
from deskhand.store.recipes import Recipes, starter_recipes
from deskhand.store.segments import names

ADOPT = "if this desk shall go on from here: deskhand init --adopt"
BEGINNING = frozenset({"log.genesis", "recipe.adopted", "checklist.adopted", "log.recovered"})
BEGINNING_MAX = 32
"""Records of a log that may still be at its beginning."""
_FINE = frozenset({Verdict.OK, Verdict.NEW, Verdict.MOVED})


def open_log(
    files: Files,
    desk: Desk,
    recipes: Recipes,
    clock: Clock,
    environ: Mapping[str, str],
    *,
    adopt: Actor | None = None,
    fresh: bool = False,
) -> AuditLog:
    """The desk's log, ready for writing; a desk without one gets its genesis.

    Raises IntegrityError when the log is damaged or gone, or when another copy of this desk acted last; with *adopt*
    the latter is put on record instead.  *fresh*: the desk was made just now, so that one stood here before is no
    reason to refuse.
    """
    state = state_folder(environ)
    machine = machine_id(files, state)
    mirror = Mirror(files, state, desk.root, machine)
    if not names(desk.audit):
        return _begin(files, desk, recipes, clock, mirror, machine, adopt, fresh=fresh)
    log = AuditLog.open(files, desk.audit, clock=clock)
    beginning = _beginning(log)
    finding = mirror.check(log.log_id, log.head.link, log.hash_at)
    if finding.verdict not in _FINE and not (finding.verdict is Verdict.UNKNOWN and beginning):
        if adopt is None:
            log.close()
            raise IntegrityError("opening the desk", finding.sentence, path=desk.root, hint=ADOPT)
        _adopt(log, finding, adopt, machine)
    adopted = {record.fields["recipe"]["id"] for record in beginning if record.type == "recipe.adopted"}
    if beginning and not adopted.issuperset(path.parent.name for path in starter_recipes()):
        _adopt_starter(log, recipes.starter(), adopted)
    if beginning and all(record.type != "checklist.adopted" for record in beginning):
        _adopt_checklists(log)
    log.attach(mirror)
    return log


def _adopt(log: AuditLog, finding: Finding, actor: Actor, machine: str) -> None:
    try:
        Ledger(log, lambda key: ())  # what a newer deskhand wrote is refused, not adopted
    except IntegrityError:
        log.close()
        raise
    _record_adoption(log, finding, actor, machine)


def _beginning(log: AuditLog) -> list[Record]:
    """All records of a log that has nothing but its beginning: a crash may have come before the rest of that."""
    if log.head.seq > BEGINNING_MAX:
        return []
    records = list(log.replay()[1])
    return records if all(record.type in BEGINNING for record in records) else []


def _adopt_starter(log: AuditLog, pins: Sequence[Pin], adopted: Container[str] = ()) -> None:
    """Put the recipes that come with deskhand on record, but for those that are."""
    for pin in pins:
        if pin.id not in adopted:
            actor = msgspec.to_builtins(DAEMON)
            fields = {"recipe": msgspec.to_builtins(pin), "actor": actor, "purpose": "comes with deskhand"}
            log.append(Draft("recipe.adopted", fields))
    log.commit()


def _adopt_checklists(log: AuditLog) -> None:
    """Put the checklists that come with deskhand on record: their programs may run."""
    fields = {"checklists": starter_checklists(), "actor": msgspec.to_builtins(DAEMON)}
    log.append(Draft("checklist.adopted", fields))
    log.commit()


def _begin(
    files: Files,
    desk: Desk,
    recipes: Recipes,
    clock: Clock,
    mirror: Mirror,
    machine: str,
    adopt: Actor | None,
    *,
    fresh: bool,
) -> AuditLog:
    finding = mirror.check(None, START, lambda seq: None)
    orphaned = any(member(name) for folder in LIVE_FOLDERS for name in _listing(desk, folder))
    suspicious = finding.verdict not in _FINE and not fresh
    if orphaned or (suspicious and adopt is None):
        cause = "there are unfinished tasks but no audit log" if orphaned else finding.sentence
        back = "put the audit log back (from a backup)"
        raise IntegrityError("opening the desk", cause, path=desk.audit, hint=back if orphaned else f"{back}; {ADOPT}")
    pins = recipes.starter()
    origin = {"machine": machine, "system": os.name}
    log = AuditLog.create(files, desk.audit, clock=clock, origin=origin, desk=desk.root.name, version=__version__)
    _adopt_starter(log, pins)
    _adopt_checklists(log)
    if adopt is not None and suspicious:
        _record_adoption(log, finding, adopt, machine)
    log.attach(mirror)
    return log


def _listing(desk: Desk, folder: str) -> list[str]:
    path = desk.folder(folder)
    return os.listdir(path) if path.is_dir() else []


def _record_adoption(log: AuditLog, finding: Finding, actor: Actor, machine: str) -> None:
    known = finding.mirror
    fields = {
        "actor": msgspec.to_builtins(actor),
        "reason": finding.sentence,
        "mirror_seq": None if known is None else known.seq,
        "mirror_hash": None if known is None else known.hash,
        "machine": machine,
    }
    log.append(Draft("desk.adopted", fields))
    log.append(Draft("desk.paused", {"actor": msgspec.to_builtins(actor), "reason": "adopted"}))
    log.commit()
