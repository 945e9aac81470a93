"""From a claimed drop to a durable task: hashed, described, named by its id, ready to go on record.

Rules: the task file is durable before the payload gets the name of its id, so a payload with an id always has a
description; payload bytes, task files and folders are durable when :func:`accept` returns.  A batch shares its folder
syncs.  One drop that fails stays in ``claimed/`` and does not hold up the others; an fsync that fails ends everything.

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

from deskhand.core.names import extension, key_of, task_id
from deskhand.core.recipe import Pin
from deskhand.core.record import Actor
from deskhand.core.settle import Kind
from deskhand.core.task import InputFile, Options, TaskFile
from deskhand.errors import DeskhandError
from deskhand.store.claim import Claimed
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DROP_FILE, name_bytes, plain_name
from deskhand.store.files import Files, FsyncError
from deskhand.store.folder import Folder
from deskhand.store.staging import Mark, remove_if_empty
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
    path: Path
    """Where its bytes are, for reading only."""
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
    """A durable task in ``accepted/``, not yet on record."""

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
                found = task_id(name, now, "".join(secrets.choice(BASE32) for _ in range(6)))
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


class _Ready(Struct, frozen=True):
    """A task file on disk, its payload still under its old name."""

    claimed: Claimed
    task_file: TaskFile
    sha256: str


def accept(
    files: Files,
    desk: Desk,
    batch: Sequence[Claimed],
    choose: Callable[[Drop], Choice],
    ids: Ids,
    now: float,
    sources: Iterable[Path] = (),
) -> tuple[list[Accepted], list[Failed]]:
    """Make tasks of claimed drops.  *sources*: folders that names were moved out of.  FsyncError ends the daemon."""
    ready: list[_Ready] = []
    failed: list[Failed] = []
    for claimed in batch:
        try:
            ready.append(_describe(files, desk, claimed, choose, ids, now))
        except FsyncError:
            raise
        except OSError as error:
            failed.append(Failed(claimed, error))
    accepted: list[Accepted] = []
    if ready:
        try:
            files.fsync_folder(desk.accepted)
        except FsyncError:
            raise
        except OSError as error:
            return [], [*failed, *(_undo(files, desk, one, error) for one in ready)]
        for one in ready:
            try:
                accepted.append(_name(files, desk, one))
            except OSError as error:
                failed.append(_undo(files, desk, one, error))
        folders = [desk.accepted, *(claimed.path.parent for claimed in batch), *sources]
        try:
            files.fsync_folders(folder for folder in folders if os.path.isdir(folder))
        except OSError as error:
            # They have their names already: it is not known what a power cut would leave.
            raise FsyncError(error.errno, f"a folder could not be made durable: {error.strerror}") from error
        _tidy(files, desk, [one.claimed for one in ready])
    return accepted, failed


def _undo(files: Files, desk: Desk, ready: _Ready, error: OSError) -> Failed:
    """Take the description back.  When even that fails, it is without a payload, and the next start removes it."""
    try:
        files.unlink(desk.accepted / f"{ready.task_file.id}.task.json")
    except OSError as second:
        return Failed(ready.claimed, second)
    return Failed(ready.claimed, error)


def _describe(
    files: Files, desk: Desk, claimed: Claimed, choose: Callable[[Drop], Choice], ids: Ids, now: float
) -> _Ready:
    if claimed.kind == "file":
        files.set_mode(claimed.path, 0o400)
    inputs, odd = take_in(files, claimed.path, claimed.kind)
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
        about = Drop(name, claimed.route, claimed.inbox, claimed.kind, claimed.path, size, declared, origin)
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
    files.create(desk.accepted / f"{identifier}.task.json", data)
    return _Ready(claimed, task_file, hashlib.sha256(data).hexdigest())


def encode(task_file: TaskFile) -> bytes:
    """The bytes of a task file: JSON, indented by 2 spaces, LF at the end."""
    return msgspec.json.format(msgspec.json.encode(task_file), indent=2) + b"\n"


def _name(files: Files, desk: Desk, ready: _Ready) -> Accepted:
    payload = desk.accepted / ready.task_file.input
    files.rename(ready.claimed.path, payload)
    owner = ready.claimed.owner
    by = None if owner is None else Actor(kind="person", via="command", uid=owner)
    return Accepted(ready.task_file, ready.sha256, payload, ready.claimed.source_path, by)


def _tidy(files: Files, desk: Desk, batch: Sequence[Claimed]) -> None:
    """Remove the folders that the payloads came from.  What cannot be removed now is found again when it matters."""
    for folder in dict.fromkeys(claimed.path.parent for claimed in batch):
        try:
            if folder.parent == desk.dropped:
                files.unlink(folder / DROP_FILE)
            if folder != desk.claimed:
                remove_if_empty(files, folder)
        except OSError:
            continue


def take_in(
    files: Files | None, path: Path, kind: Literal["file", "folder"]
) -> tuple[tuple[InputFile, ...], str | None]:
    """Hash a payload and, with *files*, make its bytes durable.

    Returns the manifest, sorted by path, and what is wrong with a folder's content (links and special files are not
    opened), or None.
    """
    with Folder.open(path.parent) as parent:
        if kind == "file":
            return (_hash(files, parent, path.name, ""),), None
        inputs: list[InputFile] = []
        folders = [path]
        odd: str | None = None
        with parent.folder(path.name) as top:
            for node in walk(top):
                if node.entry.kind is Kind.FILE:
                    inputs.append(_hash(files, node.parent, node.entry.name, plain_name(node.path)))
                elif node.entry.kind is Kind.FOLDER:
                    folders.append(path / node.path)
                else:
                    odd = odd or f"there is a {node.entry.kind.value} in it"
    if files is not None:
        files.fsync_folders(reversed(folders))
    return tuple(sorted(inputs, key=lambda entry: entry.path)), odd


def _hash(files: Files | None, folder: Folder, name: str, path: str) -> InputFile:
    digest = hashlib.sha256()
    size = 0
    fd = folder.file(name)
    try:
        while block := os.read(fd, BLOCK):
            digest.update(block)
            size += len(block)
        if files is not None:
            files.fsync(fd)
    finally:
        os.close(fd)
    return InputFile(path, digest.hexdigest(), size)
