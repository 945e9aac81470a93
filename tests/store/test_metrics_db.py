"""The index of the log: whatever the order of looking, it comes to what the log says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deskhand.core.metric import METRICS
from deskhand.core.record import Draft
from deskhand.core.tally import HOUR, MINUTE, Tally
from deskhand.store.audit_log import AuditLog
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.metrics_db import KEPT, NAME, MetricsDb
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import HISTORY, append_task, begin, key


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path)
    found.audit.mkdir()
    found.logs.mkdir()
    return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(desk: Desk, clock: FakeClock) -> Iterator[AuditLog]:
    found = begin(desk.audit, clock)
    yield found
    found.close()


def caught_up(desk: Desk, now: float) -> Tally:
    db = MetricsDb.open(Files(), desk)
    try:
        db.catch_up(desk.audit, now)
        return db.total()
    finally:
        db.close()


def test_what_is_not_durable_yet_is_not_counted(desk: Desk, log: AuditLog, clock: FakeClock) -> None:
    append_task(log, 1)
    assert caught_up(desk, clock.wall()).counts == {}
    log.commit()
    assert caught_up(desk, clock.wall()).counts["completed"] == 1


def test_nothing_is_counted_twice(desk: Desk, log: AuditLog, clock: FakeClock) -> None:
    append_task(log, 1)
    log.commit()
    assert caught_up(desk, clock.wall()) == caught_up(desk, clock.wall())
    append_task(log, 2, upto=1)
    log.commit()
    assert caught_up(desk, clock.wall()).counts["received"] == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=st.lists(st.integers(0, 12), max_size=6))
def test_looking_more_often_changes_nothing(tmp_path_factory: pytest.TempPathFactory, looks: list[int]) -> None:
    desk, clock = Desk(tmp_path_factory.mktemp("desk")), FakeClock()
    desk.audit.mkdir()
    desk.logs.mkdir()
    log = begin(desk.audit, clock)
    for number in range(12):
        append_task(log, number, upto=1 + number % len(HISTORY))
        log.commit()
        clock.advance(47.0)
        if number in looks:
            caught_up(desk, clock.wall())
        if number % 5 == 4:
            log.rotate(snapshot=b"{}", unfinished=0)
    often = caught_up(desk, clock.wall())
    log.close()
    (desk.logs / NAME).unlink()
    assert often == caught_up(desk, clock.wall())
    assert often.counts["received"] == 12


def test_a_task_that_was_open_at_the_last_look_is_known_at_the_next(
    desk: Desk, log: AuditLog, clock: FakeClock
) -> None:
    log.append(Draft("task.received", {"task": key(1), "input_bytes": 3}))
    log.commit()
    caught_up(desk, clock.wall())
    clock.advance(100.0)
    log.append(Draft("task.completed", {"task": key(1)}))
    log.commit()
    assert METRICS["cycle_time"].value(caught_up(desk, clock.wall())) == pytest.approx(100.0, rel=0.05)


@pytest.mark.parametrize("damage", ["garbage", "another version", "another log", "a changed line"])
def test_an_index_that_is_of_no_use_is_made_anew(desk: Desk, log: AuditLog, clock: FakeClock, damage: str) -> None:
    append_task(log, 1)
    log.commit()
    before = caught_up(desk, clock.wall())
    path = desk.logs / NAME
    if damage == "garbage":
        path.write_bytes(b"no database at all" * 300)
    else:
        with sqlite3.connect(path) as db:
            match damage:
                case "another version":
                    db.execute("PRAGMA user_version = 99")
                case "another log":
                    db.execute("UPDATE place SET seq = 1000000")
                case _:
                    db.execute("UPDATE place SET hash = 'f'")
        db.close()
    append_task(log, 2)
    log.commit()
    after = caught_up(desk, clock.wall())
    assert after.counts["completed"] == before.counts["completed"] + 1 == 2


def test_an_index_that_cannot_be_written_is_kept_in_memory(desk: Desk, log: AuditLog, clock: FakeClock) -> None:
    append_task(log, 1)
    log.commit()
    desk.logs.rmdir()
    assert caught_up(desk, clock.wall()).counts["completed"] == 1
    assert not desk.logs.exists()


def test_old_stretches_go_and_the_whole_stays(desk: Desk, log: AuditLog, clock: FakeClock) -> None:
    append_task(log, 1)
    log.commit()
    db = MetricsDb.open(Files(), desk)
    now = clock.wall()
    db.catch_up(desk.audit, now)
    for length in (MINUTE, HOUR):
        assert len(list(db.stretches(now - HOUR, now, length))) == 1
    db.catch_up(desk.audit, now + KEPT[MINUTE] + MINUTE)
    assert not list(db.stretches(now - HOUR, now, MINUTE))
    assert len(list(db.stretches(now - HOUR, now, HOUR))) == 1
    db.catch_up(desk.audit, now + KEPT[HOUR] + HOUR)
    assert not list(db.stretches(now - HOUR, now, HOUR))
    assert db.total().counts["completed"] == 1
    db.close()


def test_several_at_once_count_everything_once(desk: Desk, log: AuditLog, clock: FakeClock) -> None:
    for number in range(20):
        append_task(log, number)
    log.commit()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: caught_up(desk, clock.wall()), range(4)))
    assert all(tally.counts["completed"] == 20 for tally in found)


def test_without_a_log_there_is_nothing(desk: Desk) -> None:
    assert caught_up(desk, 0.0) == Tally()
