"""Costs in the engine: reserved on record, settled by what the handler says, held to limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deskhand.core.state import State
from deskhand.host.found import init
from tests.support import invariants
from tests.support.desk import recipe
from tests.support.inside import Inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A fresh desk."""
    init(tmp_path / "desk")
    return tmp_path / "desk"


def priced(desk: Inside, script: str, **more: Any) -> None:
    desk.bless(
        recipe("letters", "command", argv=["sh", "-c", script], cost={"reserve": 0.5, "category": "post"}, **more),
        "letters",
    )


def spent(desk: Inside) -> float:
    (of_day,) = desk.session.engine.ledger.book.spending.days.values()
    return sum(of_day.values())


SAYS = """echo '{"amount": 0.2, "usage": {"model": "small"}}' > "$DESKHAND_COST_FILE" """


def test_what_the_handler_says_is_what_it_cost(root: Path) -> None:
    with inside(root) as desk:
        priced(desk, SAYS, idempotent=True)
        desk.until_state(desk.drop(recipe="letters"), State.COMPLETED)
        (started,) = desk.records("task.started")
        (completed,) = desk.records("task.completed")
        assert started.fields["reserved"] == 0.5
        assert completed.fields["cost"] == {
            "amount": 0.2,
            "currency": "USD",
            "category": "post",
            "usage": {"model": "small"},
        }
        assert spent(desk) == 0.2
    with inside(root) as desk:
        assert spent(desk) == 0.2, "the log knows"
    invariants.check(root)


@pytest.mark.parametrize("script", ["true", 'mkdir "$DESKHAND_COST_FILE"', 'ln -s /etc/passwd "$DESKHAND_COST_FILE"'])
def test_without_a_word_the_reservation_counts(root: Path, script: str) -> None:
    with inside(root) as desk:
        priced(desk, script, idempotent=True)
        desk.until_state(desk.drop(recipe="letters"), State.COMPLETED)
        (completed,) = desk.records("task.completed")
        assert (completed.fields["cost"]["amount"], completed.fields["cost"]["known"]) == (0.5, False)
        assert spent(desk) == 0.5
    invariants.check(root)


def test_local_work_reserves_nothing(root: Path) -> None:
    with inside(root) as desk:
        desk.until_state(desk.drop(recipe="archive"), State.COMPLETED)
        assert "reserved" not in desk.records("task.started")[0].fields
        assert not desk.session.engine.ledger.book.spending.days


def test_over_the_limit_nothing_begins_until_it_is_raised(root: Path) -> None:
    with inside(root) as desk:
        priced(desk, "true", idempotent=True)
        desk.command("limits", currency="USD", daily=1.2)
        keys = [desk.drop(str(n).encode(), recipe="letters") for n in range(3)]
        desk.until(lambda: desk.session.engine.idle)
        parked = [key for key in keys if (task := desk.task(key)) is not None and task.state is State.PARKED]
        assert len(parked) == 1 and len(desk.records("task.started")) == 2
        task = desk.task(parked[0])
        assert task is not None and task.reason is not None
        assert task.reason.startswith("over the limit: 1.00 of 1.20 USD are spent")
        assert [record.fields["percent"] for record in desk.records("cost.level")] == [75]
        desk.command("limits", currency="USD", daily=1.5)
        desk.until_state(parked[0], State.COMPLETED)
        assert spent(desk) == 1.5
        assert [record.fields["percent"] for record in desk.records("cost.level")] == [75, 100]
    invariants.check(root)


def test_a_restart_knows_what_is_reserved(root: Path) -> None:
    with inside(root) as desk:
        priced(desk, "sleep 60")
        key = desk.drop(recipe="letters")
        desk.until_state(key, State.STARTED)
    with inside(root) as desk:
        desk.until_state(key, State.IN_DOUBT)
        assert spent(desk) == 0.5, "nobody can say what the cut-off run cost"
    invariants.check(root)
