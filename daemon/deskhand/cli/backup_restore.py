"""``deskhand backup restore``: a desk out of a backup."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.backing import progress
from deskhand.cli.backup_choice import desk_or_none, named, pick
from deskhand.cli.frame import Frame, Verb, interactive, json_option, pass_frame
from deskhand.errors import ConfigError, HeldError, IntegrityError, UsageError

if TYPE_CHECKING:
    from deskhand.store.archive_read import Archive

OPERATION = "restoring a backup"
SHOWN = 5
"""How many of what is not there are named."""


@click.command("restore", cls=Verb)
@click.argument("name", required=False, metavar="[ZIP]")
@click.option("--to", type=click.Path(path_type=Path), help="The new folder; default: beside the desk.")
@click.option("--only", metavar="PATH", help="Bring back one file of the vault; what is there is left alone.")
@click.option("--in-place", is_flag=True, help="Put it in the place of this desk, which is kept under another name.")
@click.option("--confirm", metavar="DESK", help="With --in-place: the name of the desk's folder, instead of typing it.")
@json_option
@pass_frame
def backup_restore(
    frame: Frame,
    name: str | None,
    to: Path | None,
    only: str | None,
    in_place: bool,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Make a desk of a backup, or bring back one note.

    ZIP is a file in backups/ or a path; without one, choose from a list.  The desk is unpacked beside the present one,
    verified, and only then there; nothing is overwritten.  It is a copy: `deskhand init --adopt` there makes it go on.

    With --in-place, while no daemon runs, it takes the place of this desk in one step.  A backup is made before; the
    old desk is kept; the audit log goes on.  What is finished never runs again, and what may have run and must not run
    twice is put to a person.
    """
    from deskhand.store.archive_read import open_archive

    if in_place and (to is not None or only is not None):
        raise UsageError("reading the options", "--in-place goes with neither --to nor --only")
    desk = desk_or_none(frame)
    path = pick(frame) if name is None else named(desk, name)
    with open_archive(path) as archive:
        if only is not None:
            done = _one_file(frame, archive, only, to)
        elif in_place:
            done = _in_place(frame, archive, confirm, shown=not as_json)
        else:
            done = _new_folder(frame, archive, to, shown=not as_json)
    lines = done.pop("lines")
    if as_json:
        show.emit_json({"backup": path.name, **done})
    else:
        click.echo("\n".join(lines))


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}"


def _one_file(frame: Frame, archive: Archive, wanted: str, to: Path | None) -> dict[str, Any]:
    from deskhand.store.files import Files
    from deskhand.store.restore_folder import restore_file

    root = frame.desk.root if to is None else to.absolute()
    made = restore_file(Files(), archive, wanted, root, f"{datetime.now(UTC):%Y-%m-%d}")
    shown = show.path(made, below=root)
    return {"file": shown, "lines": [f"brought back: {shown}"]}


def _new_folder(frame: Frame, archive: Archive, to: Path | None, *, shown: bool) -> dict[str, Any]:
    from deskhand.store.files import Files
    from deskhand.store.restore_folder import restore_to

    root = None if to is not None else frame.desk.root
    target = to if root is None else root.with_name(f"{root.name}-restored-{_stamp()}")
    assert target is not None, "one of the two is given"
    began = time.monotonic()
    with progress(shown=shown) as bar:
        made = restore_to(Files(), archive, target, lambda done, total: bar("restoring", done, total))
    where, facts = show.path(made.desk.root), archive.facts
    absent = [*facts.left_out, *(f"{archive.real(link)}: a link to {point}" for link, point in facts.links.items())]
    lines = [
        f"a desk: {where} ({show.count(len(archive.files), 'file')}, {time.monotonic() - began:.1f} s), verified",
        f"up to record {facts.head.seq}; {show.count(len(made.tasks), 'unfinished task')}",
        *(f"not in it: {show.text(line)}" for line in absent[:SHOWN]),
        *([f"not in it: {len(absent) - SHOWN} more; backup.json names them"] if len(absent) > SHOWN else []),
        "it is a copy; what was done since would be done again, drops in watch_inbox/ too: look before you let it",
        f"  go on with it:  deskhand init --adopt {where}",
    ]
    return {
        "desk": where,
        "head_seq": facts.head.seq,
        "records": made.records,
        "unfinished": len(made.tasks),
        "absent": absent,
        "lines": lines,
    }


def _in_place(frame: Frame, archive: Archive, confirm: str | None, *, shown: bool) -> dict[str, Any]:
    from deskhand.core.record import Actor
    from deskhand.engine.clock import SystemClock
    from deskhand.engine.restoring import restore_in_place
    from deskhand.host.found import init
    from deskhand.store.files import Files

    desk = frame.desk
    _require_name(desk.root.name, archive, confirm)
    safety = _safety(frame, shown=shown)
    actor = Actor(kind="person", via="command", uid=os.getuid() if hasattr(os, "getuid") else None, pid=os.getpid())
    with progress(shown=shown) as bar:
        done = restore_in_place(
            *(Files(), desk, archive),
            clock=SystemClock(),
            actor=actor,
            stamp=_stamp(),
            progress=lambda done, total: bar("restoring", done, total),
        )
    init(desk.root, adopt=True)
    kept = show.path(done.kept)
    lines = [
        f"restored in place: {show.path(desk.root)}",
        f"the old desk is kept: {kept}",
        safety[1],
        "the audit log went on" if done.gap is None else f"there is a gap in the audit log: {show.text(done.gap)}",
        *_counted(done.in_doubt, "unfinished task may have run; what must not run twice waits for you"),
        *_counted(done.missing, "unfinished task has no files any more and is LOST"),
        *_counted(done.drops_aside, "drop of that time, perhaps done since, is in restored-drops/"),
        f"a shell or a program that stood in the old desk still does: cd {show.path(desk.root)}",
        "it is paused; look around, and when everything is as it should be: deskhand resume",
    ]
    return {
        "desk": show.path(desk.root),
        "kept": kept,
        "safety_backup": safety[0],
        "log": done.log,
        "gap": done.gap,
        "in_doubt": done.in_doubt,
        "missing": done.missing,
        "drops_aside": done.drops_aside,
        "lines": lines,
    }


def _counted(number: int, what: str) -> list[str]:
    return [f"{number} {what}"] if number else []


def _require_name(name: str, archive: Archive, confirm: str | None) -> None:
    if confirm is None and interactive():
        click.echo(f"{archive.facts.name} ({archive.facts.created[:19]} UTC) takes the place of this desk.")
        confirm = click.prompt("type the name of the desk's folder to go on", default="", show_default=False)
    if confirm != name:
        cause = "the name of the desk was not given" if not confirm else f"{confirm!r} is not the name of this desk"
        raise UsageError(OPERATION, cause, hint=f"--confirm {name}")


def _safety(frame: Frame, *, shown: bool) -> tuple[str | None, str]:
    """A backup of the desk as it is: its name, and a line about it.  None where its log is no more one to back up."""
    from deskhand.cli.backing import carry
    from deskhand.engine.backing import create
    from deskhand.host.client import daemon_alive
    from deskhand.store.files import Files

    if daemon_alive(frame.desk):
        raise HeldError(OPERATION, "a daemon works on this desk", path=frame.desk.root, hint="stop it first")
    try:
        with progress(shown=shown) as bar:
            made = create(Files(), frame.desk, frame.settings, carry(frame), full=True, progress=bar)
    except (IntegrityError, ConfigError) as error:
        return None, f"no backup could be made before, the old desk is all there is: {show.text(error.sentence)}"
    return made.name, f"a backup was made before: {made.name}"
