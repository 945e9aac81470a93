"""Maintenance windows: what is held, until when, and what is muted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deskhand.core.settings import Window
from deskhand.core.state import State
from deskhand.engine.maintenance import Maintenance
from deskhand.errors import ConfigError
from deskhand.host.found import init
from tests.support.inside import inside

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
HOUR = 3600.0
WEEKLY = Window("weekly", "0 2 * * 0", 2 * HOUR, "updates")


def test_open_from_its_begin_to_its_end() -> None:
    windows = Maintenance((WEEKLY,), UTC)
    assert windows.at(SUNDAY + 2 * HOUR - 1) is None
    assert windows.next_change(SUNDAY) == SUNDAY + 2 * HOUR
    found = windows.at(SUNDAY + 2 * HOUR)
    assert found is not None and (found.reason, found.until) == ("updates", SUNDAY + 4 * HOUR)
    assert windows.at(SUNDAY + 4 * HOUR - 1) == found
    assert windows.next_change(SUNDAY + 3 * HOUR) == SUNDAY + 4 * HOUR
    assert windows.at(SUNDAY + 4 * HOUR) is None
    assert windows.at(SUNDAY + 3 * HOUR) == found, "also when the clock is set back"


def test_of_two_the_longer_one_counts_and_none_is_none() -> None:
    other = Window("long", "0 3 * * 0", 5 * HOUR, "long")
    found = Maintenance((WEEKLY, other), UTC).at(SUNDAY + 3.5 * HOUR)
    assert found is not None and found.name == "long"
    assert Maintenance((), UTC).next_change(SUNDAY) is None


@pytest.mark.parametrize(("least", "muted"), [("P2", "P2 P3"), ("P0", "P0 P1 P2 P3"), ("P3", "P3"), ("none", "")])
def test_low_severities_are_muted_while_it_is_open(least: str, muted: str) -> None:
    windows = Maintenance((Window("w", "0 2 * * 0", HOUR, mutes_from=least),), UTC)  # type: ignore[arg-type]
    severities = ("P0", "P1", "P2", "P3")
    assert [each for each in severities if windows.mutes(each, SUNDAY + 2 * HOUR)] == muted.split()
    assert not any(windows.mutes(each, SUNDAY) for each in severities)


def test_it_lasts_as_long_over_a_clock_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 25, 2, tzinfo=berlin).timestamp()
    windows = Maintenance((WEEKLY,), berlin)
    found = windows.at(begin + 1)
    assert found is not None and found.until == begin + 2 * HOUR


def test_times_that_never_come_are_refused() -> None:
    with pytest.raises(ConfigError):
        Maintenance((Window("w", "0 0 30 2 *", HOUR),), UTC)


def test_drops_are_taken_in_and_not_started_until_it_is_over(tmp_path: Path) -> None:
    root = tmp_path / "desk"
    init(root)
    config = root / "deskhand.yaml"
    config.write_text('schema: 1\nmaintenance:\n  - {name: now, cron: "* * * * *", length: 2h, reason: now}\n')
    with inside(root) as desk:
        key = desk.drop(b"x\n")
        desk.until_state(key, State.READY)
        for _ in range(3):
            desk.engine.scan_everything()
            desk.engine.tick()
        task = desk.task(key)
        assert task is not None and task.state is State.READY and desk.engine.idle
        assert desk.engine.status()["maintenance"]["reason"] == "now"
    config.write_text("schema: 1\n")
    with inside(root) as desk:
        desk.until_state(key, State.COMPLETED)
