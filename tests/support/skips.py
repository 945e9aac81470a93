"""What was not run is counted and said at the end of every run; in CI a skip that nobody allowed is a failure.

The allowed ones stand in a table of ``docs/testing.md``, each with the reason for which it may happen.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"
_SECTION = re.compile(r"^## What may be skipped$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(.+?)` \| .+ \|$", re.MULTILINE)


def allowed(page: str) -> tuple[str, ...]:
    """The patterns of reasons that the table allows."""
    section = _SECTION.search(page)
    return tuple(_ROW.findall(section[1])) if section else ()


class Skips:
    """Registered as a plugin by ``conftest.py``."""

    def __init__(self, patterns: tuple[str, ...], *, strict: bool) -> None:
        """*strict*: a skip that no pattern allows fails the run."""
        self._patterns = patterns
        self._strict = strict
        self.reasons: Counter[str] = Counter()

    def unexpected(self) -> list[str]:
        """Reasons that nothing allows."""
        return [why for why in self.reasons if not any(fnmatchcase(why, pattern) for pattern in self._patterns)]

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.reasons[said.removeprefix("Skipped: ")] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's phase is over."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file was read; all of it may have been skipped."""
        self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """An unexpected skip is a failure where it counts."""
        if self._strict and self.unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line in all, and one for each reason."""
        if not self.reasons:
            terminalreporter.write_line("nothing was skipped")
            return
        terminalreporter.write_line(f"skipped: {self.reasons.total()}")
        unexpected = self.unexpected()
        for why, count in sorted(self.reasons.items()):
            mark = " (NOT ALLOWED: see docs/testing.md)" if self._strict and why in unexpected else ""
            terminalreporter.write_line(f"  {count} x {why}{mark}")


def plugin() -> Skips:
    """As this run needs it: strict with `CI` set."""
    return Skips(allowed(PAGE.read_text()), strict=bool(os.environ.get("CI")))
