"""Row 58, a real daemon on shifted clocks: set by years, summer time, a machine that slept; none early, none lost."""

from __future__ import annotations

import calendar
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deskhand.core.record import Record
from deskhand.core.state import State
from tests.support.shifted import COMPILER, ShiftedBench

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="clocks are shifted below Linux's C library"),
    pytest.mark.skipif(COMPILER is None, reason="no C compiler"),
]
YEARS = 10 * 365 * 86_400
HOUR = 3600


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ShiftedBench]:
    made = ShiftedBench(tmp_path, zone="Europe/Berlin")
    once = f"[ -e {tmp_path}/tried ] || {{ touch {tmp_path}/tried; exit 1; }}"
    made.counting("again", once, idempotent=True, retry={"attempts": 3, "backoff": "10m"})
    made.counting("job", "true", idempotent=True)
    yield made
    made.close()


def drop(bench: ShiftedBench, name: str, *options: str) -> None:
    bench.ok("drop", *options, bench.source(name))


def furnished(bench: ShiftedBench, seconds: float = HOUR) -> None:
    """A daemon, something due later by the clock, something due after a pause, and an open question."""
    bench.begin()
    drop(bench, "later.txt", "--recipe", "job", "--not-before", bench.at(seconds))
    drop(bench, "again.txt", "--recipe", "again")
    bench.ask()
    bench.wait_state("later.txt", State.READY)
    bench.wait_state("again.txt", State.RETRY)


def steps(bench: ShiftedBench) -> list[Record]:
    return bench.records("log.clock_step")


def runs(bench: ShiftedBench, name: str) -> int:
    task = bench.task(name)
    assert task is not None
    return bench.runs()[task.key]


def goes_on(bench: ShiftedBench, name: str) -> None:
    """A drop that comes now is done now; what is due by then was looked at."""
    bench.drop(name, route="job")
    bench.wait_state(name, State.COMPLETED)


def test_f58_set_back_by_ten_years_and_forth_again(bench: ShiftedBench) -> None:
    furnished(bench)
    bench.set(-YEARS)
    bench.until(lambda: len(steps(bench)) == 1, "it is noticed")
    assert steps(bench)[0].fields["confirmed"] is False
    goes_on(bench, "meanwhile.txt")
    assert (runs(bench, "later.txt"), runs(bench, "again.txt")) == (0, 1), "none early"
    bench.sleep(760)  # a pause is up to a quarter longer than it says
    bench.wait_state("again.txt", State.COMPLETED)
    assert runs(bench, "later.txt") == 0, "a pause is over after its time, whatever the clock shows"
    bench.set(YEARS)
    bench.until(lambda: len(steps(bench)) == 2, "that too")
    goes_on(bench, "back.txt")
    assert runs(bench, "later.txt") == 0, "it is still not time"
    bench.sleep(HOUR)
    bench.wait_state("later.txt", State.COMPLETED)
    over(bench)


def test_f58_set_forward_by_ten_years_and_back_again(bench: ShiftedBench) -> None:
    furnished(bench)
    bench.set(YEARS)
    bench.until(lambda: len(steps(bench)) == 1, "it is noticed")
    for name in ("later.txt", "again.txt"):  # by the clock it is their time
        bench.wait_state(name, State.COMPLETED)
    expires = bench.wait_state("letter.txt", State.WAITING).expires
    assert expires is not None and expires < bench.now(), "and that of the question"
    assert bench.json("status")["daemon"]["clock_unconfirmed"] is True
    goes_on(bench, "meanwhile.txt")
    bench.wait_state("letter.txt", State.WAITING)
    bench.set(-YEARS)
    bench.until(lambda: len(steps(bench)) == 2, "that too")
    bench.ok("resume")
    goes_on(bench, "back.txt")
    over(bench)


def test_f58_eight_hours_asleep(bench: ShiftedBench) -> None:
    bench.configure("approval:\n  expires_after: 6h\n")
    furnished(bench)
    bench.sleep(8 * HOUR)
    for name in ("later.txt", "again.txt"):
        bench.wait_state(name, State.COMPLETED)
    bench.wait_state("letter.txt", State.EXPIRED)
    bench.until(lambda: bench.records("log.heartbeat"), "it says that it is alive")
    assert steps(bench) == [], "nobody set a clock"
    goes_on(bench, "next.txt")
    over(bench, State.EXPIRED)


@pytest.mark.parametrize("month", [3, 10], ids=["spring", "autumn"])
def test_f58_summer_time_begins_and_ends(bench: ShiftedBench, month: int) -> None:
    bench.set(summer_time(datetime.now(UTC).year + 1, month) - bench.now() - 600)
    furnished(bench, 1800)
    bench.sleep(1200)
    goes_on(bench, "meanwhile.txt")
    bench.wait_state("again.txt", State.COMPLETED)
    assert runs(bench, "later.txt") == 0, "half an hour is half an hour"
    bench.sleep(601)
    bench.wait_state("later.txt", State.COMPLETED)
    assert steps(bench) == []
    over(bench)


def summer_time(year: int, month: int) -> float:
    """When Europe changes its clocks: 01:00 UTC on the last Sunday of March and of October."""
    last = max(day for week in calendar.monthcalendar(year, month) if (day := week[calendar.SUNDAY]))
    assert date(year, month, last).weekday() == calendar.SUNDAY
    return datetime(year, month, last, 1, tzinfo=UTC).timestamp()


def over(bench: ShiftedBench, question: State = State.WAITING) -> None:
    """None lost, none twice."""
    assert (runs(bench, "later.txt"), runs(bench, "again.txt")) == (1, 2)
    bench.wait_state("letter.txt", question)
    bench.until(lambda: not any(task.undelivered for task in bench.tasks().values()), "all is delivered")
    bench.stop_and_check()
