"""``deskhand backup verify``: is a backup whole, and is it a desk?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.backing import carry, progress
from deskhand.cli.backup_choice import desk_or_none, every, named
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import DeskhandError, ExitCode, UsageError

if TYPE_CHECKING:
    from deskhand.engine.backup_look import Looked
    from deskhand.store.desk import Desk


@click.command("verify", cls=Verb)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "whole", is_flag=True, help="Every backup in backups/.")
@json_option
@pass_frame
def backup_verify(frame: Frame, names: tuple[str, ...], whole: bool, as_json: bool) -> int:
    """Verify backups: every byte, the audit log in them, and the folders.

    NAME is a file in backups/ or a path; without one, the newest.  Everything is read: each file against the manifest,
    the hash chain up to the head, and where the files of unfinished tasks stand against what the log says of them.
    Exit code 4 when something is wrong; what was found about a file in
    backups/ is put on record.  An encrypted backup is compared with the hash on record and not opened: exit code 1,
    because nothing else is known.  Works without a desk.
    """
    from deskhand.engine.backup_look import look_at

    desk = desk_or_none(frame)
    paths = _paths(desk, names, whole=whole)
    with progress(shown=not as_json) as bar:
        found = [look_at(desk, path, partial(bar, path.name)) for path in paths]
    unrecorded = None if desk is None else _put_on_record(frame, found)
    if as_json:
        show.emit_json({"ok": all(one.ok for one in found), "backups": list(map(_data, found)), "problem": unrecorded})
    else:
        for one in found:
            click.echo("\n".join(_lines(one)))
        if unrecorded is not None:
            click.echo(f"not put on record: {unrecorded}", err=True)
    if any(one.ok is False for one in found):
        return ExitCode.INTEGRITY
    return ExitCode.OK if all(one.ok for one in found) else ExitCode.FAILED


def _paths(desk: Desk | None, names: tuple[str, ...], *, whole: bool) -> list[Path]:
    if names:
        return [named(desk, name) for name in names]
    if desk is None:
        raise UsageError("verifying a backup", "there is no desk here", hint="give the path of a backup")
    archives = every(desk)
    return [desk.backups / archive.name for archive in (archives if whole else archives[:1])]


def _put_on_record(frame: Frame, found: list[Looked]) -> str | None:
    """Why that was not possible; None when it was.  A copy elsewhere says nothing about the one in backups/."""
    say = carry(frame)
    try:
        for one in found:
            if one.ok is not None and one.path.parent == frame.desk.backups:
                said = {"name": one.path.name, "ok": one.ok, "sha256": one.sha256, "records": one.records}
                say("backup_verified", said if one.reason is None else {**said, "reason": one.reason[:2000]})
    except DeskhandError as error:
        return error.sentence
    return None


def _data(one: Looked) -> dict[str, Any]:
    return {
        "name": one.path.name,
        "path": show.path(one.path),
        "ok": one.ok,
        "sha256": one.sha256,
        "as_recorded": one.as_recorded,
        "files": one.files,
        "bytes": one.bytes,
        "records": one.records,
        "unfinished": one.unfinished,
        "head_seq": one.head_seq,
        "problems": one.problems,
        "more_problems": one.more_problems,
    }


def _lines(one: Looked) -> Iterator[str]:
    name = show.text(one.path.name)
    for problem in one.problems:
        place = f"{show.text(problem.entry)}: " if problem.entry else ""
        yield f"{click.style(place, fg='red')}{show.text(problem.reason)}"
    if one.more_problems:
        yield f"and {one.more_problems} more problems"
    match one.ok:
        case True:
            same = {True: ", as recorded", False: "", None: ", not on record here"}[one.as_recorded]
            sizes = f"{show.count(one.files, 'file')}, {show.size(one.bytes)}{same}"
            what = f"{show.count(one.records, 'record')} of the log, {show.count(one.unfinished, 'unfinished task')}"
            yield f"{name}: {click.style('ok', fg='green')}: {sizes}; {what}"
        case False:
            yield f"{name}: {click.style('NOT ok', fg='red', bold=True)}"
        case None:
            same = {True: "it is the file on record", None: "it is not on record here"}[one.as_recorded or None]
            yield f"{name}: {click.style('unknown', fg='yellow')}: {one.reason}; {same}"
