"""What the daemon tells of itself, as plain data: to `deskhand status`, and to whoever makes a backup."""

from __future__ import annotations

from typing import Any

from deskhand.core.names import visible
from deskhand.engine.ledger import counts
from deskhand.engine.parts import Parts


def status(parts: Parts) -> dict[str, Any]:
    """How the work stands; times are epoch seconds."""
    stalled = parts.intake.stalled()
    return {
        "paused": parts.ledger.book.paused,
        "states": counts(parts.ledger.tasks),
        "running": sorted(parts.runs.keys()),
        "stalled": [visible(entry.name) for entry in stalled],
        "stalled_drops": [{"inbox": one.inbox, "name": visible(one.name), "since": one.since} for one in stalled],
        "undeliverable": dict(parts.outcomes.undeliverable),
        "unplaced": sorted(parts.placement.behind),
        "watching": "scan only" if parts.watcher is None else parts.watcher.mode,
        "clock_unconfirmed": parts.ledger.book.clock_unconfirmed,
    }


def standing(parts: Parts) -> dict[str, Any]:
    """Where the log durably ends: every move that it speaks of is made, but for those of a few drops that wait."""
    head = parts.ledger.log.head
    return {
        "log_id": parts.ledger.log.log_id,
        "head": {"file": head.file, "offset": head.offset, "seq": head.seq, "hash": head.hash},
        "staged": parts.placement.staged_inputs(),
        "clock_unconfirmed": parts.ledger.book.clock_unconfirmed,
    }
