"""Giving up old backups: the rules are ``core.retention``'s, the facts come from the folder and the log.

Before anything is deleted the newest verified backup of each kind is read from the disk and must have the hash on
record.  What is given up is put on record first; when it cannot be deleted then, it is looked at again the next time.
"""

from __future__ import annotations

from typing import Any

from msgspec import convert
from msgspec.structs import replace

from deskhand.core.retention import Backup, Fate, Keep, Plan, parse_within, plan
from deskhand.core.settings import Backup as Rules
from deskhand.engine.archiving import Carry, Standing
from deskhand.engine.backups import Known, known
from deskhand.errors import StoreError
from deskhand.store.backup_folder import digest, held
from deskhand.store.desk import Desk
from deskhand.store.files import Files

OPERATION = "pruning backups"


def prune(files: Files, desk: Desk, rules: Rules, carry: Carry, *, now: float, dry_run: bool = False) -> Plan:
    """Delete what no rule keeps (nothing when *dry_run*); what was decided about each.

    *now*: epoch seconds.  HeldError when a backup is being made, StoreError when the disk refuses.
    """
    if not desk.backups.is_dir():
        return Plan(())
    unconfirmed = convert(carry("backup_head", {}), Standing).clock_unconfirmed
    try:
        with held(files, desk, OPERATION):
            found = known(desk)
            decided = decide(found, rules, now, clock_unconfirmed=unconfirmed)
            if decided.given_up:
                decided = _without_proof(desk, found, decided)
            if not dry_run:
                for fate in decided.given_up:
                    carry("backup_pruned", {"name": fate.name, "reason": ", ".join(fate.reasons)})
                    files.unlink(desk.backups / fate.name)
                if decided.given_up:
                    files.fsync_folder(desk.backups)
    except OSError as error:
        cause = error.strerror or str(error)
        raise StoreError(OPERATION, cause, path=error.filename or desk.backups) from error
    return decided


def decide(found: list[Known], rules: Rules, now: float, *, clock_unconfirmed: bool) -> Plan:
    """What the rules say about the backups that are there."""
    backups = [
        Backup(one.name, one.created, one.bytes, one.files, one.verified if one.on_record else None, _group(one))
        for one in found
    ]
    return plan(backups, keep_of(rules), now, clock_unconfirmed=clock_unconfirmed)


def keep_of(rules: Rules) -> Keep:
    """The settings as a policy."""
    said: dict[str, Any] = {name: getattr(rules, f"keep_{name}") for name in Keep.__struct_fields__}
    spans = {name: parse_within(text) for name, text in said.items() if name.startswith("within")}
    return Keep(**{**said, **spans})


def _group(one: Known) -> str:
    return one.kind or "unknown"


def _without_proof(desk: Desk, found: list[Known], decided: Plan) -> Plan:
    """Give up nothing of a kind whose newest verified backup is not, byte for byte, the one on record."""
    by_name = {one.name: one for one in found}
    proved: dict[str, str | None] = {}
    for fate in decided.given_up:
        group = _group(by_name[fate.name])
        if group not in proved:
            newest = next(one for one in found if _group(one) == group and one.verified and one.on_record)
            whole = digest(desk.backups / newest.name, from_disk=True) == newest.sha256
            proved[group] = None if whole else f"{newest.name}, the newest, is not the file on record any more"
    fates = tuple(
        fate if fate.keep or proved[_group(by_name[fate.name])] is None else _kept(fate, by_name, proved)
        for fate in decided.fates
    )
    reason = next((reason for reason in proved.values() if reason is not None), None)
    return replace(decided, fates=fates, suspended=decided.suspended or reason)


def _kept(fate: Fate, by_name: dict[str, Known], proved: dict[str, str | None]) -> Fate:
    return Fate(fate.name, True, (str(proved[_group(by_name[fate.name])]),))
