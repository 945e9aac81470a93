"""How long a fast test may take: what makes a suite slow is never one change, but many.

A test that needs longer carries a marker and runs with the campaigns.  Setting up and tearing down count like the test
itself.  Only where changes are judged (``CI`` is set) is a slow test a failure, and a machine that has other work to do
gets more time.
"""

from __future__ import annotations

import os

import pytest

SECONDS = 2.0
"""For one phase of one test, on a machine with nothing else to do; most take some milliseconds."""
EXAMPLES = 30
"""Of each property, among the fast tests; `make properties` tries many more."""
_WANTED = os.environ.get("DESKHAND_EXAMPLES")
"""As it was when the run began: the tests themselves see none of these variables."""
MARKERS = ("faults", "powercut", "soak", "acceptance", "slow")


def judged() -> bool:
    """Whether this run decides about a change."""
    return bool(os.environ.get("CI"))


def examples() -> int:
    """Examples that are tried of each property: ``DESKHAND_EXAMPLES``, or as many as the fast tests have time for."""
    return int(_WANTED or EXAMPLES)


def marked(item: pytest.Item) -> bool:
    """Whether a test is none of the fast ones."""
    return any(item.get_closest_marker(name) for name in MARKERS)


def limit() -> float:
    """Seconds that a phase may take now: more when more wants to run than there are processors."""
    return SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def judge(report: pytest.TestReport, seconds: float) -> None:
    """Make a passed phase that took longer than *seconds* a failure."""
    if report.passed and report.duration > seconds:
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid}: its {report.when} took {report.duration:.1f} s, more than {seconds:.1f} s: "
            f"make it faster, or mark it ({', '.join(MARKERS)})"
        )
