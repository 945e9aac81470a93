"""Row 46, imitated: the power fails at a call, and only what was synced before is left.

See ``deskhand.testing.lossy_files`` for what the fake disk forgets.  A sample of the calls of four scenarios; every
drop was durable in the inbox before, so every one has to come to its one end.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from deskhand.testing.lossy_files import LossyFiles
from tests.faults.test_crash_points import SCENARIOS, SLACK, furnish
from tests.support.crash import Table
from tests.support.forks import spread

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
SEED = int(os.environ.get("DESKHAND_FAULT_SEED") or random.SystemRandom().randrange(10**6))
POINTS = int(os.environ.get("DESKHAND_FAULT_POINTS") or 100)
AGAIN = (
    f"again: DESKHAND_FAULT_SEED={SEED} DESKHAND_FAULT_POINTS={POINTS} pytest -m faults tests/faults/test_power_cut.py"
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Table]]:
    """Desks that are put back to their beginning for every point, one per core."""
    with pytest.MonkeyPatch.context() as patch:
        yield [Table(tmp_path_factory.mktemp("dark"), furnish, patch) for _ in range(min(4, os.cpu_count() or 1))]


def nth(number: int) -> Callable[[str, str], bool]:
    """True at the call with this number."""
    calls = count(1)
    return lambda operation, path: next(calls) == number


def test_f46_power_cut_at_any_call(tables: list[Table]) -> None:
    dice = random.Random(SEED)
    lives = {name: len(tables[0].calls(SCENARIOS[name])) for name in ("keep", "folder", "approve", "retry", "midnight")}
    points = [(name, number) for name, calls in lives.items() for number in range(1, calls)]
    points = dice.sample(points, min(POINTS, len(points)))

    def point(table: Table, sample: tuple[str, int]) -> None:
        scenario = SCENARIOS[sample[0]]
        table.reset(scenario)
        dark = table.cut(scenario, nth(sample[1]))
        assert dark or sample[1] > lives[scenario.name] - SLACK, f"{scenario.name}: there was no call {sample[1]}"
        table.recover(scenario, f"power cut at call {sample[1]}; {AGAIN}")

    spread(tables, points, point)
    print(f"{len(points)} points, power cut at each")


def test_the_fake_disk_forgets_what_was_not_synced(tmp_path: Path) -> None:
    files = LossyFiles()
    kept, lost, made = tmp_path / "kept", tmp_path / "lost", tmp_path / "made"
    for path in (kept, lost):
        files.create(path, b"old")
    files.fsync_folder(tmp_path)
    files.create(tmp_path / "new", b"new")
    files.replace(tmp_path / "new", kept)
    files.fsync_folder(tmp_path)
    files.rename(lost, tmp_path / "moved")
    files.make_folder(made / "deep")
    files.create(made / "deep" / "file", b"gone")
    files.unlink(kept)
    files.power_cut()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"kept": b"new", "lost": b"old"}


def test_the_fake_disk_brings_old_bytes_back(tmp_path: Path) -> None:
    files = LossyFiles()
    path = tmp_path / "file"
    files.create(path, b"12345678")
    files.fsync_folder(tmp_path)
    fd = os.open(path, os.O_RDWR)
    files.pwrite(fd, b"ab", 0)
    files.fdatasync(fd)
    files.pwrite(fd, b"cd", 2)
    files.truncate(fd, 5)
    os.close(fd)
    assert path.read_bytes() == b"abcd5"
    files.power_cut()
    assert path.read_bytes() == b"ab345678"
