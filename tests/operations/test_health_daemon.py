"""Judging the living daemon by what it says."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.core.health import Check, Verdict
from deskhand.operations import health_daemon as judged
from deskhand.operations.health_daemon import Vitals

NOW = 1_790_000_000.0
OK, DEGRADED, UNKNOWN, DOWN = Verdict.OK, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN


def vitals(**more: Any) -> Vitals:
    base = {"turn_age": 1.0, "turn_took": 0.01, "turn_due": 10.0, "lag": 0.0, "watching": "events"}
    return Vitals(**{**base, "heard": {"main": 0.002}, **more})


@pytest.mark.parametrize(
    ("more", "check", "verdict"),
    [
        ({}, judged.loop, OK),
        ({"stuck": True}, judged.loop, DOWN),
        ({"turn_age": 51.0}, judged.loop, DEGRADED),
        ({"turn_age": 49.0}, judged.loop, OK),
        ({"turn_took": 6.0}, judged.loop, DEGRADED),
        ({}, judged.scheduler, OK),
        ({"lag": 29.0}, judged.scheduler, OK),
        ({"lag": 31.0}, judged.scheduler, DOWN),
        ({}, judged.watcher, OK),
        ({"heard": {"main": None}}, judged.watcher, DOWN),
        ({"heard": {"main": 0.1, "scans": None}}, judged.watcher, DOWN),
        ({"heard": {}, "not_probed": {"main": "No such file"}}, judged.watcher, UNKNOWN),
        ({"watcher_errors": 1}, judged.watcher, DEGRADED),
        ({"watching": "scan only"}, judged.watcher, DEGRADED),
        ({"heard": {}}, judged.watcher, OK),  # every inbox is polled
    ],
)
def test_each_check_can_come_out_badly(more: dict[str, Any], check: Any, verdict: Verdict) -> None:
    found: Check = check(vitals(**more))
    assert found.verdict is verdict
    assert (found.fix is None) == (verdict is OK)


def test_the_watchers_time_is_that_of_the_slowest_inbox() -> None:
    assert judged.watcher(vitals(heard={"main": 0.002, "scans": 0.2})).latency_ms == 200.0
    assert judged.watcher(vitals(heard={"main": None})).latency_ms is None


def test_an_answer_has_its_time_and_silence_its_cause() -> None:
    assert judged.answered(0.25) == Check("daemon", OK, "it answers", None, 250.0)
    assert judged.answered(1.5).verdict is DEGRADED
    assert judged.silent("no daemon runs", accepts=False).fix == "deskhand run"
    assert "deciding thread" in judged.silent("it does not answer", accepts=True).reason


@pytest.mark.parametrize(
    ("unconfirmed", "newest", "step", "verdict"),
    [
        (False, NOW - 1, 0.0, OK),
        (False, None, 0.0, OK),
        (False, NOW + 4, 0.0, OK),
        (False, NOW + 60, 0.0, DOWN),
        (True, NOW - 1, 0.0, DEGRADED),
        (False, NOW - 1, 30.0, DEGRADED),
        (False, NOW - 1, -30.0, DEGRADED),
    ],
)
def test_the_clock(unconfirmed: bool, newest: float | None, step: float, verdict: Verdict) -> None:
    assert judged.clock(unconfirmed, newest, NOW, vitals(step=step, step_age=10.0)).verdict is verdict
    assert judged.clock(False, None, NOW, vitals(step=step, step_age=4000.0)).verdict is OK
