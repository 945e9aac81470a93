"""Taking a finished backup to the second targets, each by itself: what fails at one is said and keeps no other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from deskhand.core.settings import Target
from deskhand.engine import backup_hook
from deskhand.store.backup_folder import copy_to
from deskhand.store.desk import Desk
from deskhand.store.files import Files


class Copied(Struct, frozen=True):
    """What became of a backup at one target."""

    target: str
    verified: bool
    """It was read back there, or the target's own `verify` said so."""
    seconds: float
    exit: int | None = None
    """Exit status of the program, when it is one."""
    problem: str | None = None
    """Why it is not there; None = it is."""
    nameless: str = ""
    """The same without anything that could be personal, for the record."""


def copy_to_targets(files: Files, desk: Desk, targets: Iterable[Target], path: Path, sha256: str) -> tuple[Copied, ...]:
    """Take the backup at *path* to every target; nothing is raised for what a target refuses."""
    return tuple(
        _to_folder(files, desk, target, target.path, path, sha256)
        if target.path is not None
        else _to_program(target, path)
        for target in targets
    )


def _to_folder(files: Files, desk: Desk, target: Target, place: str, path: Path, sha256: str) -> Copied:
    begun = time.monotonic()
    folder = Path(os.path.normpath(desk.root / os.path.expanduser(place)))
    try:
        copy_to(files, path, folder, sha256)
    except (OSError, ValueError) as error:
        cause = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Copied(target.name, False, time.monotonic() - begun, problem=f"{folder}: {cause}", nameless=cause)
    return Copied(target.name, True, time.monotonic() - begun)


def _to_program(target: Target, path: Path) -> Copied:
    ran = backup_hook.run(target.command, path, target.timeout)
    if ran.exit != 0:
        return _refused(target, "the program", ran)
    if not target.verify:
        return Copied(target.name, False, ran.seconds, ran.exit)
    proof = backup_hook.run(target.verify, path, target.timeout)
    if proof.exit != 0:
        return _refused(target, "its `verify`", proof)
    return Copied(target.name, True, ran.seconds + proof.seconds, ran.exit)


def _refused(target: Target, which: str, ran: backup_hook.Ran) -> Copied:
    how = "could not be started" if ran.exit is None else f"ended with {ran.exit}"
    return Copied(
        target.name,
        False,
        ran.seconds,
        ran.exit,
        problem=f"{which} {how}{f': {ran.said}' if ran.said else ''}",
        nameless=f"{which} {how}",
    )
