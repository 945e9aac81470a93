"""What the log says about how a desk is: its backups and drills, its health as last recorded, open incidents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from deskhand.core.health import Verdict
from deskhand.core.incident import Incident, Severity

BACKUPS_KEPT = 1_000
"""Backups that are remembered: the newest.  Who removes them by hand puts nothing on record."""


class Condition(Struct):
    """Folded up from records; part of a snapshot."""

    backups: dict[str, float] = field(default_factory=dict)
    """Name of a backup in `backups/` that was verified and not pruned -> when it was made (epoch seconds)."""
    drilled: float | None = None
    """When a recovery drill last went well (epoch seconds)."""
    drill_failed: float | None = None
    """When one last failed."""
    health: dict[str, Verdict] = field(default_factory=dict)
    """How each check of the daemon's look at itself came out last, as far as that is on record."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    """Id -> an incident that is open."""
    opened: int = 0
    """Incidents that there ever were."""

    def take(self, kind: str, fields: Mapping[str, Any], ts: float) -> None:
        """Fold one record in; *ts* is its time (epoch seconds)."""
        match kind:
            case "backup.created" | "backup.verified" | "backup.pruned":
                self._take_backup(kind, str(fields.get("name")), fields, ts)
            case "drill.finished" if fields.get("ok"):
                self.drilled = ts
            case "drill.finished":
                self.drill_failed = ts
            case "health.changed":
                self.health[fields["check"]] = Verdict(fields["to"])
            case "incident.opened":
                self.opened += 1
                severity, title = Severity(fields["severity"]), str(fields.get("reason") or "")
                self.incidents[fields["incident"]] = Incident(fields["incident"], severity, title, ts)
            case "incident.closed":
                self.incidents.pop(fields["incident"], None)
            case _:
                pass

    def _take_backup(self, kind: str, name: str, fields: Mapping[str, Any], ts: float) -> None:
        if kind == "backup.created":
            # A copy elsewhere is another matter; one that could not be opened again was not verified.
            if fields.get("target", "desk") == "desk" and fields.get("verified", True):
                self.backups[name] = ts
        elif kind == "backup.pruned" or not fields.get("ok"):
            self.backups.pop(name, None)
        else:
            self.backups.setdefault(name, _made(name, ts))
        if len(self.backups) > BACKUPS_KEPT:
            del self.backups[min(self.backups, key=self.backups.__getitem__)]


def _made(backup: str, otherwise: float) -> float:
    """When a backup was made, as its name says (``backup_YYYY-MM-DD_HH-mm-ss``, UTC); epoch seconds."""
    try:
        return datetime.strptime(f"{backup[:26]}+0000", "backup_%Y-%m-%d_%H-%M-%S%z").timestamp()
    except ValueError:
        return otherwise
