"""The states of a task, the folder each is seen in, and the legal moves between them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a task stands.  The value is the word used in the audit log's ``from`` and ``to``."""

    RECEIVED = "received"
    """Taken durably; which recipe handles it is not decided yet."""
    READY = "ready"
    """May be started as soon as a worker is free."""
    BLOCKED = "blocked"
    """Depends on another task that is unfinished, missing or failed."""
    PARKED = "parked"
    """Cannot go on without a change by a person (no recipe, recipe damaged, limit); says which."""
    WAITING = "waiting"
    """A request file stands in approvals/ and nobody has answered it."""
    APPROVED = "approved"
    """A person said yes to exactly what the request showed; not started yet."""
    STARTED = "started"
    """An attempt was recorded and may be running."""
    RETRY = "retry"
    """An attempt failed; another one is due at ``next_at``."""
    IN_DOUBT = "in_doubt"
    """A run that must not be repeated blindly was cut off; a person says what happened."""
    COMPLETED = "completed"
    """Done, with its results."""
    FAILED = "failed"
    """Every allowed attempt failed, or a person said so."""
    QUARANTINED = "quarantined"
    """Not what it claims to be (forged, damaged, hostile); never run."""
    LOST = "lost"
    """The files of an unfinished task vanished."""
    REJECTED = "rejected"
    """A person said no."""
    EXPIRED = "expired"
    """Nobody answered in time."""
    CANCELLED = "cancelled"
    """A person stopped it."""


S = State

TERMINAL: frozenset[State] = frozenset(
    {S.COMPLETED, S.FAILED, S.QUARANTINED, S.LOST, S.REJECTED, S.EXPIRED, S.CANCELLED}
)

# LOST and QUARANTINED can follow any unfinished state: files can vanish or be swapped at any moment.
_ALWAYS = frozenset({S.LOST, S.QUARANTINED})

TRANSITIONS: MappingProxyType[State, frozenset[State]] = MappingProxyType(
    {
        S.RECEIVED: frozenset({S.READY, S.WAITING, S.PARKED, S.BLOCKED, S.CANCELLED}) | _ALWAYS,
        S.READY: frozenset({S.STARTED, S.WAITING, S.BLOCKED, S.PARKED, S.CANCELLED}) | _ALWAYS,
        S.RETRY: frozenset({S.STARTED, S.WAITING, S.BLOCKED, S.PARKED, S.CANCELLED}) | _ALWAYS,
        S.APPROVED: frozenset({S.STARTED, S.WAITING, S.BLOCKED, S.PARKED, S.CANCELLED}) | _ALWAYS,
        S.BLOCKED: frozenset({S.READY, S.CANCELLED}) | _ALWAYS,
        S.PARKED: frozenset({S.READY, S.CANCELLED}) | _ALWAYS,
        S.WAITING: frozenset({S.APPROVED, S.REJECTED, S.EXPIRED, S.CANCELLED, S.WAITING}) | _ALWAYS,
        S.STARTED: frozenset({S.COMPLETED, S.RETRY, S.FAILED, S.IN_DOUBT, S.WAITING, S.CANCELLED}) | _ALWAYS,
        S.IN_DOUBT: frozenset({S.RETRY, S.COMPLETED, S.FAILED, S.CANCELLED, S.IN_DOUBT}) | _ALWAYS,
        **{state: frozenset() for state in TERMINAL},
    }
)

FOLDERS: MappingProxyType[State, str] = MappingProxyType(
    {
        S.RECEIVED: "inbox",
        S.READY: "pending",
        S.BLOCKED: "pending",
        S.PARKED: "pending",
        S.APPROVED: "pending",
        S.STARTED: "pending",
        S.RETRY: "pending",
        S.WAITING: "approvals",
        S.IN_DOUBT: "approvals",
        S.COMPLETED: "completed",
        S.FAILED: "failed",
        S.QUARANTINED: "failed",
        S.LOST: "failed",
        S.REJECTED: "rejected",
        S.EXPIRED: "rejected",
        S.CANCELLED: "rejected",
    }
)

STATE_FOLDERS: tuple[str, ...] = ("inbox", "pending", "approvals", "completed", "failed", "rejected")
LIVE_FOLDERS: tuple[str, ...] = ("inbox", "pending", "approvals")
"""Folders that deskhand scans and puts back in order; the others belong to the person."""

STARTABLE: frozenset[State] = frozenset({S.READY, S.RETRY, S.APPROVED})
"""States from which an attempt may be started, policy permitting."""

ASKING: frozenset[State] = frozenset({S.WAITING, S.IN_DOUBT})
"""States in which a request file stands in approvals/."""


def place_of(state: State) -> str:
    """The folder of an unfinished task; one that is completed is here only until its results are delivered."""
    return "pending" if state is State.COMPLETED else FOLDERS[state]
