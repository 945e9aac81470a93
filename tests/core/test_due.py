"""What is due: nothing twice, nothing silently lost, each policy as it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.due import COUNTED, PROMPT, Closed, Policy, Times, Verdict, due, never_closed
from deskhand.engine.cron import Cron

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = 3600.0, 86_400.0


def every(moments: list[float]) -> Times:
    """A schedule with exactly these times."""
    return lambda moment: iter([each for each in sorted(moments) if each > moment])


def beat(interval: float) -> Times:
    """A schedule without an end."""

    def times(moment: float) -> Iterator[float]:
        number = int(moment // interval) + 1
        while True:
            yield number * interval
            number += 1

    return times


def handle(
    times: Times, last: float, now: float, policy: Policy, grace: float, closed: Closed = never_closed
) -> list[Verdict]:
    """Every verdict at one moment."""
    found = []
    while (verdict := due(times, last, now, policy, grace=grace, closed=closed)) is not None:
        found.append(verdict)
        last = verdict.occurrence
    return found


def ran(verdicts: list[Verdict]) -> list[float]:
    return [verdict.occurrence for verdict in verdicts if verdict.result == "run"]


def test_nothing_is_due_before_its_time() -> None:
    assert due(every([100.0]), 0.0, 99.9, grace=HOUR) is None
    assert due(every([]), 0.0, 99.9, grace=HOUR) is None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("once", [3000.0]), ("skip", []), ("all", [1000.0, 2000.0, 3000.0])],
)
def test_what_a_sleep_leaves_is_made_up_for_by_policy(policy: Policy, expected: list[float]) -> None:
    found = handle(every([1000.0, 2000.0, 3000.0]), 0.0, 3000.0 + 2 * PROMPT, policy, HOUR)
    assert ran(found) == expected
    assert found[-1].occurrence == 3000.0, "all of it is handled"
    if policy == "once":
        assert found[0].passed == 2
    if policy == "skip":
        assert found[0].result == "skipped" and "skip" in (found[0].reason or "")


def test_skip_runs_what_is_only_a_moment_late() -> None:
    assert ran(handle(every([1000.0]), 0.0, 1000.0 + PROMPT, "skip", HOUR)) == [1000.0]


@pytest.mark.parametrize("policy", ["once", "all"])
def test_beyond_its_grace_it_is_missed_and_said_so(policy: Policy) -> None:
    (found,) = handle(every([1000.0, 2000.0]), 0.0, 2000.0 + HOUR + 1, policy, HOUR)
    assert (found.result, found.occurrence, found.passed, found.late_s) == ("missed", 2000.0, 1, HOUR + 1)


def test_all_misses_what_is_too_late_and_runs_the_rest_in_order() -> None:
    found = handle(every([1000.0, 2000.0, 9000.0, 9100.0]), 0.0, 9200.0, "all", HOUR)
    assert [(each.result, each.occurrence) for each in found] == [("missed", 2000.0), ("run", 9000.0), ("run", 9100.0)]


def test_a_holiday_is_skipped_with_its_name_and_does_not_hide_an_earlier_day() -> None:
    closed = {2000.0: "Christmas Day"}.get
    found = handle(every([1000.0, 2000.0]), 0.0, 2100.0, "once", HOUR, closed)
    assert [(each.result, each.occurrence) for each in found] == [("run", 1000.0), ("skipped", 2000.0)]
    assert found[1].reason == "Christmas Day"


def test_a_minutely_schedule_after_years_is_one_run_and_quickly_found() -> None:
    given = 0

    def counted(moment: float) -> Iterator[float]:
        nonlocal given
        for each in beat(60.0)(moment):
            given += 1
            yield each

    (found,) = handle(counted, 0.0, 10 * 365 * DAY + 1, "once", HOUR)
    assert (found.result, found.passed) == ("run", COUNTED)
    assert given < 2 * COUNTED, "years were not walked through"


def test_monday_to_friday_is_monday_to_friday() -> None:
    cron = Cron("0 9 * * 1-5", BERLIN)
    start = datetime(2026, 11, 20, 12, tzinfo=BERLIN).timestamp()  # a Friday
    days = [datetime.fromtimestamp(each, BERLIN) for each, _ in zip(cron.after(start), range(6), strict=False)]
    assert [day.strftime("%a %d %H:%M") for day in days] == [
        *("Mon 23 09:00", "Tue 24 09:00", "Wed 25 09:00", "Thu 26 09:00", "Fri 27 09:00", "Mon 30 09:00"),
    ]


def times_of(expression: str, day: datetime) -> list[str]:
    """Local times at which it comes on a day and the night after it, with their offsets."""
    start = day.timestamp()
    found = takewhile(lambda each: each < start + 1.2 * DAY, Cron(expression, BERLIN).after(start))
    return [datetime.fromtimestamp(each, BERLIN).strftime("%d %H:%M%z") for each in found]


def test_in_autumn_the_hour_that_comes_twice_runs_once() -> None:
    eve = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert times_of("30 2 * * *", eve) == ["25 02:30+0200"]


def test_in_spring_the_hour_that_does_not_come_is_made_up_for() -> None:
    assert times_of("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN)) == ["29 03:00+0200"]


@pytest.mark.parametrize("day", [(2026, 10, 25), (2026, 3, 29), (2026, 7, 1)])
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/10 * * * *", "0 * * * *", "5 1-3 * * *"])
def test_however_the_night_is_cut_each_time_is_handled_once(expression: str, day: tuple[int, int, int]) -> None:
    cron = Cron(expression, BERLIN)
    start = datetime(*day, tzinfo=BERLIN).timestamp()
    whole = list(takewhile(lambda each: each <= start + 6 * HOUR, cron.after(start)))
    assert whole == sorted(set(whole)) and whole
    last, found = start, []
    for minute in range(1, 361):  # a daemon that is started anew every minute
        for verdict in handle(cron.after, last, start + 60.0 * minute, "all", HOUR):
            found.append(verdict.occurrence)
            last = verdict.occurrence
    assert found == whole


@given(
    moments=st.lists(st.integers(1, 5000), unique=True, max_size=12),
    looks=st.lists(st.integers(0, 6000), min_size=1, max_size=8),
    policy=st.sampled_from(["once", "skip", "all"]),
    grace=st.integers(0, 3000),
    days_off=st.sets(st.integers(1, 5000), max_size=5),
)
def test_every_occurrence_is_accounted_for_once(
    moments: list[int], looks: list[int], policy: Policy, grace: int, days_off: set[int]
) -> None:
    times = every([float(each) for each in moments])
    off = days_off & set(moments)

    def closed(occurrence: float) -> str | None:
        return "a day off" if occurrence in off else None

    last, runs = 0.0, []
    for now in sorted(looks):
        verdicts = handle(times, last, float(now), policy, float(grace), closed)
        pending = [each for each in sorted(moments) if last < each <= now]
        assert sum(1 + each.passed for each in verdicts) == len(pending), "each is handled, none twice"
        occurrences = [each.occurrence for each in verdicts]
        assert occurrences == sorted(occurrences) and all(last < each <= now for each in occurrences)
        open_ones = [each for each in pending if each not in off]
        timely = [each for each in open_ones if now - each <= (min(grace, PROMPT) if policy == "skip" else grace)]
        assert ran(verdicts) == (timely if policy == "all" else timely[-1:])
        for verdict in verdicts:
            assert verdict.late_s == now - verdict.occurrence
            assert (verdict.result == "run") == (verdict.reason is None)
        runs += ran(verdicts)
        last = occurrences[-1] if occurrences else last
    assert len(runs) == len(set(runs))
