"""The audit log's record types, and how a record becomes a line.

The registry below is closed: a type or a field that is not in it cannot be written.  Bodies, secrets, names and
parameters never are; a name is committed to by ``commitment(salt, name)``, whose salt lives in the task file.
``docs/audit-log-format.md`` is the specification for strangers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct, field

MAX_LINE = 16 * 1024
"""Bytes of a line, LF included."""
ZERO_HASH = "0" * 64
"""``prev`` of the first line ever."""

_TASK = frozenset({"task", "tn", "tprev", "from", "to", "actor", "reason"})


def _task(*fields: str) -> frozenset[str]:
    return _TASK | frozenset(fields)


_ASK = ("digest", "revision", "expires")

TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # the log itself
        "log.genesis": frozenset({"format", "log_id", "origin", "vkey", "desk", "version"}),
        "segment.open": frozenset(
            {"log_id", "name", "previous", "first_seq", "last_seq", "bytes", "sha256"}
            | {"snapshot", "snapshot_sha256", "unfinished"}
        ),
        "log.recovered": frozenset({"file", "kept_bytes", "cut_bytes", "cut", "cut_sha256", "reason"}),
        "log.heartbeat": frozenset({"uptime_s", "unfinished", "running", "waiting"}),
        "log.clock_step": frozenset({"step_s", "before", "after", "confirmed"}),
        "desk.adopted": frozenset({"actor", "reason", "mirror_seq", "mirror_hash", "machine"}),
        # the daemon
        "daemon.started": frozenset(
            {"version", "pid", "machine", "unfinished", "recovered", "settings_sha256", "reason"}
        ),
        "daemon.stopped": frozenset({"reason", "unfinished", "running"}),
        "desk.paused": frozenset({"actor", "reason"}),
        "desk.resumed": frozenset({"actor", "reason"}),
        "watch.degraded": frozenset({"inbox", "reason"}),
        "watch.restored": frozenset({"inbox", "reason"}),
        "config.changed": frozenset({"actor", "key", "before_sha256", "after_sha256"}),
        # backups
        "backup.created": frozenset(
            {"name", "bytes", "sha256", "head_seq", "files", "target", "full", "actor"}
            | {"only", "encrypted", "unpacked_bytes", "verified", "exit", "duration_s", "left_out", "odd"}
        ),
        "backup.failed": frozenset({"name", "target", "reason", "exit", "duration_s", "actor"}),
        "backup.pruned": frozenset({"name", "reason", "actor"}),
        "cost.billed": frozenset({"day", "amount", "currency", "bill_sha256", "actor"}),
        "cost.level": frozenset({"day", "percent", "spent", "limit", "currency"}),
        # how the desk is
        "health.changed": frozenset({"check", "from", "to", "reason"}),
        "incident.opened": frozenset({"incident", "severity", "actor", "reason"}),
        "incident.closed": frozenset({"incident", "severity", "actor", "reason"}),
        # keeping the desk small
        "audit.compressed": frozenset({"name", "bytes", "sha256", "packed_bytes", "packed_sha256"}),
        "cleanup.done": frozenset({"actor", "what", "files", "bytes", "older_than"}),
        "task.forgotten": frozenset({"task", "actor", "reason", "files"}),
        # backups that are read
        "backup.verified": frozenset({"name", "ok", "reason", "sha256", "records", "actor"}),
        "restore.performed": frozenset(
            {"name", "sha256", "head_seq", "actor", "gap", "in_doubt", "missing", "drops_aside", "log"}
        ),
        "drill.finished": frozenset({"ok", "rpo_s", "rto_s", "backups", "reason", "actor"}),
        # recipes
        "recipe.adopted": frozenset({"recipe", "actor", "purpose"}),
        "recipe.blessed": frozenset({"recipe", "actor", "purpose", "reason", "previous"}),
        # what is done by the clock, and checklists
        "schedule.handled": frozenset({"schedule", "occurrence", "result", "late_s", "reason", "passed"}),
        "checklist.adopted": frozenset({"checklists", "actor"}),
        "checklist.blessed": frozenset({"checklist", "sha256", "actor", "reason"}),
        "checklist.started": frozenset({"checklist", "run_id", "sha256", "note", "occurrence", "actor"}),
        "checklist.step": frozenset(
            {"checklist", "run_id", "step", "state", "reason", "attempts", "exit", "output_bytes", "duration_s"}
        ),
        "checklist.signed": frozenset({"checklist", "run_id", "step", "actor", "answer", "reason"}),
        "checklist.finished": frozenset({"checklist", "run_id", "state", "steps", "note_sha256", "occurrence"}),
        # tasks
        "task.received": _task(
            *("task_sha256", "input_sha256", "input_bytes", "input_files", "name_commit", "params_commit", "source"),
            *("inbox", "recipe", "priority", "not_before", "label", "after", "strict", "parent", "duplicate_of"),
            "copied",
        ),
        "task.ready": _task("recipe", "priority"),
        "task.parked": _task(),
        "task.blocked": _task(),
        "task.waiting": _task(*_ASK, "input_sha256", "rule"),
        "task.approved": _task("digest", "revision", "via"),
        "task.rejected": _task("digest", "revision", "via"),
        "task.expired": _task("digest", "expires"),
        "task.started": _task("attempt", "attempt_key", "recipe", "approval", "input_sha256", "reserved"),
        "task.retry": _task(
            *("attempt", "next_at", "exit", "output_bytes", "cpu_s", "memory_bytes", "duration_s", "via", "cost")
        ),
        "task.completed": _task(
            *("attempt", "exit", "output_bytes", "cpu_s", "memory_bytes", "duration_s", "results", "deliver", "via"),
            "cost",
        ),
        "task.failed": _task("attempt", "exit", "output_bytes", "cpu_s", "memory_bytes", "duration_s", "via", "cost"),
        "task.in_doubt": _task(*_ASK, "attempt"),
        "task.quarantined": _task(),
        "task.lost": _task("missing"),
        "task.cancelled": _task("attempt", "via"),
        "task.delivered": _task("targets", "problem"),
        # what was found and put right
        "approval.ignored": frozenset({"task", "actor", "reason", "name_sha256"}),
        "foreign.found": frozenset({"task", "folder", "name_sha256", "reason", "bytes"}),
        "foreign.restored": frozenset({"task", "folder", "reason"}),
        "drop.refused": frozenset({"inbox", "name_sha256", "reason", "bytes"}),
    }
)
"""Type -> the fields it may carry beside the common ones."""

_COMMON = ("prev", "seq", "ts", "type", "run", "mono")
_COMMON_TYPES = [str, int, str, str, str, int]


class Actor(Struct, frozen=True, omit_defaults=True):
    """Who caused a transition, as far as is known."""

    kind: str
    """`daemon`, `person` or `program`."""
    via: str
    """`tick`, `rename`, `command`, `drop`, `recovery`."""
    uid: int | None = None
    """OS user id proved by the socket's peer credentials, or the owner of the file."""
    user: str | None = None
    pid: int | None = None


DAEMON = Actor(kind="daemon", via="tick")


class Draft(Struct, frozen=True):
    """A record before it has a place in the log."""

    type: str
    fields: dict[str, Any] = field(default_factory=dict)


class Stamp(Struct, frozen=True):
    """What the log adds to a draft."""

    prev: str
    seq: int
    ts: float
    """Epoch seconds; written with microseconds."""
    run: str
    mono: int
    """Nanoseconds of the monotonic clock of that run."""
    salt: str
    """16 random bytes, base64url without padding: makes the line's hash say nothing about its content."""


class Record(Struct, frozen=True):
    """A line of the log, read back."""

    prev: str
    seq: int
    ts: float
    type: str
    fields: dict[str, Any]
    run: str
    mono: int


def timestamp(ts: float) -> str:
    """``2026-11-20T19:53:31.123456Z``."""
    seconds, microseconds = divmod(round(ts * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def parse_timestamp(text: str) -> float:
    """The inverse of :func:`timestamp`; ValueError for anything else."""
    if not text.endswith("Z"):
        raise ValueError(f"not a UTC timestamp: {text!r}")
    return datetime.fromisoformat(text).timestamp()


def check(draft: Draft) -> None:
    """Raise ValueError when *draft*'s type or one of its fields is not in the registry."""
    allowed = TYPES.get(draft.type)
    if allowed is None:
        raise ValueError(f"no such record type: {draft.type}")
    if not draft.fields.keys() <= allowed:
        raise ValueError(f"{draft.type} has no field {sorted(draft.fields.keys() - allowed)}")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode  # made once: with ``type=`` it would be made for every line


def encode(draft: Draft, stamp: Stamp) -> bytes:
    """The line, LF included.  ValueError when it does not fit the registry or is longer than 16 KiB."""
    check(draft)
    line = _encode(
        {
            "prev": stamp.prev,
            "seq": stamp.seq,
            "ts": timestamp(stamp.ts),
            "type": draft.type,
            **draft.fields,
            "run": stamp.run,
            "mono": stamp.mono,
            "salt": stamp.salt,
        }
    )
    if len(line) >= MAX_LINE:
        raise ValueError(f"{draft.type}: a record of {len(line)} bytes is longer than {MAX_LINE}")
    return line + b"\n"


def decode(line: bytes) -> Record:
    """Read one line (with or without its LF); ValueError with the reason when it is no record."""
    return record_of(parse(line))


def parse(line: bytes) -> dict[str, Any]:
    """The line's JSON object; ValueError when it is none."""
    try:
        return _decode(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a record: {error}") from error


def record_of(data: dict[str, Any]) -> Record:
    """The record in a parsed line, which is used up; ValueError when a common field is missing or of the wrong type."""
    pop = data.pop
    common = [pop(name, None) for name in _COMMON]
    if list(map(type, common)) != _COMMON_TYPES:
        at = next(at for at, value in enumerate(common) if type(value) is not _COMMON_TYPES[at])
        raise ValueError(f"not a record: {_COMMON[at]} is missing or no {_COMMON_TYPES[at].__name__}")
    prev, seq, ts, kind, run, mono = common
    pop("salt", None)
    return Record(prev, seq, parse_timestamp(ts), kind, data, run, mono)


def line_hash(line: bytes) -> str:
    """What the next line's ``prev`` must be: SHA-256 of the raw line including its LF (hex)."""
    return hashlib.sha256(line).hexdigest()
