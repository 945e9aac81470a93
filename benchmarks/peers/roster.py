"""Who takes part, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable

from peers.celery_peer import Celery
from peers.contender import Contender
from peers.desk import Deskhand
from peers.huey_peer import Huey
from peers.limit import Limit
from peers.mover import Mover

BASE = "huey + SQLite, fsync"
"""Everybody's throughput is shown as a ratio to that of this one, in the best of its settings."""

MAKERS: tuple[Callable[[], Contender], ...] = (
    lambda: Deskhand(4),
    lambda: Deskhand(32),
    lambda: Huey("sqlite", 1, "thread"),
    lambda: Huey("sqlite", 4, "thread"),
    lambda: Huey("sqlite", 2, "process"),
    lambda: Huey("redis", 4, "thread"),
    lambda: Celery("redis", "prefork", 2, 16),
    lambda: Huey("files", 2, "thread"),
    lambda: Celery("files", "prefork", 2, 4),
    Mover,
    lambda: Limit("each"),
    lambda: Limit("grouped"),
)


def label(contender: Contender) -> str:
    """Name and setting."""
    return f"{contender.name} ({contender.setting})" if contender.setting else contender.name
