"""Names of incidents."""

from __future__ import annotations

from deskhand.core.incident import RESPONSE, Severity, incident_id

T = 1_790_000_000.0


def test_an_id_says_when_and_is_never_given_twice() -> None:
    taken: set[str] = set()
    for _ in range(3):
        taken.add(incident_id(T, frozenset(taken)))
    first = "incident-20260921-141320"
    assert taken == {first, f"{first}-2", f"{first}-3"}


def test_every_severity_says_how_soon() -> None:
    assert set(RESPONSE) == set(Severity)
