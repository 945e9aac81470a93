"""When a drop counts as finished: the settle rules, as arithmetic on what was observed.

Rules: what was moved in (or handed over complete) is taken at once; what is being copied is taken when nobody has it
open for writing and nothing about it changed for a while on the monotonic clock.  "Not yet" is never final: every
later observation is judged again.  Nothing here looks at the disk or at a clock; observations and ``now`` (seconds of
the monotonic clock) are arguments.  Modification times are only ever compared for equality, so a time in the future or
at zero means nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from deskhand.core.settings import Intake

DOWNLOADING = (".part", ".partial", ".crdownload", ".download", ".opdownload", ".tmp")
"""What browsers append to the name of a file while its final name stands beside it, empty."""
WRITER_RECHECK_MAX = 2.0
"""Seconds between two looks at a file that somebody has open for writing."""


class Kind(StrEnum):
    """What stands under a name in an inbox."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    SPECIAL = "special file"
    """FIFO, socket or device."""


class Observation(Struct, frozen=True, gc=False):
    """What one look found."""

    kind: Kind
    dev: int
    ino: int
    size: int
    """Bytes; of a folder, the sum over its tree."""
    mtime_ns: int
    ctime_ns: int
    """Of a folder, the latest in its tree."""
    entries: int = 0
    """Files in a folder's tree; 0 for everything else."""
    mark: int = 0
    """A folder's whole tree in one number: names, inodes, sizes and times.  0 for everything else."""


class Candidate(Struct, frozen=True, gc=False):
    """A drop that was seen and not yet taken."""

    seen: Observation
    """The last observation."""
    first_seen: float
    unchanged_since: float
    moved_in: bool = False
    """It got its name by a rename: whoever wrote it had finished, unless a lease shows a writer."""
    has_writer: bool | None = None
    """Whether somebody had it open for writing at the last look; None = not looked, or it cannot be known."""
    checked: float = 0.0
    """When `has_writer` was found out."""
    checks: int = 0
    """Looks in a row that found a writer."""
    awaits_download: bool = False
    """It is empty and the browser's unfinished file stands beside it."""


class Take(Struct, frozen=True):
    """It is finished: take it now."""


class Wait(Struct, frozen=True):
    """Not yet; worth another look at `until`."""

    until: float


class Stalled(Struct, frozen=True):
    """Not yet, for so long that a person should know."""

    until: float


class Ignore(Struct, frozen=True):
    """Not a drop as it is."""

    reason: str


class Refuse(Struct, frozen=True):
    """It cannot be taken as it is; it stays where it is and a person is told once."""

    reason: str


Verdict = Take | Wait | Stalled | Ignore | Refuse


def observed(before: Candidate | None, seen: Observation, now: float, *, moved_in: bool = False) -> Candidate:
    """The candidate after one more look; anything that changed starts the quiet time again."""
    if before is None or (before.seen.dev, before.seen.ino) != (seen.dev, seen.ino):
        return Candidate(seen, now, now, moved_in)
    if before.seen != seen:
        return Candidate(seen, before.first_seen, now, before.moved_in or moved_in)
    return replace(before, moved_in=True) if moved_in and not before.moved_in else before


def refused_by_writer(candidate: Candidate, now: float) -> Candidate:
    """The candidate after a look that found it open for writing."""
    return replace(candidate, has_writer=True, checked=now, checks=candidate.checks + 1)


def restless(candidate: Candidate, now: float) -> Candidate:
    """The candidate after an attempt to take it saw it change."""
    return replace(candidate, unchanged_since=now, moved_in=False, has_writer=None, checks=0)


def downloading(name: str, siblings: Collection[str]) -> bool:
    """Whether one of *siblings* is the unfinished download that the empty file *name* holds the place of.

    ``a.pdf`` waits for ``a.pdf.part`` as well as for ``a.Xy12.pdf.part``.
    """
    if any(name + suffix in siblings for suffix in DOWNLOADING):
        return True
    stem = name.rsplit(".", 1)[0] + "."
    return any(other.startswith(stem) and other.endswith(DOWNLOADING) for other in siblings if other != name)


def judge(candidate: Candidate, rules: Intake, now: float) -> Verdict:
    """What to do with *candidate* at *now*."""
    seen = candidate.seen
    match seen.kind:
        case Kind.LINK:
            return Take()
        case Kind.SPECIAL:
            return Refuse("a FIFO, socket or device; only files and folders are taken")
        case Kind.FOLDER if seen.entries > rules.max_files:
            return Refuse(f"a folder with more than {rules.max_files} entries (intake.max_files)")
        case Kind.FOLDER if seen.entries == 0:
            return Ignore("an empty folder: there is nothing in it to take")
        case _ if seen.size > rules.max_size:
            return Refuse(f"{seen.size} bytes, more than the {rules.max_size} allowed (intake.max_size)")
        case _:
            due = _due(candidate, rules)
    if due <= now:
        return Take()
    return Stalled(due) if now - candidate.first_seen >= rules.stalled_after else Wait(due)


def _due(candidate: Candidate, rules: Intake) -> float:
    """When the candidate may be taken if nothing changes until then; infinity while a download stands beside it."""
    seen = candidate.seen
    if candidate.awaits_download:
        return float("inf")
    if seen.kind is Kind.FOLDER:
        quiet = rules.settle_folder
    elif candidate.moved_in:
        quiet = 0.0
    else:
        quiet = rules.settle if seen.size else rules.settle_empty
    due = candidate.unchanged_since + quiet
    if candidate.has_writer:
        pause = min(max(rules.settle, 0.05) * 2 ** min(candidate.checks - 1, 10), WRITER_RECHECK_MAX)
        due = max(due, candidate.checked + pause)
    return due
