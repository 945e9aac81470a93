"""What the log says about backups, drills, health and incidents is folded up, kept in snapshots, and read again."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.core.condition import BACKUPS_KEPT, Condition
from deskhand.core.incident import Severity
from deskhand.core.record import Record
from deskhand.engine.ledger import Book

MADE = 1_790_000_000.0
NAME = "backup_2026-09-21_14-13-20.zip"


def told(*records: tuple[str, dict[str, Any]]) -> Condition:
    book = Book()
    for seq, (kind, fields) in enumerate(records, 1):
        book.take(Record("", seq, MADE + 100 * seq, kind, fields, "run", 0))
    return Book.read(book.snapshot()).condition


CREATED = ("backup.created", {"name": NAME})


@pytest.mark.parametrize(
    ("records", "left"),
    [
        ([CREATED], {NAME: MADE + 100}),
        ([CREATED, ("backup.verified", {"name": NAME, "ok": True})], {NAME: MADE + 100}),
        ([CREATED, ("backup.verified", {"name": NAME, "ok": False, "reason": "cut"})], {}),
        ([CREATED, ("backup.pruned", {"name": NAME})], {}),
        ([("backup.created", {"name": NAME, "target": "desk", "verified": True})], {NAME: MADE + 100}),
        ([("backup.created", {"name": NAME, "target": "desk", "verified": False})], {}),  # encrypted, without its key
        ([("backup.created", {"name": NAME, "target": "usb", "verified": True})], {}),
        # one whose making is not on record is as old as its name says
        ([("backup.verified", {"name": NAME, "ok": True})], {NAME: MADE}),
        ([("backup.verified", {"name": "mine", "ok": True})], {"mine": MADE + 100}),
    ],
)
def test_backups(records: list[tuple[str, dict[str, Any]]], left: dict[str, float]) -> None:
    assert told(*records).backups == left


def test_drills() -> None:
    book = told(("drill.finished", {"ok": True}), ("drill.finished", {"ok": False}))
    assert (book.drilled, book.drill_failed) == (MADE + 100, MADE + 200)


def test_health_and_incidents() -> None:
    opened = {"incident": "incident-1", "severity": "P1", "reason": "slow"}
    book = told(
        ("health.changed", {"check": "disk", "from": "ok", "to": "degraded"}),
        ("incident.opened", opened),
        ("incident.opened", {**opened, "incident": "incident-2"}),
        ("incident.closed", {**opened, "incident": "incident-2"}),
    )
    assert book.health == {"disk": "degraded"} and book.opened == 2
    (left,) = book.incidents.values()
    assert (left.id, left.severity, left.title, left.opened) == ("incident-1", Severity.P1, "slow", MADE + 200)


def test_what_is_removed_by_hand_is_not_remembered_for_ever() -> None:
    book = told(*[("backup.created", {"name": f"backup {number}"}) for number in range(BACKUPS_KEPT + 3)])
    assert len(book.backups) == BACKUPS_KEPT and "backup 2" not in book.backups and "backup 3" in book.backups
