"""What a crash left in the staging area, taken up again at start-up.

Rules: ``partial/`` is discarded; what lies in ``claimed/`` is a drop, with the inbox, route and identity that its
folder's name carries, unless it is the input of a task on record (:func:`reunite`, which comes first); a description
in ``accepted/`` that the log does not know is discarded.  Running it again after another crash gives the same.  Nothing
is run and nothing is recorded here.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from deskhand.core.names import Part, key_of, member
from deskhand.core.settle import Kind
from deskhand.core.state import STATE_FOLDERS
from deskhand.core.task import TaskFile
from deskhand.errors import IntegrityError
from deskhand.store import task_files
from deskhand.store.accept import take_in
from deskhand.store.claim import Claimed, source_of
from deskhand.store.desk import Desk
from deskhand.store.drop_file import PAYLOAD, plain_name
from deskhand.store.dropped import INBOX
from deskhand.store.files import Files
from deskhand.store.folder import Entry, Folder
from deskhand.store.staging import Claim, Mark, make_folder, parse, remove_if_empty
from deskhand.store.tree import survey

_Origin = tuple[str, str | None, str]
"""Inbox, route and name of what was dropped: enough, because the bytes are compared."""


class Found(Struct, frozen=True):
    """What start-up found in the staging area."""

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
    changed = recover_accepted(files, desk, known)
    claimed, left = recover_claimed(files, desk, inboxes)
    fresh = {one.path: one for one in changed}
    return Found(tuple(fresh.pop(one.path, one) for one in claimed), tuple(left))


def reunite(files: Files, desk: Desk, described: Mapping[str, str]) -> list[tuple[str, str]]:
    """Bring inputs that still lie where they were claimed to ``accepted/``, named like the tasks that they belong to.

    *described*: the id of each task on record whose input was not found, and the hash of its task file.  Returns ids
    and the names of their inputs, also of those that were not found here.  OSError if the disk refuses.
    """
    if not described or not desk.claimed.is_dir():
        return []
    lying: dict[_Origin, list[Path]] = defaultdict(list)
    for one in recover_claimed(files, desk, {})[0]:
        lying[one.inbox, one.route, plain_name(one.name)].append(one.path)
    found = []
    for identifier, sha256 in described.items():
        task_file = _task_file(desk, identifier, sha256)
        if task_file is None:
            continue
        found.append((identifier, task_file.input))
        if _stands(desk, task_file.input):
            continue
        places = lying[task_file.inbox, task_file.route, task_file.name]
        path = next((path for path in (desk.dropped / identifier / PAYLOAD, *places) if _holds(path, task_file)), None)
        if path is not None:
            files.rename(path, desk.accepted / task_file.input)
    return found


def _stands(desk: Desk, name: str) -> bool:
    """Whether a task's input is in a state folder already."""
    return any(os.path.lexists(desk.folder(folder) / name) for folder in STATE_FOLDERS)


def _task_file(desk: Desk, identifier: str, sha256: str) -> TaskFile | None:
    """The description on record, wherever it stands."""
    for folder in (desk.accepted, *(desk.folder(name) for name in STATE_FOLDERS)):
        try:
            return task_files.read(folder / f"{identifier}.{Part.TASK}", sha256)
        except IntegrityError:
            continue
    return None


def _holds(path: Path, task_file: TaskFile) -> bool:
    """Whether exactly what was described is there; beside it may lie what quarantined it, and is no file."""
    try:
        return take_in(None, path, task_file.kind)[0] == task_file.files
    except OSError as error:
        if error.errno in task_files.GONE_OR_SWAPPED:
            return False
        raise


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


def recover_accepted(files: Files, desk: Desk, known: Container[str]) -> list[Claimed]:
    """Discard descriptions without a record; inputs that only a stranger can have put there become drops."""
    changed: list[Claimed] = []
    for name in sorted(os.listdir(desk.accepted)):
        found = member(name)
        if found is None or key_of(found.id) in known:
            continue
        if found.part is Part.TASK:
            files.unlink(desk.accepted / name)
        elif found.part is Part.INPUT:
            changed.append(_again(files, desk, name, Mark.CHANGED))
    return changed


def _again(files: Files, desk: Desk, payload: str, mark: Mark) -> Claimed:
    """Make a drop of an input that has no description."""
    target = make_folder(files, desk, Claim(INBOX, None, mark)) / payload
    files.rename(desk.accepted / payload, target)
    with Folder.open(target.parent) as folder:
        entry = folder.look(payload)
        source = source_of(entry)
    return Claimed(target, payload, INBOX, None, "folder" if entry.kind is Kind.FOLDER else "file", source, mark=mark)
