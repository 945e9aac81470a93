"""What a bystander saw of a desk at the moment when the power of its disk was cut.

Everything that was to be seen is an effect, and every effect has to have its record in the part of the log that
outlived the cut.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.core.chain import START
from deskhand.core.names import key_of, member
from deskhand.core.record import Record, decode, line_hash
from deskhand.core.state import STATE_FOLDERS, TERMINAL
from deskhand.store.desk import Desk
from tests.support import invariants

PHOTO = "photo.json"
DELIVERED = ("kept", "asked", "made")
FINAL = ("completed", "failed", "rejected")


class Photo(Struct, frozen=True):
    """See the module."""

    at: str
    """At which moment, for people."""
    lines: int
    """Complete lines of the log, durable or not."""
    places: dict[str, str]
    """Key of a task -> the state folder that its task file was in."""
    delivered: tuple[str, ...]
    """Keys of the tasks whose results were delivered."""
    marks: tuple[str, ...]
    """Keys of the tasks whose handlers had begun, one for each time."""


def take_photo(desk: Path, beside: Path, at: str) -> None:
    """Keep what is to be seen of *desk* in *beside*."""
    photo = _look(Desk(desk), beside, at)
    draft = beside / f"{PHOTO}.{os.getpid()}"
    draft.write_bytes(msgspec.json.encode(photo))
    draft.rename(beside / PHOTO)


def _look(desk: Desk, beside: Path, at: str) -> Photo:
    # Effects first: a record that is written meanwhile proves nothing about them.
    marks = (beside / "runs").read_text().split() if (beside / "runs").exists() else []
    delivered = [_key(name) for folder in DELIVERED for name in _names(desk.root / folder)]
    places = {}
    for folder in STATE_FOLDERS:
        for name in _names(desk.folder(folder)):
            part = member(name)
            if part is not None and name.endswith(".task.json"):
                places[key_of(part.id)] = folder
    lines = sum(path.read_bytes().count(b"\n") for path in desk.audit.glob("audit_*.jsonl"))
    return Photo(at, lines, places, tuple(delivered), tuple(marks))


def _names(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if not name.startswith(".")] if folder.is_dir() else []


def _key(name: str) -> str:
    """Of a result's name, which is its task's id (and a number, if it was delivered twice)."""
    return key_of(name.partition(" (")[0])


def outlived(desk: Desk) -> list[Record]:
    """The records up to the first line that is torn or does not follow the one before it: what a cut has left."""
    found: list[Record] = []
    expected = START.hash
    for path in sorted(desk.audit.glob("audit_*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                record = decode(line)
            except ValueError:
                return found
            if record.prev != expected:
                return found
            found.append(record)
            expected = line_hash(line)
    return found


def judge(photo: Photo, records: Sequence[Record]) -> None:
    """Assert that every effect in the photo has its record among *records*, those that outlived the cut."""
    tasks = invariants.project(list(records))
    for key, folder in photo.places.items():
        assert key in tasks, f"{key} was seen in {folder}/ and is not on record: {photo.at}"
        if folder in FINAL:
            assert tasks[key].state in TERMINAL, f"{key} was seen in {folder}/ and is {tasks[key].state}: {photo.at}"
    for key in photo.delivered:
        assert key in tasks and tasks[key].terminal, f"{key} was delivered, the log does not know: {photo.at}"
    invariants.runs_were_recorded(list(records), {key: photo.marks.count(key) for key in photo.marks})
