"""What every test may rely on: its own state folder, a desk, and waiting without sleeping blindly."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from deskhand.store.desk import Desk

# A submission is judged by the same examples every time; runs by hand go on looking for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

T = TypeVar("T")
WaitFor = Callable[..., T]


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_this_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the suite out of the user's own state folder, and the user's settings out of the suite."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DESKHAND_")]:
            patch.delenv(name)
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty folder as a desk."""
    root = tmp_path / "desk"
    root.mkdir()
    return Desk(root.resolve())


@pytest.fixture
def wait_for() -> Callable[..., object]:
    """``wait_for(condition, timeout=5.0)``: its first true value; the test fails when there is none in time."""

    def wait(condition: Callable[[], T], timeout: float = 5.0, *, what: str = "") -> T:
        end = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > end:
                pytest.fail(f"not within {timeout} s: {what or getattr(condition, '__name__', condition)}")
            time.sleep(0.002)
        return value

    return wait
