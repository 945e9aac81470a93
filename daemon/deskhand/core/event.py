"""What can happen to a task, each with the facts that the decision needs."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from deskhand.core.money import Cost
from deskhand.core.recipe import Pin
from deskhand.core.record import Actor


class Ask(Struct, frozen=True):
    """A request that is already on disk and durable, about to be put to a person."""

    digest: str
    """SHA-256 of the request file's bytes."""
    revision: int
    expires: float | None
    """Epoch seconds; None = never (a task in doubt waits for ever)."""
    reason: str
    """Why it asks."""
    input_sha256: str
    """Of the input that the request shows."""


class Route(Struct, frozen=True):
    """It was looked at again: may it be started, by whom, and does somebody have to say yes first?"""

    pin: Pin | None
    priority: int = 0
    problem: str | None = None
    """Why it cannot go on without a person's change."""
    hostile: bool = False
    """The problem is that it is not what it claims to be."""
    blocked: str | None = None
    """Which dependency is missing."""
    ask: Ask | None = None


class Reask(Struct, frozen=True):
    """What was shown is not what would run (any more), or the request was edited: ask (again)."""

    ask: Ask


class Answer(Struct, frozen=True):
    """A person answered the request with this digest."""

    verdict: Literal["approved", "rejected", "happened"]
    digest: str
    actor: Actor
    reason: str | None = None
    expiry_suspended: bool = False
    """Nothing expires now, because nobody has confirmed what the clock says."""


class Expire(Struct, frozen=True):
    """Time to see whether the request is void."""


class Start(Struct, frozen=True):
    """A worker is free."""

    attempt_key: str
    """Same for every attempt of the task: what a handler can use as idempotency key."""
    needs_approval: bool
    """Whether the recipe, or the drop itself, wants a person's yes."""
    reserve: float | None = None
    """What the attempt may cost; None = nothing."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """What an attempt took."""

    exit: int | None = None
    """Exit code; negative = ended by that signal."""
    output_bytes: int = 0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    duration_s: float = 0.0
    cost: Cost | None = None
    """None: it cost nothing, or nobody can say."""


class Ended(Struct, frozen=True):
    """An attempt is over."""

    result: Literal["ok", "failed", "unready", "cut", "drained", "cancelled"]
    """`cut`: nobody can say how far it got (timeout, signal, daemon death); `drained`: so, because we stopped;
    `unready`: the disk or the system did not let us begin, so nothing ran and the attempt does not count."""
    reason: str | None
    idempotent: bool
    attempts: int
    """Allowed by the recipe."""
    backoff: float
    """Seconds until the next attempt, jitter included."""
    usage: Usage = Usage()
    results: tuple[str, ...] = ()
    """SHA-256 of each result."""
    deliver: bool = False
    """Whether results have to be put somewhere."""
    ask: Ask | None = None
    """The question to a person, needed when it may end in doubt."""
    actor: Actor | None = None
    """Who cancelled."""


class Cancel(Struct, frozen=True):
    """A person wants it stopped; it is not running."""

    actor: Actor
    reason: str | None = None


class Damage(Struct, frozen=True):
    """Its files are not what was recorded."""

    kind: Literal["lost", "quarantined"]
    reason: str
    missing: tuple[str, ...] = ()


class Hold(Struct, frozen=True):
    """It may not be started after all."""

    kind: Literal["parked", "blocked"]
    reason: str


class Delivered(Struct, frozen=True):
    """Its results are where `deliver:` puts them, or never will be."""

    targets: tuple[dict[str, Any], ...]
    """One per result: hash of the path (salted) and of the bytes."""
    problem: str | None = None
    """Why they were given up; they stay with the task."""


Event = Route | Reask | Answer | Expire | Start | Ended | Cancel | Damage | Hold | Delivered
