"""What rings by the clock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from deskhand.core.settings import Schedule
from deskhand.engine.clock import SystemClock
from deskhand.engine.clockwork import FAR, Clockwork, CronTimes, Every, Reason, StepWatch
from deskhand.engine.cron import explain
from deskhand.errors import ConfigError
from deskhand.testing.clock import FakeClock

BERLIN = ZoneInfo("Europe/Berlin")
NEVER = Schedule(heartbeat="0 0 1 1 *", rotation="0 0 1 1 *", tidy="0 0 1 1 *")


def times(expression: str, start: datetime, count: int) -> list[str]:
    trigger = CronTimes(expression, BERLIN)
    found, previous = [], start
    for _ in range(count):
        following = trigger.get_next_fire_time(previous, previous)
        assert following is not None
        found.append(f"{following:%a %m-%d %H:%M %z}")
        previous = following
    return found


# -- triggers --------------------------------------------------------------------------------------------------------


def test_weekdays_are_monday_to_friday() -> None:
    got = times("0 8 * * 1-5", datetime(2026, 11, 20, 9, tzinfo=BERLIN), 3)
    assert got == ["Mon 11-23 08:00 +0100", "Tue 11-24 08:00 +0100", "Wed 11-25 08:00 +0100"]


def test_f58_a_daily_job_runs_once_at_the_autumn_clock_change() -> None:
    got = times("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 2)
    assert got == ["Sun 10-25 02:30 +0200", "Mon 10-26 02:30 +0100"]


def test_f58_a_daily_job_is_made_up_for_in_spring() -> None:
    got = times("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN), 2)
    assert got == ["Sun 03-29 03:00 +0200", "Mon 03-30 02:30 +0200"]


def test_day_of_month_or_weekday() -> None:
    got = times("0 0 1 * 1", datetime(2026, 11, 24, tzinfo=BERLIN), 3)
    assert got == ["Mon 11-30 00:00 +0100", "Tue 12-01 00:00 +0100", "Mon 12-07 00:00 +0100"]


def test_missed_times_are_one_ring() -> None:
    trigger = CronTimes("* * * * *", UTC)
    previous = datetime(2016, 1, 1, tzinfo=UTC)
    now = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert trigger.get_next_fire_time(previous, now) == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def test_f58_a_clock_set_back_does_not_ring_twice() -> None:
    trigger = CronTimes("0 * * * *", UTC)
    previous = datetime(2026, 1, 1, 12, tzinfo=UTC)
    following = trigger.get_next_fire_time(previous, previous - timedelta(minutes=30))
    assert following == datetime(2026, 1, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "0 0 31 2 *", "@daily", "a b c d e"])
def test_bad_expressions_are_configuration_errors(expression: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CronTimes(expression, UTC)
    assert repr(expression) in caught.value.cause and caught.value.hint


def test_schedules_are_explained_in_english() -> None:
    assert explain("0 8 * * 1-5") == "At 08:00 on Monday through Friday"
    with pytest.raises(ConfigError):
        explain("never")


def test_beat_does_not_hurry_after_a_pause() -> None:
    beat, start = Every(10), datetime(2026, 1, 1, tzinfo=UTC)
    assert beat.get_next_fire_time(None, start) == start + timedelta(seconds=10)
    assert beat.get_next_fire_time(start, start + timedelta(seconds=1)) == start + timedelta(seconds=10)
    late = start + timedelta(hours=8)
    assert beat.get_next_fire_time(start, late) == late + timedelta(seconds=10)


def test_f58_steps_of_the_wall_clock_are_noticed() -> None:
    clock = FakeClock()
    watch = StepWatch(clock)
    clock.advance(3600)
    assert watch.stepped() == 0.0
    clock.step(-86400 * 3650)
    assert watch.stepped() == pytest.approx(-86400 * 3650)
    assert watch.stepped() == 0.0
    clock.step(2)
    assert watch.stepped() == 0.0


# -- the clockwork ---------------------------------------------------------------------------------------------------


class Bell:
    def __init__(self) -> None:
        self.rings: list[Reason] = []

    def __call__(self, reason: Reason) -> None:
        self.rings.append(reason)


WaitFor = Callable[..., object]


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def clockwork(bell: Bell) -> Iterator[Clockwork]:
    made = Clockwork(bell, NEVER, scan_interval=3600, clock=SystemClock())
    made.start()
    yield made
    made.stop()


def clockwork_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "deskhand-clockwork"]


def test_one_thread_and_none_left(clockwork: Clockwork) -> None:
    assert len(clockwork_threads()) == 1 and clockwork_threads()[0].daemon
    assert threading.active_count() - len(clockwork_threads()) >= 1
    begun = time.monotonic()
    clockwork.stop()
    assert clockwork_threads() == []
    assert time.monotonic() - begun < 1
    clockwork.stop()


def test_a_clockwork_that_never_ran_can_be_stopped(bell: Bell) -> None:
    Clockwork(bell, NEVER, scan_interval=1, clock=SystemClock()).stop()
    assert bell.rings == []


def test_rescan_beats(bell: Bell, wait_for: WaitFor) -> None:
    beating = Clockwork(bell, NEVER, scan_interval=0.02, clock=SystemClock())
    beating.start()
    try:
        wait_for(lambda: len(bell.rings) >= 3)
    finally:
        beating.stop()
    assert set(bell.rings) == {Reason.RESCAN}


def test_wake_up_rings_once_and_a_past_one_at_once(clockwork: Clockwork, bell: Bell, wait_for: WaitFor) -> None:
    clockwork.wake_at(0.0)
    wait_for(lambda: bell.rings == [Reason.RETRY])
    clockwork.wake_at(time.time() + 0.05)
    assert bell.rings == [Reason.RETRY]
    wait_for(lambda: bell.rings == [Reason.RETRY] * 2)
    wait_for(lambda: Reason.RETRY not in clockwork.next_times())


def test_wake_up_replaces_the_earlier_wish(clockwork: Clockwork, bell: Bell, wait_for: WaitFor) -> None:
    clockwork.wake_at(time.time() + 3000)
    clockwork.wake_at(time.time() + 0.02)
    wait_for(lambda: bell.rings == [Reason.RETRY])
    clockwork.wake_at(time.time() + 1000)
    assert Reason.RETRY in clockwork.next_times()
    clockwork.wake_at(None)
    clockwork.wake_at(None)
    assert Reason.RETRY not in clockwork.next_times()


def test_wake_up_in_the_far_future_is_looked_at_again(clockwork: Clockwork) -> None:
    clockwork.wake_at(1e18)
    ahead = clockwork.next_times()[Reason.RETRY] - datetime.now(UTC)
    assert 0.9 * FAR < ahead.total_seconds() < 1.1 * FAR


def test_same_wish_again_rings_again_after_it_rang(clockwork: Clockwork, bell: Bell, wait_for: WaitFor) -> None:
    clockwork.wake_at(5.0)
    wait_for(lambda: len(bell.rings) == 1)
    clockwork.wake_at(5.0)
    wait_for(lambda: len(bell.rings) == 2)


def test_f58_late_one_shot_is_not_lost(bell: Bell, wait_for: WaitFor) -> None:
    """A wish made before the clockwork runs, already hours late when it does."""
    late = Clockwork(bell, NEVER, scan_interval=3600, clock=SystemClock())
    late.wake_at(time.time() - 8 * 3600)
    late.start()
    try:
        wait_for(lambda: bell.rings == [Reason.RETRY])
    finally:
        late.stop()


def test_f58_clock_set_back_arms_everything_anew(bell: Bell, wait_for: WaitFor) -> None:
    clock = FakeClock(wall=time.time())
    made = Clockwork(bell, NEVER, scan_interval=3600, clock=clock)
    made.start()
    try:
        in_years = datetime.now(UTC) + timedelta(days=3650)
        made._scheduler.modify_job(Reason.HEARTBEAT, next_run_time=in_years)
        clock.step(-86400 * 3650)
        made._scheduler.wakeup()  # as the thread does within a minute
        wait_for(lambda: bell.rings == [Reason.RESCAN])
        assert made.next_times()[Reason.HEARTBEAT] < in_years - timedelta(days=3000)
    finally:
        made.stop()


def test_f58_clock_set_forward_loses_no_due_time(bell: Bell, wait_for: WaitFor) -> None:
    clock = FakeClock(wall=time.time())
    made = Clockwork(bell, NEVER, scan_interval=3600, clock=clock)
    made._arm()
    made._scheduler.modify_job(Reason.TIDY, next_run_time=datetime.now(UTC) - timedelta(hours=3))
    clock.step(8 * 3600)
    made._scheduler.start()
    try:
        wait_for(lambda: sorted(bell.rings) == [Reason.RESCAN, Reason.TIDY])
    finally:
        made.stop()


def test_a_ring_that_raises_does_not_end_the_clockwork(wait_for: WaitFor, caplog: pytest.LogCaptureFixture) -> None:
    rings: list[Reason] = []

    def broken(reason: Reason) -> None:
        rings.append(reason)
        raise RuntimeError("bell broken")

    made = Clockwork(broken, NEVER, scan_interval=0.01, clock=SystemClock())
    made.start()
    try:
        wait_for(lambda: len(rings) >= 2)
    finally:
        made.stop()
    assert "bell broken" in caplog.text


def test_rotation_follows_utc_and_the_rest_local_time(bell: Bell) -> None:
    made = Clockwork(bell, Schedule(), scan_interval=10, clock=SystemClock(), zone=ZoneInfo("Asia/Kolkata"))
    made.start()
    try:
        at = made.next_times()
        assert (at[Reason.ROTATION].hour, at[Reason.ROTATION].utcoffset()) == (0, timedelta(0))
        assert (at[Reason.TIDY].hour, at[Reason.TIDY].utcoffset()) == (0, timedelta(hours=5.5))
    finally:
        made.stop()


ZONE = """
from deskhand.core.settings import Schedule
from deskhand.engine.clock import SystemClock
from deskhand.engine.clockwork import Clockwork
from deskhand.errors import ConfigError
try:
    made = Clockwork(print, Schedule(), scan_interval=3600, clock=SystemClock())
except ConfigError as error:
    print(error)
else:
    made.start()
    print(made.next_times()["tidy"].tzinfo)
    made.stop()
"""


@pytest.mark.parametrize(
    ("zone", "said"), [("Asia/Kolkata", "Asia/Kolkata"), ("Middle/Nowhere", "time zone"), (None, "")]
)
def test_f65_the_zone_of_the_machine_or_a_configuration_error(zone: str | None, said: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "TZ"} | ({"TZ": zone} if zone else {})
    done = subprocess.run([sys.executable, "-c", ZONE], env=env, capture_output=True, text=True, check=True)
    assert said in done.stdout and done.stdout.strip()


def test_bad_schedule_is_refused_at_once(bell: Bell) -> None:
    with pytest.raises(ConfigError):
        Clockwork(bell, Schedule(heartbeat="often"), scan_interval=10, clock=SystemClock())
