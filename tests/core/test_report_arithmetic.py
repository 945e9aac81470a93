"""Uptime, calendar stretches and signatures of failures."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.calendar import Length, day_named, last_day, stretch
from deskhand.core.signature import general, signature
from deskhand.core.uptime import SILENCE, Mark, Uptime, measure, runs

BERLIN = ZoneInfo("Europe/Berlin")


def marks(*told: tuple[float, str, str]) -> list[Mark]:
    return [Mark(ts, kind, run) for ts, kind, run in told]


def test_a_run_lives_from_its_start_until_its_last_record() -> None:
    history = runs(
        marks(
            (1.0, "config.changed", "command"),
            (2.0, "daemon.started", "a"),
            (9.0, "log.heartbeat", "a"),
            (10.0, "daemon.stopped", "a"),
            (11.0, "task.received", "command"),
            (20.0, "daemon.started", "b"),
        )
    )
    assert [(run.begun, run.last, run.stopped) for run in history] == [(2.0, 10.0, True), (20.0, 20.0, False)]


def test_time_is_up_stopped_unknown_down_or_without_data() -> None:
    history = runs(
        marks(
            (1000.0, "daemon.started", "a"),
            (5000.0, "daemon.stopped", "a"),
            (6000.0, "daemon.started", "b"),
            (8000.0, "log.heartbeat", "b"),
            (20000.0, "daemon.started", "c"),
        )
    )
    found = measure(history, 0.0, 21000.0, alive=True)
    assert found == Uptime(
        up=4000.0 + 2000.0 + 1000.0, stopped=1000.0, unknown=SILENCE, down=12000.0 - SILENCE, no_data=1000.0, crashes=1
    )
    assert found.availability(unknown_is_up=False) == pytest.approx(100 * 7000 / 19000)
    assert found.availability(unknown_is_up=True) == pytest.approx(100 * 10600 / 19000)


def test_a_daemon_that_does_not_answer_now_is_not_assumed_to_be_up() -> None:
    history = runs(marks((0.0, "daemon.started", "a"), (100.0, "log.heartbeat", "a")))
    dead = measure(history, 0.0, 10_000.0, alive=False)
    assert (dead.up, dead.unknown, dead.down, dead.crashes) == (100.0, SILENCE, 10_000.0 - 100.0 - SILENCE, 1)
    assert measure(history, 0.0, 10_000.0, alive=True).up == 10_000.0


def test_without_a_record_nothing_is_known() -> None:
    found = measure([], 0.0, 100.0, alive=False)
    assert found == Uptime(no_data=100.0)
    assert found.availability(unknown_is_up=True) is None


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.booleans(), st.floats(0, 1e4)), max_size=8),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.booleans(),
)
def test_the_parts_add_up_to_the_whole(
    lives: list[tuple[float, bool, float]], since: float, length: float, alive: bool
) -> None:
    told, now = [], 0.0
    for number, (pause, stopped, lasted) in enumerate(lives):
        told.append((now + pause, "daemon.started", str(number)))
        now += pause + lasted
        told.append((now, "daemon.stopped" if stopped else "log.heartbeat", str(number)))
    found = measure(runs(marks(*told)), since, since + length, alive=alive)
    parts = (found.up, found.stopped, found.down, found.unknown, found.no_data)
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(length, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", date(2026, 11, 20)),
        ("Yesterday", date(2026, 11, 19)),
        ("2026-03-01", date(2026, 3, 1)),
        ("2026-02", date(2026, 2, 1)),
    ],
)
def test_days_have_names(text: str, day: date) -> None:
    assert day_named(text, date(2026, 11, 20)) == day


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13", "20.11.2026"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        day_named(text, date(2026, 11, 20))


@pytest.mark.parametrize(
    ("day", "length", "title", "hours", "steps"),
    [
        (date(2026, 11, 20), "day", "2026-11-20", 24, 24),
        (date(2026, 3, 29), "day", "2026-03-29", 23, 23),
        (date(2026, 10, 25), "day", "2026-10-25", 25, 25),
        (date(2026, 11, 20), "week", "week of 2026-11-16", 168, 7),
        (date(2026, 10, 25), "week", "week of 2026-10-19", 169, 7),
        (date(2026, 2, 3), "month", "2026-02", 28 * 24, 28),
        (date(2026, 12, 31), "month", "2026-12", 31 * 24, 31),
    ],
)
def test_a_stretch_goes_from_midnight_to_midnight(
    day: date, length: Length, title: str, hours: int, steps: int
) -> None:
    found = stretch(day, length, BERLIN)
    assert (found.title, (found.until - found.since) / 3600, len(found.steps)) == (title, hours, steps)
    begins = datetime.fromtimestamp(found.since, BERLIN)
    assert (begins.hour, begins.minute) == (0, 0)
    assert found.steps[0] == found.since and list(found.steps) == sorted(set(found.steps))


def test_the_last_day_ends_now() -> None:
    now = datetime(2026, 11, 20, 15, 30, tzinfo=UTC).timestamp()
    found = last_day(now)
    assert (found.until, found.since, len(found.steps)) == (now, now - 86_400, 24)


def test_failures_are_alike_but_for_names_and_numbers() -> None:
    one = "exit code 3 after 12 s: cannot open '/home/ada/invoice-17.pdf' (0x7f3a)"
    two = "exit code 4 after 900 s: cannot open '/srv/x.pdf' (0x11)"
    assert signature("note", one) == signature("note", two)
    assert signature("note", one) != signature("other", one)
    assert signature("note", one) != signature("note", "timeout")
    assert len(signature(None, None)) == 8


@given(st.text(max_size=200))
def test_what_is_general_stays_general(reason: str) -> None:
    assert general(reason) == " ".join(general(reason).split())
