"""Which backup a person means: a name in ``backups/``, a path, or one out of a list."""

from __future__ import annotations

from pathlib import Path

import click

from deskhand.cli import show, times
from deskhand.cli.frame import Frame, interactive
from deskhand.errors import ConfigError, UsageError
from deskhand.store.backup_folder import Archive, listing
from deskhand.store.desk import Desk

OPERATION = "choosing a backup"
SHOWN = 20
"""How many are listed, newest first."""


def desk_or_none(frame: Frame) -> Desk | None:
    """The desk, or None where there is none: after a disaster a backup may be all there is."""
    try:
        return frame.desk
    except ConfigError:
        if frame.explicit is not None:
            raise
        return None


def named(desk: Desk | None, name: str) -> Path:
    """The backup that *name* means.  UsageError when there is none."""
    candidates = [Path(name)] if "/" in name or desk is None else [desk.backups / name, Path(name)]
    for path in candidates:
        if path.is_file():
            return path.absolute()
    hint = "give its path" if desk is None else f"those that are there: ls {show.path(desk.backups)}"
    raise UsageError(OPERATION, f"there is no backup {show.text(name)!r}", path=candidates[0], hint=hint)


def every(desk: Desk) -> list[Archive]:
    """All of ``backups/``, newest first.  UsageError when there is none."""
    found = listing(desk.backups)
    if not found:
        raise UsageError(OPERATION, "there is none", path=desk.backups, hint="make one: deskhand backup create")
    return found


def pick(frame: Frame) -> Path:
    """Let a person choose.  UsageError, with the list, when there is nobody to ask."""
    desk = frame.desk
    found = every(desk)
    shown = found[:SHOWN]
    if not interactive():
        names = "\n".join(f"  {archive.name}" for archive in shown)
        raise UsageError(OPERATION, f"say which one:\n{names}", hint="deskhand backup restore NAME")
    rows = [
        (str(number), archive.name, times.ago(archive.created, frame.now), show.size(archive.bytes))
        for number, archive in enumerate(shown, 1)
    ]
    click.echo(show.table(rows, ("", "backup", "age", "size")))
    number = click.prompt("which one", type=click.IntRange(1, len(shown)), default=1)
    return desk.backups / shown[number - 1].name
