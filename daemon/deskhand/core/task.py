"""A task: the immutable file that describes it, and its state as projected from the audit log."""

from __future__ import annotations

import base64
import hashlib
from typing import Literal

from msgspec import Struct, field, json

from deskhand.core.recipe import Pin
from deskhand.core.state import FOLDERS, TERMINAL, State


class Options(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a drop may say about itself (``deskhand drop`` flags, or a note's front matter under ``deskhand:``)."""

    recipe: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    """Name by which other drops can wait for this one (``after:``)."""
    after: tuple[str, ...] = ()
    """Keys (or task ids) that must be completed first."""
    not_before: float | None = None
    """Epoch seconds before which no attempt starts."""
    priority: int | None = None
    """-10 to 10; only ever lowers what the recipe gives."""
    approval: Literal["required"] | None = None
    """Ask a person even if the recipe would not; it can never be loosened from here."""


class InputFile(Struct, frozen=True):
    """One file of the input: path inside a dropped folder (`/`-separated; empty for a single file)."""

    path: str
    sha256: str
    bytes: int


def manifest_sha256(files: tuple[InputFile, ...]) -> str:
    """The hash that stands for an input: the file's own for one file, else of ``<sha256>  <path>\\n`` lines, sorted.

    A line is what ``sha256sum`` (coreutils 9) prints: when the path has a backslash, LF or CR, these are written
    ``\\\\``, ``\\n``, ``\\r`` and the line begins with a backslash.  So one line is one file, whatever it is called.
    """
    if len(files) == 1 and files[0].path == "":
        return files[0].sha256
    lines = sorted(_manifest_line(entry) for entry in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _manifest_line(entry: InputFile) -> str:
    path = entry.path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if path == entry.path else chr(92)}{entry.sha256}  {path}\n"


class Source(Struct, frozen=True):
    """Identity of the dropped file at the moment it was taken; times in ns since the epoch."""

    dev: int
    ino: int
    bytes: int
    mtime_ns: int
    ctime_ns: int


class TaskFile(Struct, frozen=True, omit_defaults=True):
    """``<id>.task.json``: written once, before the task is on record, and never changed (schema 1)."""

    schema: Literal[1]
    id: str
    name: str
    """The dropped name, undecodable bytes shown as escapes."""
    received: float
    """Epoch seconds."""
    inbox: str
    """Name of the inbox, or `drop` for `deskhand drop`, or `retry`."""
    kind: Literal["file", "folder"]
    files: tuple[InputFile, ...]
    salt: str
    """16 random bytes, base64url: what the log commits to is SHA-256(salt + text); without the salt it says nothing."""
    source: Source
    input: str
    """Name of the payload beside this file: `<id>.in.pdf` or `<id>.in`."""
    name_bytes: str | None = None
    """Base64 of the name's bytes when they are not UTF-8."""
    route: str | None = None
    """The routing folder it was dropped in."""
    options: Options = field(default_factory=Options)
    pin: Pin | None = None
    """The recipe chosen when it was taken; None = none could be (the task is parked or quarantined)."""
    problem: str | None = None
    """Why no recipe could be chosen, or why the drop is quarantined."""
    quarantine: bool = False
    """True: hostile or malformed; goes to failed/ without running."""
    retry_of: str | None = None
    """Id of the finished task that a person wanted tried again."""
    origin: str | None = None
    """Of a retry: the inbox of the first task of the chain, which recipes and their approval rules go by."""

    @property
    def dropped_in(self) -> str:
        """The inbox that recipes and rules go by: where it was dropped first, however often it was tried again."""
        return self.origin or self.inbox

    @property
    def original_name(self) -> str:
        """The dropped name exactly as it was, undecodable bytes as surrogates."""
        if self.name_bytes is None:
            return self.name
        return base64.b64decode(self.name_bytes).decode("utf-8", "surrogateescape")

    @property
    def input_sha256(self) -> str:
        """See :func:`manifest_sha256`."""
        return manifest_sha256(self.files)

    @property
    def input_bytes(self) -> int:
        """Size of the whole input in bytes."""
        return sum(entry.bytes for entry in self.files)


# msgspec learns a type at its first use, and two threads that use it first at the same moment end the process.
json.Decoder(TaskFile)


def commitment(salt: str, text: str) -> str:
    """What the audit log says about a personal text: hex SHA-256 of ``salt`` + text, UTF-8."""
    return hashlib.sha256((salt + text).encode("utf-8", "surrogatepass")).hexdigest()


class Task(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A task as the audit log tells it.  Nothing here comes from anywhere else; see ``core.replay``."""

    key: str
    """Id without the slug."""
    state: State
    tn: int
    """Number of its last record, from 1."""
    seq: int
    """Sequence number of its last record."""
    first_seq: int
    """Sequence number of its first record: the order of arrival."""
    since: float
    """Epoch seconds of the last change of state."""
    received: float
    """Epoch seconds of the first record."""
    task_sha256: str
    """Of the task file's bytes."""
    input_sha256: str
    """Of the input that may run (changes only when a person approves a changed input)."""
    inbox: str = ""
    pin: Pin | None = None
    priority: int = 0
    attempt: int = 0
    """Attempts recorded so far."""
    attempt_cap_extra: int = 0
    """Attempts that people granted by answering *run again* to a task in doubt."""
    next_at: float = 0.0
    """Epoch seconds before which no attempt starts (`not_before`, backoff)."""
    label: str | None = None
    """Hash of its `key:`."""
    after: tuple[str, ...] = ()
    """Hashes of the keys, or task keys, it waits for."""
    digest: str | None = None
    """SHA-256 of the request file that stands in approvals/."""
    revision: int = 0
    """How often it was asked."""
    expires: float | None = None
    """Epoch seconds after which the request is void."""
    approved: str | None = None
    """Digest of the request that a person said yes to; consumed with the first attempt, kept for the record."""
    reason: str | None = None
    """Why it stands where it stands."""
    undelivered: bool = False
    """Completed, but its results are not yet where `deliver:` puts them."""
    results: tuple[str, ...] | None = None
    """While undelivered: what `task.completed` says the results are; None = an older log does not tell."""
    strict: bool = False
    """The drop itself asked for an approval."""
    duplicate_of: str | None = None
    """Key of the completed task that had the same bytes."""

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in TERMINAL

    @property
    def folder(self) -> str:
        """The state folder its files belong in; a completed task leaves pending/ when its results are delivered."""
        if self.state is State.COMPLETED and self.undelivered:
            return "pending"
        return FOLDERS[self.state]
