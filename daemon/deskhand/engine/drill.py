"""The recovery drill: restore backups into a folder that is thrown away, and prove that the result is a desk.

The newest backup and an older one are restored from the place that is furthest away and can be read.  Each is verified
(bytes, chain, folders against the log), and a second engine is opened on it: it recovers the desk, as every start does,
and must then know the same unfinished tasks and have lost none.  It is told that it is a rehearsal: it starts no
handler, delivers nothing, takes no drop, watches nothing, ends no process, and is forgotten.  Then a copy with one
flipped byte and one that was cut off must be found to be bad.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from deskhand.core.backup_name import created
from deskhand.core.clock import Clock
from deskhand.core.log import NoLog
from deskhand.core.names import Part
from deskhand.core.record import Actor
from deskhand.core.state import State
from deskhand.core.task import Task, manifest_sha256
from deskhand.engine.assemble import open_desk
from deskhand.engine.view import View, look
from deskhand.errors import DeskhandError, IntegrityError
from deskhand.store import task_files
from deskhand.store.archive_check import verify_file
from deskhand.store.archive_read import open_archive
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.restore_folder import restore_to

OPERATION = "the recovery drill"
CANARY = "canary"
"""In the name of a task that was dropped to be found again; without one, any finished task will do."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, bytes done and bytes in all."""


class Rehearsed(Struct, frozen=True):
    """What became of one backup."""

    name: str
    ok: bool
    seconds: float
    """Until it was restored and verified."""
    records: int = 0
    unfinished: int = 0
    opened: bool = False
    """A second engine opened on it, recovered it and lost nothing."""
    canary: str | None = None
    """Key of a task that was looked for and found with its input; None when there was none to look for."""
    reason: str | None = None
    """What is wrong."""


class Damage(Struct, frozen=True):
    """A copy that was damaged on purpose."""

    what: str
    found: bool
    """Whether verification said so, as it must."""
    reason: str | None


class Drilled(Struct, frozen=True):
    """What a drill found out."""

    ok: bool
    began: float
    """Epoch seconds."""
    place: str
    """Where the backups were read: `desk`, or the name of a second target."""
    rpo_s: float | None
    """Seconds from the newest backup to now: what would be lost; None when there is no backup."""
    rto_s: float | None
    """Seconds until the newest was a verified desk again; None when it was none."""
    backups: tuple[Rehearsed, ...]
    damaged: tuple[Damage, ...]
    reason: str | None
    """The first thing that is wrong."""
    encrypted: int = 0
    """Backups there that cannot be read because they are encrypted."""


class Place(Struct, frozen=True):
    """A folder with backups."""

    name: str
    folder: Path
    backups: tuple[str, ...]
    """Names, newest first."""


def choose(folder: Path, names: Sequence[str], dice: random.Random) -> list[str]:
    """The newest of *names* (newest first) and any older one; those that have only the history are no desks."""
    desks = [name for name in names[:1] if _may_be_a_desk(folder / name)]
    rest = list(names[1:])
    while not desks and rest:
        name = rest.pop(0)
        desks = [name] if _may_be_a_desk(folder / name) else []
    dice.shuffle(rest)
    older = next((name for name in rest if _may_be_a_desk(folder / name)), None)
    return desks if older is None else [*desks, older]


def _may_be_a_desk(path: Path) -> bool:
    """Whether it says so; one that cannot be read is not passed over."""
    try:
        with open_archive(path) as archive:
            return archive.facts.only is None
    except DeskhandError:
        return True


def drill(
    files: Files,
    place: Place,
    *,
    clock: Clock,
    dice: random.Random,
    progress: Progress = lambda doing, done, total: None,
) -> Drilled:
    """Restore backups of *place*, and damage copies.  What goes wrong is in the answer.

    OSError when no folder to work in can be made.
    """
    now = clock.wall()
    readable = [name for name in place.backups if name.endswith(".zip")]
    encrypted = len(place.backups) - len(readable)
    names = choose(place.folder, readable, dice)
    if not names:
        none = "every backup there is encrypted" if encrypted else "there is no backup of a desk"
        return Drilled(False, now, place.name, None, None, (), (), none, encrypted)
    scratch = Path(tempfile.mkdtemp(prefix="deskhand-drill-")).resolve()
    try:
        rehearsed = tuple(
            _rehearse(files, place.folder / name, scratch / str(number), clock, progress)
            for number, name in enumerate(names)
        )
        damaged = _damaged(files, place.folder / names[0], scratch, dice) if rehearsed[0].ok else ()
    finally:
        files.remove_tree(scratch)
    moment, reason = created(names[0]), _reason(rehearsed, damaged)
    return Drilled(
        ok=reason is None,
        began=now,
        place=place.name,
        rpo_s=None if moment is None else now - moment,
        rto_s=rehearsed[0].seconds if rehearsed[0].ok else None,
        backups=rehearsed,
        damaged=damaged,
        reason=reason,
        encrypted=encrypted,
    )


def _reason(rehearsed: Sequence[Rehearsed], damaged: Sequence[Damage]) -> str | None:
    for one in rehearsed:
        if not one.ok:
            return f"{one.name}: {one.reason}"
    return next((f"{damage.what} was not noticed" for damage in damaged if not damage.found), None)


def _rehearse(files: Files, path: Path, folder: Path, clock: Clock, progress: Progress) -> Rehearsed:
    began = time.monotonic()
    try:
        with open_archive(path) as archive:
            files.new_folder(folder)
            made = restore_to(
                files, archive, folder / "desk", lambda done, total: progress(f"restoring {path.name}", done, total)
            )
        seconds = time.monotonic() - began
        _open_beside(files, made.desk, folder / "state", made.tasks, clock)
        return Rehearsed(
            path.name,
            ok=True,
            seconds=seconds,
            records=made.records,
            unfinished=len(made.tasks),
            opened=True,
            canary=_find_canary(look(made.desk, since=0.0)),
        )
    except (DeskhandError, OSError) as error:
        cause = error.sentence if isinstance(error, DeskhandError) else str(error)
        return Rehearsed(path.name, ok=False, seconds=time.monotonic() - began, reason=cause)


def _open_beside(files: Files, desk: Desk, state: Path, tasks: dict[str, Task], clock: Clock) -> None:
    """Open an engine on a restored desk; IntegrityError when it does not know the same tasks afterwards."""
    environ = {**os.environ, "XDG_STATE_HOME": str(state)}
    actor = Actor(kind="daemon", via="drill")
    with open_desk(
        *(desk, NoLog()),
        ring=lambda: None,
        watch=False,
        work=False,
        files=files,
        clock=clock,
        adopt=actor,
        environ=environ,
        rehearsal=True,
    ) as session:
        found = session.engine.ledger.tasks
        lost = [key for key in tasks if key not in found or found[key].state is State.LOST]
        extra = [key for key in found if key not in tasks]
        missing = [key for key in tasks if not session.parts.placement.knows(key)]
    for what, keys in (("does not know", lost), ("invents", extra), ("finds no files of", missing)):
        if keys:
            raise IntegrityError(OPERATION, f"a desk opened on it {what} {', '.join(sorted(keys)[:5])}")


def _find_canary(view: View) -> str | None:
    """Key of a finished task that is there with its input.  IntegrityError when its files are not what is on record.

    Its files may have been removed, as anybody may do with what is finished: then another one is looked for.
    """
    ended = [(task, place) for task in reversed(view.ended.values()) if (place := view.place(task.key)) is not None]
    ended.sort(key=lambda one: CANARY not in one[1].id)
    for task, place in ended:
        if task.state is not State.COMPLETED or f"{place.id}.{Part.TASK}" not in place.names:
            continue
        described = task_files.read(place.folder / f"{place.id}.{Part.TASK}", task.task_sha256)
        if described.input not in place.names:
            continue
        if manifest_sha256(task_files.manifest(place.folder / described.input)) != task.input_sha256:
            raise IntegrityError(OPERATION, "the input of a finished task is not the one on record", path=place.folder)
        return task.key
    return None


def _damaged(files: Files, path: Path, scratch: Path, dice: random.Random) -> tuple[Damage, ...]:
    """Copies of a good backup with one flipped byte and with an end cut off, and whether that is noticed."""
    size = path.stat().st_size
    at, length = dice.randrange(size), dice.randrange(size)
    flipped, cut = scratch / "flipped.zip", scratch / "cut.zip"
    with path.open("rb") as source:
        files.copy(source, flipped, limit=size, sync=False)
    with path.open("rb") as source, flipped.open("rb") as copy:
        copy.seek(at)
        byte = copy.read(1)[0] ^ 0xFF
        files.create(cut, b"", sync=False)
        fd = os.open(cut, os.O_WRONLY)
        try:
            left = length
            while left and (block := source.read(min(left, 1 << 20))):
                files.write_all(fd, block)
                left -= len(block)
        finally:
            os.close(fd)
    fd = os.open(flipped, os.O_WRONLY)
    try:
        files.pwrite(fd, bytes([byte]), at)
    finally:
        os.close(fd)
    found = []
    for what, copied in ((f"a flipped byte ({at} of {size})", flipped), (f"an end cut off at byte {length}", cut)):
        verified = verify_file(copied)
        found.append(Damage(what, not verified.ok, verified.reason))
    return tuple(found)
