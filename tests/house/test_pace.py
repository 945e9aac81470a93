"""The fast tests stay fast."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.support import pace


def report(seconds: float, outcome: Literal["passed", "failed", "skipped"] = "passed") -> pytest.TestReport:
    """What is known about the call of a test."""
    return pytest.TestReport(
        "test_x.py::test_it", ("test_x.py", 1, "test_it"), {}, outcome, None, "call", duration=seconds
    )


def test_a_slow_test_fails_and_says_what_to_do() -> None:
    slow = report(pace.SECONDS + 0.1)
    pace.judge(slow, pace.SECONDS)
    assert slow.failed
    assert "test_it: its call took 2.1 s, more than 2.0 s: make it faster, or mark it (faults" in slow.longreprtext


@pytest.mark.parametrize(
    "quick", [report(pace.SECONDS), report(pace.SECONDS * 5, "skipped")], ids=lambda report: report.outcome
)
def test_what_is_in_time_or_was_not_run_stays_as_it_is(quick: pytest.TestReport) -> None:
    before = quick.outcome
    pace.judge(quick, pace.SECONDS)
    assert quick.outcome == before


@pytest.mark.parametrize(("load", "cores", "seconds"), [(0.3, 2, 2.0), (2.0, 2, 2.0), (9.0, 2, 9.0)])
def test_a_machine_with_other_work_gets_more_time(
    monkeypatch: pytest.MonkeyPatch, load: float, cores: int, seconds: float
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert pace.limit() == seconds


def test_a_test_is_fast_unless_it_carries_a_marker(request: pytest.FixtureRequest) -> None:
    assert not pace.marked(request.node)
    request.node.add_marker("slow")
    assert pace.marked(request.node)
