"""Holding a recovery drill: where the backups are read, the note about it, and the record.

A plain function that takes its time: for the command line, or for a chore of the daemon.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from deskhand.core.clock import Clock
from deskhand.core.settings import Settings
from deskhand.engine.clock import SystemClock
from deskhand.engine.drill import OPERATION, Drilled, Place, Progress, drill
from deskhand.errors import StoreError
from deskhand.operations.drill_note import render
from deskhand.store.backup_folder import listing
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.vault import Vault

Carry = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Has a command carried out by the deciding thread, as ``host.client.request`` does."""


def hold(
    desk: Desk,
    settings: Settings,
    carry: Carry,
    *,
    files: Files | None = None,
    clock: Clock | None = None,
    dice: random.Random | None = None,
    progress: Progress = lambda doing, done, total: None,
) -> Drilled:
    """Hold a drill, write the note about it, and put it on record.  StoreError when the disk refuses."""
    files = files or Files()
    place = furthest(desk, settings)
    try:
        done = drill(files, place, clock=clock or SystemClock(), dice=dice or random.Random(), progress=progress)
    except OSError as error:
        cause = error.strerror or str(error)
        raise StoreError(OPERATION, cause, path=error.filename, hint="make room where TMPDIR says") from error
    notes = Vault(files, desk)
    notes.write("drill.md", render(done, done.backups, done.damaged))
    notes.write(
        "drill.json", msgspec.json.format(msgspec.json.encode({"schema": 1, **_plain(done)}), indent=2).decode()
    )
    said = {
        "ok": done.ok,
        "backups": [one.name for one in done.backups],
        "rpo_s": done.rpo_s,
        "rto_s": done.rto_s,
        "reason": None if done.reason is None else done.reason[:2000],
    }
    carry("drill_finished", {name: value for name, value in said.items() if value is not None})
    return done


def _plain(done: Drilled) -> dict[str, Any]:
    return dict(msgspec.to_builtins(done))


def furthest(desk: Desk, settings: Settings) -> Place:
    """The last second target that is a folder with backups in it; else ``backups/``."""
    for target in reversed(settings.backup.targets):
        if target.path is not None:
            folder = desk.root / Path(target.path).expanduser()
            names = _names(folder)
            if names:
                return Place(target.name, folder, names)
    return Place("desk", desk.backups, _names(desk.backups))


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(archive.name for archive in listing(folder))
    except OSError:
        return ()
