"""From a claimed drop to a durable task: hashed, described, ready to go on record.

Rules: payload bytes, task files and every name are durable when :func:`accept` returns; a batch shares its syncs.  The
payload stays where it was claimed, under its own name, until the task is on record (see ``engine.placement``): a
description without a record means nothing, and the drop is described again.  One drop that fails stays in ``claimed/``
and does not hold up the others; a sync that fails ends everything.

It does not choose recipes (a callable does), does not write to the log and does not place tasks in state folders.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from deskhand.core.front_matter import HEAD_BYTES
from deskhand.core.names import Part, extension, key_of, task_id
from deskhand.core.recipe import Pin
from deskhand.core.record import Actor
from deskhand.core.settle import Kind
from deskhand.core.task import InputFile, Options, TaskFile
from deskhand.errors import DeskhandError
from deskhand.store.claim import Claimed
from deskhand.store.desk import Desk
from deskhand.store.drop_file import name_bytes, plain_name
from deskhand.store.files import Files, FsyncError
from deskhand.store.folder import READ_FLAGS, Folder
from deskhand.store.staging import Mark
from deskhand.store.together import Together
from deskhand.store.tree import walk

BLOCK = 1 << 20
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Drop(Struct, frozen=True):
    """What is known about a drop when its recipe is chosen."""

    name: str
    """Its original name, undecodable bytes shown as escapes."""
    route: str | None
    inbox: str
    kind: Literal["file", "folder"]
    head: bytes
    """How a file begins, as far as front matter may reach; nothing of a folder."""
    size: int
    declared: Options | None
    """What ``deskhand drop`` was told; None for what came through an inbox."""
    origin: str | None = None
    """Of a retry: the inbox of the first task of the chain."""


class Choice(Struct, frozen=True):
    """The answer."""

    pin: Pin | None
    options: Options
    problem: str | None
    quarantine: bool


class Accepted(Struct, frozen=True):
    """A durable task, not yet on record: its task file in ``accepted/``, its payload where it was claimed."""

    task_file: TaskFile
    task_sha256: str
    """Of the task file's bytes (hex)."""
    payload: Path
    source_to_unlink: Path | None = None
    """A copied source, to be removed when the task is on record."""
    by: Actor | None = None
    """Who handed it in with a command: the owner of the folder it was handed in."""


class Failed(Struct, frozen=True):
    """A claimed drop that could not be made a task now; it stays in ``claimed/``."""

    claimed: Claimed
    error: OSError


class Ids:
    """Gives ids whose short forms differ, too; safe for use by several threads."""

    def __init__(self, known: Callable[[str], bool] = lambda key: False) -> None:
        self._known = known
        self._lock = threading.Lock()
        self._given: dict[str, set[str]] = {}

    def new(self, name: str, now: float) -> str:
        """An id for a drop called *name*, taken at *now* (epoch seconds)."""
        with self._lock:
            while True:
                found = task_id(name, now, _base32(secrets.randbits(30)))
                if self._take(key_of(found)):
                    return found

    def claim(self, key: str) -> bool:
        """Use the id of somebody else; False when it is used already."""
        with self._lock:
            return self._take(key)

    def _take(self, key: str) -> bool:
        given = self._given.setdefault(key[:15], set())
        if key in given or self._known(key):
            return False
        given.add(key)
        # Ids of one second can only collide among themselves; the log knows the older ones.
        while len(self._given) > 64:
            del self._given[next(iter(self._given))]
        return True


def _base32(number: int) -> str:
    """Six characters for 30 bits."""
    return "".join(BASE32[number >> shift & 31] for shift in range(0, 30, 5))


def accept(
    files: Files,
    desk: Desk,
    batch: Sequence[Claimed],
    choose: Callable[[Drop], Choice],
    ids: Ids,
    now: float,
    together: Together,
    sources: Iterable[Path] = (),
) -> tuple[list[Accepted], list[Failed]]:
    """Make tasks of claimed drops.  *sources*: folders that names were moved out of.  FsyncError ends the daemon."""
    whole = together.ready(len(batch))
    accepted: list[Accepted] = []
    failed: list[Failed] = []
    for claimed in batch:
        try:
            accepted.append(_describe(files, desk, claimed, choose, ids, now, whole=whole))
        except FsyncError:
            raise
        except OSError as error:
            failed.append(Failed(claimed, error))
    if accepted:
        try:
            if whole:
                together.sync_everything()
            else:
                _sync_each(files, desk, accepted)
                # A folder's own name before those in it: what is moved into it must not go with it.
                folders = (desk.claimed, desk.accepted, *(claimed.path.parent for claimed in batch), *sources)
                files.fsync_folders(folder for folder in folders if os.path.isdir(folder))
        except FsyncError:
            raise
        except OSError as error:
            described = {one.payload: one for one in accepted}
            pairs = [(claimed, described[claimed.path]) for claimed in batch if claimed.path in described]
            return [], [*failed, *(_undo(files, desk, claimed, one, error) for claimed, one in pairs)]
    return accepted, failed


def _sync_each(files: Files, desk: Desk, batch: Sequence[Accepted]) -> None:
    """Make descriptions and single files durable.  The first one waits for all that was begun to be written."""
    for accepted in batch:
        _sync_description(files, desk, accepted)
        if accepted.task_file.kind == "file":
            files.fsync_file(accepted.payload)


def _sync_description(files: Files, desk: Desk, accepted: Accepted) -> None:
    files.fsync_file(_description(desk, accepted.task_file.id))


def _description(desk: Desk, identifier: str) -> str:
    return f"{desk.accepted}{os.sep}{identifier}.{Part.TASK}"


def _undo(files: Files, desk: Desk, claimed: Claimed, accepted: Accepted, error: OSError) -> Failed:
    """Take the description back.  When even that fails, it is without a record, and the next start removes it."""
    try:
        files.unlink(_description(desk, accepted.task_file.id))
    except OSError as second:
        return Failed(claimed, second)
    return Failed(claimed, error)


def _describe(
    files: Files, desk: Desk, claimed: Claimed, choose: Callable[[Drop], Choice], ids: Ids, now: float, *, whole: bool
) -> Accepted:
    if claimed.kind == "file":
        files.set_mode(claimed.path, 0o400)
    head = b""
    odd: str | None = None
    if claimed.kind == "file":
        entry, head = _hash(os.open(claimed.path, READ_FLAGS), "", None if whole else files.begin_writing)
        inputs: tuple[InputFile, ...] = (entry,)
    else:
        inputs, odd = take_in(None if whole else files, claimed.path, claimed.kind)
    name = plain_name(claimed.name)
    size = sum(entry.bytes for entry in inputs)
    drop = claimed.drop
    mine = drop is None or claimed.problem is not None
    identifier = ids.new(name, now) if mine or drop is None else drop.id
    problem = claimed.problem or odd
    if problem is not None:
        choice = Choice(None, Options(), problem, quarantine=True)
    else:
        declared, origin = (None, None) if drop is None else (drop.options, drop.origin)
        about = Drop(name, claimed.route, claimed.inbox, claimed.kind, head, size, declared, origin)
        try:
            choice = choose(about)
        except DeskhandError as error:
            choice = Choice(None, declared or Options(), error.nameless, quarantine=False)
    suffix = "" if claimed.kind == "folder" else ".txt" if claimed.mark is Mark.LINK else extension(name)
    task_file = TaskFile(
        schema=1,
        id=identifier,
        name=name,
        name_bytes=name_bytes(claimed.name),
        received=now,
        inbox=claimed.inbox,
        route=claimed.route,
        kind=claimed.kind,
        files=inputs,
        salt=base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
        source=claimed.source,
        input=f"{identifier}.in{suffix}",
        options=choice.options,
        pin=choice.pin,
        problem=choice.problem,
        quarantine=choice.quarantine,
        retry_of=None if mine or drop is None else drop.retry_of,
        origin=None if mine or drop is None else drop.origin,
    )
    data = encode(task_file)
    files.create(_description(desk, identifier), data, sync=False)
    by = None if claimed.owner is None else Actor(kind="person", via="command", uid=claimed.owner)
    return Accepted(task_file, hashlib.sha256(data).hexdigest(), claimed.path, claimed.source_path, by)


def encode(task_file: TaskFile) -> bytes:
    """The bytes of a task file: JSON, indented by 2 spaces, LF at the end."""
    return msgspec.json.format(msgspec.json.encode(task_file), indent=2) + b"\n"


def take_in(
    files: Files | None, path: Path, kind: Literal["file", "folder"]
) -> tuple[tuple[InputFile, ...], str | None]:
    """Hash a payload and, with *files*, make its bytes durable.

    Returns the manifest, sorted by path, and what is wrong with a folder's content (links and special files are not
    opened), or None.
    """

    def sync(fd: int) -> None:
        if files is not None:
            files.fsync(fd)

    if kind == "file":
        return (_hash(os.open(path, READ_FLAGS), "", sync)[0],), None
    inputs: list[InputFile] = []
    folders = [path]
    odd: str | None = None
    with Folder.open(path) as top:
        for node in walk(top):
            if node.entry.kind is Kind.FILE:
                inputs.append(_hash(node.parent.file(node.entry.name), plain_name(node.path), sync)[0])
            elif node.entry.kind is Kind.FOLDER:
                folders.append(path / node.path)
            else:
                odd = odd or f"there is a {node.entry.kind.value} in it"
    if files is not None:
        files.fsync_folders(reversed(folders))
    return tuple(sorted(inputs, key=lambda entry: entry.path)), odd


def _hash(fd: int, path: str, then: Callable[[int], None] | None = None) -> tuple[InputFile, bytes]:
    """Read an open file to its end, do *then* to it, and close it; what it is, and how it begins."""
    digest = hashlib.sha256()
    size = 0
    head = b""
    try:
        while block := os.read(fd, BLOCK):
            digest.update(block)
            head = head or block[:HEAD_BYTES]
            size += len(block)
        if then is not None:
            then(fd)
    finally:
        os.close(fd)
    return InputFile(path, digest.hexdigest(), size), head
