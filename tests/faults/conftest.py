"""What the campaigns with a real daemon share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_desk import FaultBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[FaultBench]:
    """A desk and no daemon yet."""
    made = FaultBench(tmp_path)
    yield made
    made.close()
