"""Every named fact is had from a real desk, or is unknown with a reason; none is made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from deskhand.core.fact import FACTS, Fact
from deskhand.core.record import Draft
from deskhand.core.state import TERMINAL, State
from deskhand.engine.facts import Facts, snapshot
from deskhand.host.found import init
from deskhand.store.desk import Desk
from tests.support.desk import recipe
from tests.support.inside import Inside, inside

DAY = 86_400.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Inside]:
    """A fresh desk, open."""
    init(tmp_path / "desk")
    with inside(tmp_path / "desk") as opened:
        opened.engine.tick()
        yield opened


def facts(desk: Inside, later: float = 0.0) -> Facts:
    """As of now, or *later* seconds."""
    return Facts(desk.desk, snapshot(desk.session.parts, desk.session.clock.wall() + later), UTC)


def test_each_is_a_value_or_a_reason(desk: Inside) -> None:
    found = facts(desk).all()
    assert found.keys() == FACTS.keys()
    assert all((fact.value is None) == bool(fact.unknown) for fact in found.values())
    unknown = {name for name, fact in found.items() if fact.value is None}
    assert unknown - {"disk.inodes_free"} == {"backup.verified_age_s", "drill.good_age_s", "scheduler.lag_s"}
    assert found["audit.ok"].value is True and found["watcher.mode"].value == "scan only"
    with pytest.raises(KeyError):
        facts(desk).get("tasks.imaginary")


def test_states_are_counted(desk: Inside) -> None:
    desk.bless(recipe("ask", "keep", approval="required"), "ask")
    desk.until_state(desk.drop(b"1", recipe="ask"), State.WAITING)
    desk.until_state(desk.drop(b"2", recipe="no-such"), State.PARKED)
    desk.until_state(desk.drop(b"3"), State.COMPLETED)
    found = facts(desk)
    counted = {state: found.get(f"tasks.{state}").value for state in State if state not in TERMINAL}
    assert {state for state, count in counted.items() if count} == {State.WAITING, State.PARKED}
    assert found.get("approvals.waiting") == Fact(1)
    assert found.get("tasks.completed_today") == Fact(1) and found.get("tasks.failed_today") == Fact(0)
    assert found.get("tasks.oldest_pending_s") == Fact(0.0)
    age = facts(desk, later=500.0).get("approvals.oldest_s").value
    assert isinstance(age, float) and 500.0 <= age < 560.0
    assert facts(desk, later=2 * DAY).get("tasks.completed_today") == Fact(0), "today is another day"


def test_what_was_good_has_an_age_and_what_was_bad_has_none(desk: Inside) -> None:
    routine = desk.engine.ledger.book.routine
    now = desk.session.clock.wall()
    routine.take("backup.verified", {"name": "b", "ok": False}, now)
    assert facts(desk).get("backup.verified_age_s").value is None
    routine.take("backup.verified", {"name": "b", "ok": True}, now)
    routine.take("drill.finished", {"ok": True}, now - DAY)
    found = facts(desk, later=60.0)
    assert found.get("backup.verified_age_s").value == pytest.approx(60.0, abs=5.0)
    assert found.get("drill.good_age_s").value == pytest.approx(DAY + 60.0, abs=5.0)


def test_the_scheduler_tells_its_lag_and_what_was_missed(desk: Inside) -> None:
    now = desk.session.clock.wall()
    for result, late in (("missed", 9000.0), ("started", 3.5), ("skipped", 0.0)):
        fields = {"schedule": f"s-{result}", "occurrence": now - late, "result": result, "late_s": late}
        desk.engine.ledger.note(Draft("schedule.handled", fields))
    desk.engine.tick()
    assert facts(desk).get("scheduler.lag_s") == Fact(3.5)
    assert facts(desk).get("scheduler.missed_today") == Fact(1)


def test_a_damaged_log_is_not_ok(desk: Inside) -> None:
    path = next(desk.desk.audit.glob("audit_*.jsonl"))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    assert facts(desk).get("audit.ok") == Fact(False)
    data[200] ^= 1
    path.write_bytes(data)


def test_what_the_disk_refuses_is_unknown(desk: Inside) -> None:
    elsewhere = Facts(Desk(desk.desk.root / "gone"), snapshot(desk.session.parts, 0.0), UTC)
    assert elsewhere.get("disk.free_bytes") == Fact(unknown="No such file or directory")
