"""Incidents: how severe, how soon somebody has to look at them, and how they are named."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """How bad it is."""

    P0 = "P0"
    """Nothing is worked on."""
    P1 = "P1"
    """Some work fails, or takes far too long."""
    P2 = "P2"
    """Something is wrong and the work goes on."""
    P3 = "P3"
    """A blemish."""


RESPONSE: dict[Severity, str] = {
    Severity.P0: "immediately",
    Severity.P1: "within 15 minutes",
    Severity.P2: "within 1 hour",
    Severity.P3: "on the next working day",
}
"""How soon somebody has to look at it."""


class Incident(Struct, frozen=True):
    """An incident that is open."""

    id: str
    severity: Severity
    title: str
    opened: float
    """Epoch seconds."""


def incident_id(now: float, number: int) -> str:
    """``incident-20260921-3``: the UTC date of *now* (epoch seconds), and which incident of the desk it is, from 1."""
    return f"incident-{datetime.fromtimestamp(now, UTC):%Y%m%d}-{number}"
