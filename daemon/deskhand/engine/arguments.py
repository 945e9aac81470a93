"""What each command takes: nothing else reaches a decision or the log."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from deskhand.core.incident import Severity
from deskhand.core.settings import Amount, Share
from deskhand.errors import UsageError

Key = Annotated[str, Meta(min_length=1, max_length=255)]
"""A task's key, or the name of a setting."""
Hash = Annotated[str, Meta(max_length=64)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Prose = Annotated[str, Meta(max_length=8000)]
"""Characters: what a person writes, as long as a line of the log can hold it."""


class Arguments(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a command that takes none."""


class Pause(Arguments, frozen=True):
    """Of `pause`."""

    drain: bool = False


class Wait(Arguments, frozen=True):
    """Of `wait`."""

    key: Key
    to_the_end: bool = False
    """Wait on while it waits for a person."""


class OneTask(Arguments, frozen=True):
    """Of a command about a task."""

    key: Key


class Cancel(OneTask, frozen=True):
    """Of `cancel`."""

    reason: Prose | None = None
    force: bool = False


class Answer(OneTask, frozen=True):
    """Of `approve`, `reject` and `happened`."""

    digest: Hash | None = None
    reason: Prose | None = None


class Version(Arguments, frozen=True):
    """A blessed version, as `core.recipe.Pin` names it."""

    id: Key
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    sha256: Sha256
    code_sha256: Sha256 | None = None


class Bless(Arguments, frozen=True):
    """Of `bless`."""

    recipe: Version
    purpose: Prose
    reason: Prose | None = None
    previous: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Note(Arguments, frozen=True):
    """Of `note`: a setting that was changed."""

    key: Key
    before_sha256: Hash | None = None
    after_sha256: Hash | None = None


ArchiveName = Annotated[str, Meta(pattern=r"^backup_[0-9_-]{19,26}\.zip(\.age)?$")]
TargetName = Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
Size = Annotated[int, Meta(ge=0, lt=1 << 62)]
Took = Annotated[float, Meta(ge=0, le=1e9)]


class BackupCreated(Arguments, frozen=True):
    """Of `backup_created`: an archive that stands in its place."""

    name: ArchiveName
    bytes: Size
    sha256: Sha256
    head_seq: Size
    files: Size
    target: TargetName
    """`desk`, or the name of a second target."""
    full: bool
    encrypted: bool
    unpacked_bytes: Size
    verified: bool
    """It was read back there, and is what it should be."""
    duration_s: Took
    only: Literal["history"] | None = None
    exit: int | None = None
    """Exit status of the program that took it there."""
    left_out: Size = 0
    """How many files could not be taken."""
    odd: Size = 0
    """Tasks whose files were not what the log says when it was made."""


class BackupFailed(Arguments, frozen=True):
    """Of `backup_failed`."""

    target: TargetName
    reason: Prose
    duration_s: Took
    name: ArchiveName | None = None
    exit: int | None = None


class BackupPruned(Arguments, frozen=True):
    """Of `backup_pruned`: an archive about to be deleted."""

    name: ArchiveName
    reason: Prose


class Spend(Arguments, frozen=True):
    """Of `limits`; see `core.settings.CostLimits`."""

    currency: str
    daily: Amount | None = None
    per_run: Amount | None = None
    per_recipe: tuple[Share, ...] = ()


class Billed(Arguments, frozen=True):
    """Of `billed`: what a provider billed for a UTC day."""

    day: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
    amount: Amount
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    bill_sha256: Sha256


class RunChecklist(Arguments, frozen=True):
    """Of `checklist_run`."""

    checklist: Key


class SignStep(Arguments, frozen=True):
    """Of `checklist_sign`."""

    step: Key
    checklist: Key | None = None
    answer: Literal["yes", "no"] = "yes"
    reason: Annotated[str, Meta(max_length=1000)] | None = None


class BlessChecklist(Arguments, frozen=True):
    """Of `checklist_bless`."""

    checklist: Key
    sha256: Sha256 | None = None
    """None: it is retired."""
    reason: Prose | None = None


class OpenIncident(Arguments, frozen=True):
    """Of `incident_open`."""

    severity: Severity
    title: Annotated[str, Meta(min_length=1, max_length=200)]


class CloseIncident(Arguments, frozen=True):
    """Of `incident_close`."""

    incident: Key
    reason: Prose | None = None


class Forget(OneTask, frozen=True):
    """Of `forget`."""

    reason: Prose | None = None


class Pack(Arguments, frozen=True):
    """Of `pack`: old files of the audit log."""

    before: Annotated[float, Meta(ge=0)]
    """Epoch seconds; what was closed before."""


class Cleaned(Arguments, frozen=True):
    """Of `cleaned`: what `deskhand cleanup` removed."""

    what: Annotated[tuple[Literal["temp", "logs", "completed", "failed", "rejected", "task"], ...], Meta(min_length=1)]
    files: Annotated[int, Meta(ge=0)]
    bytes: Annotated[int, Meta(ge=0)]
    older_than: Annotated[float, Meta(ge=0)] | None = None
    """Seconds."""


Count = Annotated[int, Meta(ge=0, lt=1 << 62)]


class BackupVerified(Arguments, frozen=True):
    """Of `backup_verified`: an archive that was read."""

    name: Key
    ok: bool
    sha256: Sha256
    records: Count
    """Of the audit log in it."""
    reason: Prose | None = None
    """The first thing that is wrong."""


class DrillFinished(Arguments, frozen=True):
    """Of `drill_finished`."""

    ok: bool
    backups: tuple[Key, ...]
    """Names of those that were restored."""
    rpo_s: float | None = None
    """Seconds from the newest to the beginning of the drill."""
    rto_s: float | None = None
    """Seconds until the newest was restored and verified."""
    reason: Prose | None = None
    """The first thing that is wrong."""


TAKEN: Mapping[str, type[Arguments]] = MappingProxyType(
    {
        "ping": Arguments,
        "status": Arguments,
        "pause": Pause,
        "resume": Arguments,
        "scan": Arguments,
        "wait": Wait,
        "cancel": Cancel,
        "retry": OneTask,
        "approve": Answer,
        "reject": Answer,
        "happened": Answer,
        "bless": Bless,
        "note": Note,
        "backup_head": Arguments,
        "backup_created": BackupCreated,
        "backup_failed": BackupFailed,
        "backup_pruned": BackupPruned,
        "limits": Spend,
        "billed": Billed,
        "checklist_run": RunChecklist,
        "checklist_sign": SignStep,
        "checklist_bless": BlessChecklist,
        "health": Arguments,
        "incident_open": OpenIncident,
        "incident_close": CloseIncident,
        "forget": Forget,
        "pack": Pack,
        "cleaned": Cleaned,
        "backup_verified": BackupVerified,
        "drill_finished": DrillFinished,
    }
)
"""Verb -> what it takes."""


def understood(verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """*arguments* as they are used, without those that say nothing.  UsageError when they do not fit."""
    try:
        return dict(msgspec.to_builtins(msgspec.convert(arguments, TAKEN[verb])))
    except msgspec.ValidationError as error:
        raise UsageError(verb, f"its arguments are not understood: {error}", hint=f"deskhand {verb} --help") from error
