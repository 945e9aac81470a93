"""Names of incidents."""

from __future__ import annotations

from deskhand.core.incident import RESPONSE, Severity, incident_id


def test_an_id_says_when_and_which() -> None:
    assert incident_id(1_790_000_000.0, 3) == "incident-20260921-3"


def test_every_severity_says_how_soon() -> None:
    assert set(RESPONSE) == set(Severity)
