"""One attempt to run a handler's program: what is asked of the spawner, and what it reports back.

Values only.  An attempt's folder is made before it starts and holds everything it may touch: ``in/`` the working
copy of the input, ``out/`` where results go, ``log`` its output (only when there is any).
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Literal

from msgspec import Struct, field

from deskhand.core.recipe import Limits

Reason = Literal["timeout", "cancel", "drain"]
"""Why an attempt is told to stop."""
Cut = Literal["timeout", "cancel", "drain", "spawner"]
"""Why an attempt did not end by itself; `spawner` = what watched over it died, so nobody knows how far it came."""

TASK_VARIABLE = "DESKHAND_TASK_ID"
KEY_VARIABLE = "DESKHAND_IDEMPOTENCY_KEY"
COST_VARIABLE = "DESKHAND_COST_FILE"
"""Where a handler whose runs cost something says how much; see `core.money`."""


class Attempt(Struct, frozen=True):
    """A program to run once."""

    key: str
    """Names the attempt: `<task key>-<number>`; unique among those that run."""
    argv: tuple[str, ...]
    """The program (found through `env`'s PATH unless it contains a `/`) and its arguments; no shell."""
    env: Mapping[str, str]
    """The whole environment, but for the marks that the spawner adds (see `orphans`)."""
    cwd: str | PathLike[str]
    """The attempt's folder, absolute."""
    log: str | PathLike[str]
    """File that is made for stdout and stderr as soon as there is output."""
    timeout: float
    """Seconds until it is told to stop."""
    output_cap: int
    """Bytes of output kept; the rest is counted and dropped."""
    limits: Limits = field(default_factory=Limits)


class Ended(Struct, frozen=True):
    """How an attempt ended.  When it is reported, none of its processes is left (or *error* names the one that is)."""

    exit: int | None = None
    """Exit status; None when it did not exit by itself."""
    signal: int | None = None
    """Signal that ended it; SIGXCPU (24) is the CPU limit."""
    cut: Cut | None = None
    """Set when it was stopped from outside; the exit status then says nothing about its work."""
    output_bytes: int = 0
    """Bytes it wrote to stdout and stderr, kept or not."""
    dropped_bytes: int = 0
    """Bytes of those that are not in the log file."""
    cpu_s: float = 0.0
    """Seconds of CPU time of all its processes."""
    memory_bytes: int = 0
    """Largest resident size that one of its processes had; a few MB of it are the cost of starting anything."""
    duration_s: float = 0.0
    """Seconds from start until its last process was gone."""
    error: str | None = None
    """Why it was never started (*exit*, *signal* and *cut* are None), was lost (*cut* is `spawner`), or is not dead."""
    log_error: str | None = None
    """Why output within the cap could not be written (disk full, the handler made a file of that name)."""

    @property
    def ok(self) -> bool:
        """Whether it ran to its end and said that it succeeded."""
        return self.exit == 0 and self.cut is None and self.error is None


def environment(
    source: Mapping[str, str], allowed: tuple[str, ...], extra: Mapping[str, str], *, task_id: str, idempotency_key: str
) -> dict[str, str]:
    """The environment of a handler: the *allowed* names of *source*, then the recipe's *extra*, then whose task it is.

    *idempotency_key* is the same for every attempt of a task, so that a receiver can recognise a repetition.
    """
    kept = {name: source[name] for name in allowed if name in source}
    return {**kept, **extra, TASK_VARIABLE: task_id, KEY_VARIABLE: idempotency_key}
