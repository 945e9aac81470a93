"""The folders in ``claimed/``: their names carry what must be known about a drop if the daemon ends right now.

``<inbox>~<route>~<n>`` holds what was moved out of an inbox under its original name; a fourth part says more:
``~copy.<dev>.<ino>.<bytes>.<mtime>.<ctime>`` that it is a copy, and of what.  Names of inboxes and recipes have no
``~``.  It makes, reads and removes these folders and knows nothing about their content.
"""

from __future__ import annotations

import os
import re
import secrets
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from deskhand.core.task import Source
from deskhand.store.desk import Desk
from deskhand.store.files import Files


class Mark(StrEnum):
    """What else is known about what lies in a claimed folder."""

    PLAIN = "plain"
    """Moved out of an inbox."""
    COPY = "copy"
    """Copied; the source may still be in the inbox."""
    LINK = "link"
    """A symbolic link, or already the card that stands for it."""
    ODD = "odd"
    """A copied folder whose source held links or special files."""
    CHANGED = "changed"
    """Its bytes were not those of its task file."""
    FORGED = "forged"
    """It was put into the staging area by somebody else, or its description is malformed."""


PROBLEMS = {
    Mark.LINK: "a symbolic link; what it points to was not opened",
    Mark.ODD: "the folder holds symbolic links or special files",
    Mark.CHANGED: "its bytes changed between being taken and being recorded",
    Mark.FORGED: "its description is malformed or forged",
}
"""Why a drop with this mark is quarantined."""

_MARKS = frozenset(mark.value for mark in Mark)
_NAME = re.compile(r"([a-z0-9-]+)~([a-z0-9-]*)~([0-9a-f]+)(?:~([a-z]+)(?:\.(\d+)\.(\d+)\.(\d+)\.(-?\d+)\.(-?\d+))?)?\Z")


class Claim(Struct, frozen=True):
    """What a claimed folder's name says."""

    inbox: str
    route: str | None = None
    mark: Mark = Mark.PLAIN
    source: Source | None = None
    """Of a copy: the identity of what was copied."""


def folder_name(claim: Claim) -> str:
    """A new name that says what *claim* says."""
    name = f"{claim.inbox}~{claim.route or ''}~{secrets.token_hex(6)}"
    if claim.mark is Mark.PLAIN:
        return name
    source = claim.source
    if source is None:
        return f"{name}~{claim.mark.value}"
    numbers = (source.dev, source.ino, source.bytes, source.mtime_ns, source.ctime_ns)
    return f"{name}~{claim.mark.value}." + ".".join(map(str, numbers))


def parse(name: str) -> Claim | None:
    """What *name* says; None when it is not the name of a claimed folder."""
    found = _NAME.match(name)
    if found is None:
        return None
    inbox, route, _, mark, *numbers = found.groups()
    if mark is not None and mark not in _MARKS:
        return None
    source = Source(*(int(number) for number in numbers)) if numbers[0] is not None else None
    return Claim(inbox, route or None, Mark(mark) if mark else Mark.PLAIN, source)


def make_folder(files: Files, desk: Desk, claim: Claim) -> Path:
    """A new, empty claimed folder."""
    path = desk.claimed / folder_name(claim)
    files.make_folder(path)
    return path


def remove_if_empty(files: Files, path: Path) -> None:
    """Remove a claimed folder of ours that has nothing left in it."""
    try:
        with os.scandir(path) as left:
            if next(left, None) is not None:
                return
    except FileNotFoundError:
        return
    files.remove_tree(path)
