"""What a crash left in the staging area, taken up again at start-up.

Rules: ``partial/`` is discarded; what lies in ``claimed/`` is a drop, with the inbox, route and identity that its
folder's name carries; a whole task in ``accepted/`` that the log does not know is offered again under the same id if
its bytes are still those of its task file.  Running it again after another crash gives the same.  Nothing is run and
nothing is recorded here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from deskhand.core.names import Part, key_of, member
from deskhand.core.settle import Kind
from deskhand.core.task import TaskFile
from deskhand.store.accept import Accepted, take_in
from deskhand.store.claim import Claimed, source_of
from deskhand.store.desk import Desk
from deskhand.store.dropped import INBOX
from deskhand.store.files import Files
from deskhand.store.folder import Entry, Folder
from deskhand.store.sources import matches
from deskhand.store.staging import Claim, Mark, make_folder, parse, remove_if_empty
from deskhand.store.tree import survey


class Found(Struct, frozen=True):
    """What start-up found in the staging area."""

    accepted: tuple[Accepted, ...] = ()
    """Durable tasks that the log does not know yet."""
    claimed: tuple[Claimed, ...] = ()
    """Drops that are ours and have to be described."""
    left: tuple[Path, ...] = ()
    """What cannot be taken (a link, FIFO, socket or device where only we should write); it stays where it is."""


def recover(files: Files, desk: Desk, known: Container[str], inboxes: Mapping[str, Path]) -> Found:
    """Clean up and collect.  *known*: short ids on record; *inboxes*: name -> folder.  OSError if the disk refuses."""
    for folder in (desk.partial, desk.claimed, desk.accepted, desk.dropped):
        files.make_folder(folder)
    for name in os.listdir(desk.partial):
        _discard(files, desk.partial / name)
    offered, changed = recover_accepted(files, desk, known, inboxes)
    claimed, left = recover_claimed(files, desk, inboxes)
    fresh = {one.path: one for one in changed}
    return Found(tuple(offered), tuple(fresh.pop(one.path, one) for one in claimed), tuple(left))


def _discard(files: Files, path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        files.remove_tree(path)
    else:
        files.unlink(path)


def recover_claimed(files: Files, desk: Desk, inboxes: Mapping[str, Path]) -> tuple[list[Claimed], list[Path]]:
    """The drops in ``claimed/``, and what there cannot be one."""
    drops: list[Claimed] = []
    left: list[Path] = []
    with Folder.open(desk.claimed) as folder:
        for entry in sorted(folder.entries(), key=lambda entry: entry.name):
            said = parse(entry.name)
            if entry.kind is not Kind.FOLDER or said is None:
                _add(folder, entry, Claim(INBOX, None, Mark.FORGED), inboxes, drops, left)
                continue
            with folder.folder(entry.name) as inner:
                for found in sorted(inner.entries(), key=lambda found: os.fsencode(found.name)):
                    _add(inner, found, said, inboxes, drops, left)
            remove_if_empty(files, desk.claimed / entry.name)
    return drops, left


def _add(
    folder: Folder, entry: Entry, said: Claim, inboxes: Mapping[str, Path], drops: list[Claimed], left: list[Path]
) -> None:
    path = folder.path / entry.name
    kind: Literal["file", "folder"]
    if entry.kind is Kind.FILE:
        kind, source = "file", said.source or source_of(entry)
    elif entry.kind is Kind.FOLDER:
        kind = "folder"
        source = said.source or source_of(survey(folder, entry.name, uid=None, limit=1_000_000).seen)
    else:
        left.append(path)
        return
    root = inboxes.get(said.inbox)
    copied = None
    if said.source is not None and root is not None:
        copied = root / said.route / entry.name if said.route else root / entry.name
    drops.append(Claimed(path, entry.name, said.inbox, said.route, kind, source, copied, said.mark))


def recover_accepted(
    files: Files, desk: Desk, known: Container[str], inboxes: Mapping[str, Path]
) -> tuple[list[Accepted], list[Claimed]]:
    """Tasks in ``accepted/`` to be offered again, and payloads that became drops again (now in ``claimed/``)."""
    offered: list[Accepted] = []
    changed: list[Claimed] = []
    parts: dict[str, dict[Part, str]] = {}
    for name in sorted(os.listdir(desk.accepted)):
        found = member(name)
        if found is not None and found.part in (Part.TASK, Part.INPUT):
            parts.setdefault(found.id, {})[found.part] = name
    for identifier, names in parts.items():
        if key_of(identifier) in known:
            continue
        task_name, payload = names.get(Part.TASK), names.get(Part.INPUT)
        if payload is None:
            files.unlink(desk.accepted / f"{identifier}.{Part.TASK}")
            continue
        task = None if task_name is None else _whole(desk.accepted / task_name, desk.accepted / payload)
        if task is not None:
            offered.append(_offer(task, desk.accepted / payload, inboxes))
            continue
        mark = Mark.PLAIN if task_name is None else Mark.CHANGED
        changed.append(_again(files, desk, payload, mark))
        if task_name is not None:
            files.unlink(desk.accepted / task_name)
    return offered, changed


def _whole(path: Path, payload: Path) -> tuple[TaskFile, str] | None:
    """The task file at *path* and its hash, if *payload* is what it describes."""
    data = path.read_bytes()
    try:
        task_file = msgspec.json.decode(data, type=TaskFile)
        inputs, _ = take_in(None, payload, task_file.kind)
    except (msgspec.MsgspecError, NotADirectoryError, IsADirectoryError):
        return None
    if task_file.input != payload.name or task_file.files != inputs:
        return None
    return task_file, hashlib.sha256(data).hexdigest()


def _offer(task: tuple[TaskFile, str], payload: Path, inboxes: Mapping[str, Path]) -> Accepted:
    task_file, sha256 = task
    root = inboxes.get(task_file.inbox)
    source: Path | None = None
    if root is not None:
        name = task_file.original_name
        source = root / task_file.route / name if task_file.route else root / name
        if not matches(source, task_file.source):
            source = None
    return Accepted(task_file, sha256, payload, source)


def _again(files: Files, desk: Desk, payload: str, mark: Mark) -> Claimed:
    """Make a drop of a payload whose task file is missing or does not fit."""
    target = make_folder(files, desk, Claim(INBOX, None, mark)) / payload
    files.rename(desk.accepted / payload, target)
    with Folder.open(target.parent) as folder:
        entry = folder.look(payload)
        source = source_of(entry)
    return Claimed(target, payload, INBOX, None, "folder" if entry.kind is Kind.FOLDER else "file", source, mark=mark)
