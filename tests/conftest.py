"""What every test may rely on: its own state folder, a desk, and waiting without sleeping blindly.

The fast tests do not wait for the disk: what a power cut leaves is the matter of the campaigns, and of disks that are
told what to forget.  `tests/support/pace.py` says how long one of them may take.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from deskhand.store import files
from deskhand.store.desk import Desk
from tests.support import pace, skips

# A submission is judged by the same examples every time; runs by hand go on looking for new ones.  No example has a
# deadline: on a machine with other work each of them takes long once in a while.
settings.register_profile("here", deadline=None, max_examples=pace.examples())
settings.register_profile("ci", deadline=None, max_examples=pace.examples(), derandomize=True)
settings.load_profile("ci" if pace.judged() else "here")


def pytest_configure(config: pytest.Config) -> None:
    """What was not run is said at the end."""
    config.pluginmanager.register(skips.plugin(), "deskhand-skips")


T = TypeVar("T")
WaitFor = Callable[..., T]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A sync is taken as done at once, except in the campaigns and in acceptance."""
    with pytest.MonkeyPatch.context() as patch:
        if not pace.marked(item):
            _sync_at_once(patch)
        return (yield)


def _sync_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "fsync", lambda fd: None)
    patch.setattr(os, "fdatasync", lambda fd: None)
    patch.setattr(files, "_syncfs", lambda fd: None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A fast test that is not fast fails where changes are judged."""
    report = yield
    if pace.judged() and pace.examples() == pace.EXAMPLES and not pace.marked(item):
        pace.judge(report, pace.limit())
    return report


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_this_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the suite out of the user's own state folder, and the user's settings out of the suite."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DESKHAND_")]:
            patch.delenv(name)
        # With it every process that a test starts compiles the whole product again.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture
def sync_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a campaign that stays in this process: what a sync would write is read from memory all the same."""
    _sync_at_once(monkeypatch)


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
