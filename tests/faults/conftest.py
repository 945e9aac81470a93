"""What the campaigns with a real daemon share, and what all campaigns say when they are over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import campaign
from tests.support.fault_desk import FaultBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[FaultBench]:
    """A desk and no daemon yet."""
    made = FaultBench(tmp_path)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The number of points tried, and the seed of the samples."""
    if campaign.TRIED:
        terminalreporter.section(f"points tried (DESKHAND_FAULT_SEED={campaign.SEED})")
        for name, said in campaign.TRIED.items():
            terminalreporter.write_line(f"{name}: {said}")
