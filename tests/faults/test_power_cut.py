"""Row 46, imitated: the power fails at a call, and only what was synced before is certainly left.

See ``deskhand.testing.lossy_files`` for what the fake disk forgets: everything that was not synced, or as the dice
fall, so that a later rename may be kept and an earlier one lost.  Every drop was durable in the inbox before, so every
one has to come to its one end.  A sample of the calls of all scenarios; ``make crashes`` tries all of them.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deskhand.testing.lossy_files import LossyFiles
from tests.faults.test_crash_points import RECOVERY, SLACK
from tests.support import campaign
from tests.support.crash import Table, tables_for
from tests.support.crash_files import nth
from tests.support.forks import spread
from tests.support.scenarios import SCENARIOS

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
    pytest.mark.timeout(campaign.patience(300)),
]
CUTTABLE = {name: scenario for name, scenario in SCENARIOS.items() if name != "copied folder"}
"""A folder that was removed comes back as another one on the fake disk, so it would be another drop."""
POINTS = 80
"""Power cuts in a usual run."""
CUT = "test_power_cut.py"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Table]]:
    """Desks that are put back to their beginning for every point, one per core."""
    with pytest.MonkeyPatch.context() as patch:
        yield tables_for(tmp_path_factory, patch)


def losing(how: str) -> Callable[[], bool]:
    """Which changes are lost: `all`, or by dice whose seed is *how*."""
    dice = random.Random(how)
    return lambda: how == "all" or dice.random() < 0.5


def test_f46_power_cut_at_any_call(tables: list[Table]) -> None:
    lives = {name: len(tables[0].calls(scenario)) for name, scenario in CUTTABLE.items()}
    every = [
        (name, number, how)
        for name, calls in lives.items()
        for number in range(1, calls)
        for how in ("all", f"{campaign.SEED} {number}")
    ]
    points = campaign.sample(every, POINTS, "cut")

    def point(table: Table, one: tuple[str, int, str]) -> None:
        name, number, how = one
        scenario = SCENARIOS[name]
        table.reset(scenario)
        dark = table.cut(scenario, nth(number), lose=losing(how))
        assert dark or number > lives[name] - SLACK, f"{name}: there was no call {number}"
        table.recover(scenario, f"power cut at call {number}, lost: {how}; {campaign.again(CUT)}")

    spread(tables, points, point)
    campaign.tried("power cut at a store call", f"{len(points)} of {len(every)} points")


def test_f46_power_cuts_up_to_four_in_a_row(tables: list[Table]) -> None:
    """After each, the next life begins on what was left, and mostly it goes dark while it recovers."""
    dice = random.Random(f"{campaign.SEED} row")
    lives = {name: len(tables[0].calls(scenario)) for name, scenario in CUTTABLE.items()}
    firsts = [(name, number) for name, calls in lives.items() for number in range(12, calls)]
    points = [
        (name, [number, *(dice.randint(1, RECOVERY) for _ in range(dice.randint(1, 3)))])
        for name, number in campaign.sample(firsts, POINTS // 4, "row")
    ]

    def point(table: Table, one: tuple[str, list[int]]) -> None:
        scenario = SCENARIOS[one[0]]
        table.reset(scenario)
        life = 0
        for life, number in enumerate(one[1]):
            if not table.cut(scenario, nth(number), life=life, lose=losing(f"{campaign.SEED} {one}")):
                break
        table.recover(scenario, f"power cuts at calls {one[1]}; {campaign.again(CUT)}", life + 1)

    spread(tables, points, point)
    campaign.tried("power cuts in a row", f"{len(points)} points, {sum(len(at) for _, at in points)} cuts")


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


def test_the_fake_disk_keeps_everything_once_it_is_synced_as_a_whole(tmp_path: Path) -> None:
    files = LossyFiles()
    folder = tmp_path / "made" / "deep"
    files.make_folder(folder)
    files.create(folder / "file", b"kept", sync=False)
    files.rename(folder / "file", tmp_path / "moved")
    fd = os.open(tmp_path, os.O_RDONLY)
    files.sync_filesystem(fd)
    os.close(fd)
    files.create(folder / "late", b"lost", sync=False)
    files.power_cut()
    assert (tmp_path / "moved").read_bytes() == b"kept"
    assert list(folder.iterdir()) == []


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


def test_the_fake_disk_may_keep_a_later_rename_and_lose_an_earlier_one(tmp_path: Path) -> None:
    files = LossyFiles()
    for name in ("a", "b", "c"):
        files.create(tmp_path / name, name.encode())
    files.fsync_folder(tmp_path)
    files.rename(tmp_path / "a", tmp_path / "a2")
    files.rename(tmp_path / "b", tmp_path / "b2")
    files.rename(tmp_path / "a2", tmp_path / "a3")
    files.create(tmp_path / "d", b"d")
    said = iter([True, False, False, False])
    files.power_cut(lambda: next(said))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a": b"a",
        "b2": b"b",
        "c": b"c",
        "d": b"d",
    }
