"""Judging disks, backups and drills."""

from __future__ import annotations

import pytest

from deskhand.core.health import Verdict
from deskhand.core.settings import CostLimits, Health
from deskhand.operations.health_reserves import FULL, Disk, backup, budget, disk, drill, inodes

NOW = 1_790_000_000.0
DAY = 86_400.0
LIMITS = Health(disk_free=1000**3)
OK, DEGRADED, UNKNOWN, DOWN = Verdict.OK, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN


@pytest.mark.parametrize(("free", "verdict"), [(1000**3, OK), (1000**3 - 1, DEGRADED), (FULL, DEGRADED), (1000, DOWN)])
def test_the_fullest_disk_counts(free: int, verdict: Verdict) -> None:
    found = disk([Disk("logs", 10**12), Disk("the desk", free)], LIMITS)
    assert found.verdict is verdict
    assert verdict is OK or ("the desk" in found.reason and "logs" not in found.reason)


@pytest.mark.parametrize(
    ("free", "of", "verdict"), [(50, 1000, OK), (49, 1000, DEGRADED), (4, 1000, DOWN), (None, None, OK), (0, 0, OK)]
)
def test_inodes(free: int | None, of: int | None, verdict: Verdict) -> None:
    assert inodes([Disk("the desk", 1, free, of)]).verdict is verdict


def test_a_backup_grows_old_and_none_is_unknown() -> None:
    assert backup(None, LIMITS, NOW).verdict is UNKNOWN
    assert backup(NOW - 2 * DAY, LIMITS, NOW).verdict is OK
    assert backup(NOW - 2 * DAY - 1, LIMITS, NOW).verdict is DEGRADED


@pytest.mark.parametrize(
    ("good", "failed", "verdict"),
    [
        (None, None, UNKNOWN),
        (NOW - 14 * DAY, None, OK),
        (NOW - 14 * DAY - 1, None, DOWN),
        (None, NOW - 5, DOWN),
        (NOW - 9, NOW - 5, DOWN),
        (NOW - 5, NOW - 9, OK),
    ],
)
def test_drills(good: float | None, failed: float | None, verdict: Verdict) -> None:
    assert drill(good, failed, LIMITS, NOW).verdict is verdict


@pytest.mark.parametrize(
    ("daily", "spent", "verdict"), [(None, 99.0, OK), (4.0, 2.99, OK), (4.0, 3.0, DEGRADED), (4.0, 4.0, DOWN)]
)
def test_the_budget(daily: float | None, spent: float, verdict: Verdict) -> None:
    found = budget(spent, CostLimits(currency="EUR", daily=daily))
    assert found.verdict is verdict and "EUR" in found.reason
    assert (found.fix is None) == (verdict is OK)
