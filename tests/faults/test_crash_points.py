"""Rows 45, 47, 48 and 49: killed, or failed, at every single call that changes the disk.

Each point is a desk of its own: it lives until the call, in a process that really ends there, and again on a healthy
disk until nothing is left to do.  Then every drop must have come to its one end, delivered once, and I1-I7 hold.

Every call is killed at.  Of the errors that each call can give, and of crashes one after the other, a sample is tried;
``make crashes`` tries them all.
"""

from __future__ import annotations

import errno
import random
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from deskhand.engine import ledger
from deskhand.store import skeleton
from deskhand.store.files import Files
from tests.support import campaign
from tests.support.crash import Table, tables_for
from tests.support.forks import spread
from tests.support.possible_errors import errors_of
from tests.support.scenario import Scenario
from tests.support.scenarios import SCENARIOS

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
    pytest.mark.timeout(campaign.patience(300)),
]
SLACK = 12
"""Calls by which two lives of the same scenario may differ (what threads do is not always batched alike)."""
ERRNOS = 20
"""Errors in a usual run, per scenario."""
ROWS_OF_CRASHES = 40
"""Times that one crash follows the other, in a usual run."""
RECOVERY = 45
"""Calls within which a desk of these has recovered."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Table]]:
    """Desks that are put back to their beginning for every point, one per core."""
    with pytest.MonkeyPatch.context() as patch:
        yield tables_for(tmp_path_factory, patch)


def first(scenario: Scenario, calls: list[str]) -> int:
    """Number of the first call that is this scenario's own."""
    return next(number for number, call in enumerate(calls, 1) if scenario.since in call)


@pytest.mark.parametrize("name", SCENARIOS)
def test_f45_killed_at_every_store_call(tables: list[Table], name: str) -> None:
    scenario = SCENARIOS[name]
    calls = tables[0].calls(scenario)
    points = range(first(scenario, calls), len(calls) + 1)

    def point(table: Table, at: int) -> None:
        table.reset(scenario)
        crashed = table.crash(scenario, at)
        assert crashed or at > len(calls) - SLACK, f"{name}: there was no call {at}"
        table.recover(scenario, f"killed at call {at}")

    spread(tables, points, point)
    campaign.tried(f"killed at a store call, {name}", f"{len(points)} points, every one")


def test_f45_killed_while_the_log_goes_on_in_ever_new_files(
    tables: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a snapshot forgets, or says differently than the records before it, would be missed here."""
    monkeypatch.setattr(ledger, "REPLAY_MAX", 3)
    scenario = SCENARIOS["approve"]
    calls = tables[0].calls(scenario)
    assert sum("snapshot_" in call for call in calls) > 3, "the log went on in a new file too seldom"
    points = range(first(scenario, calls), len(calls) + 1)

    def point(table: Table, at: int) -> None:
        table.reset(scenario)
        assert table.crash(scenario, at) or at > len(calls) - SLACK, f"there was no call {at}"
        table.recover(scenario, f"killed at call {at}, a new file every few records")

    spread(tables, points, point)
    campaign.tried("killed at a store call, ever new files", f"{len(points)} points, every one")


def removal(number: int) -> Callable[[str, str], bool]:
    """True at the call with this number of those that remove something from the inbox."""
    calls = count(1)

    def now(operation: str, path: str) -> bool:
        return operation in ("unlink", "rmtree") and "/watch_inbox/" in path and next(calls) == number

    return now


def test_f45_killed_while_the_original_of_a_copied_folder_is_removed(tables: list[Table]) -> None:
    """A thread removes it, so the numbers of these calls differ from life to life."""
    scenario, table = SCENARIOS["copied folder"], tables[0]
    for first_life in range(1, 5):
        for second_life in range(1, 5):
            table.reset(scenario)
            assert table.kill(scenario, removal(first_life)), f"there is no removal {first_life}"
            table.kill(scenario, removal(second_life), 1)
            table.recover(scenario, f"killed at removals {first_life} and {second_life}", 2)
    table.reset(scenario)
    assert not table.kill(scenario, removal(5))
    campaign.tried("killed while the original of a copied folder is removed", "16 points, every one, twice in a row")


def test_f45_killed_while_a_new_desk_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(tmp_path, lambda desk: print(len(skeleton.write(Files(), desk.root))), monkeypatch)
    scenario = SCENARIOS["keep"]
    calls = table.calls(scenario)
    points = next(number for number, call in enumerate(calls, 1) if "/claimed/" in call)
    for at in range(1, points):
        table.reset(scenario)
        assert table.crash(scenario, at)
        table.recover(scenario, f"killed at call {at} of a new desk")
    campaign.tried("killed at a store call, a new desk", f"{points - 1} points, every one")


def crashes_in_a_row(tables: list[Table], salt: str) -> list[tuple[str, list[int]]]:
    """Names of scenarios, and calls: the first life ends at the first, the next, mostly while it recovers, ..."""
    lives = {name: len(tables[0].calls(scenario)) for name, scenario in SCENARIOS.items()}
    firsts = [(name, at) for name, calls in lives.items() for at in range(12, calls + 1)]
    dice = random.Random(f"{campaign.SEED} {salt}")
    return [
        (name, [at, *(dice.randint(1, RECOVERY) for _ in range(dice.randint(1, 3)))])
        for name, at in campaign.sample(firsts, ROWS_OF_CRASHES, salt)
    ]


def test_f47_killed_up_to_four_times_in_a_row(tables: list[Table]) -> None:
    points = crashes_in_a_row(tables, "killed")
    again = campaign.again("test_crash_points.py::test_f47_killed_up_to_four_times_in_a_row")

    def point(table: Table, one: tuple[str, list[int]]) -> None:
        scenario = SCENARIOS[one[0]]
        table.reset(scenario)
        life = 0
        for life, at in enumerate(one[1]):
            if not table.crash(scenario, at, life):
                break
        table.recover(scenario, f"killed at calls {one[1]}, each in the next life; {again}", life + 1)

    spread(tables, points, point)
    campaign.tried("killed again and again", f"{len(points)} points, {sum(len(at) for _, at in points)} calls")


@pytest.mark.parametrize("name", SCENARIOS)
def test_f48_every_call_fails_once(tables: list[Table], name: str) -> None:
    """An error that passes: the same run of the daemon goes on by itself, or it ends and the next one does."""
    scenario = SCENARIOS[name]
    calls = tables[0].calls(scenario)
    own = range(first(scenario, calls), len(calls) + 1)
    every = [(at, number) for at in own for number in errors_of(calls[at - 1])]
    points = campaign.sample(every, ERRNOS, name)
    again = campaign.again(f"test_crash_points.py::test_f48_every_call_fails_once[{name}]")

    def point(table: Table, one: tuple[int, int]) -> None:
        table.reset(scenario)
        table.fail(scenario, *one)
        table.recover(
            scenario, f"{errno.errorcode[one[1]]} at call {one[0]} ({calls[one[0] - 1]}); {again}", error=one[1]
        )

    spread(tables, points, point)
    campaign.tried(f"an error at a store call, {name}", f"{len(points)} of {len(every)} points")


def test_f48_an_error_while_it_recovers(tables: list[Table]) -> None:
    """Killed at any call, and the next life, which recovers, meets an error: it refuses, stops, or bears it."""
    points = [(name, at) for name, at in crashes_in_a_row(tables, "failed") if name != "midnight"]
    again = campaign.again("test_crash_points.py::test_f48_an_error_while_it_recovers")
    dice = random.Random(campaign.SEED)
    numbers = {
        at: dice.choice(errors_of("fsync") if at % 3 == 0 else errors_of("rename")) for at in range(1, RECOVERY + 1)
    }

    def point(table: Table, one: tuple[str, list[int]]) -> None:
        scenario, (at, then, *_) = SCENARIOS[one[0]], one[1]
        table.reset(scenario)
        table.crash(scenario, at)
        table.fail(scenario, then, numbers[then], life=1)
        said = f"killed at call {at}, then {errno.errorcode[numbers[then]]} at call {then}; {again}"
        table.recover(scenario, said, 2, error=numbers[then])

    spread(tables, points, point)
    campaign.tried("killed, then an error while it recovers", f"{len(points)} points")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_f48_a_disk_that_refuses_for_a_while(tables: list[Table], number: int) -> None:
    scenario = SCENARIOS["approve"]
    calls = len(tables[0].calls(scenario))
    points = range(1, calls) if campaign.WHOLE else range(1 + number % 4, calls, 4)

    def point(table: Table, at: int) -> None:
        table.reset(scenario)
        table.fail(scenario, at, number, until=at + 15)
        table.recover(scenario, f"{errno.errorcode[number]} from call {at} on")

    spread(tables, points, point)
    campaign.tried(f"{errno.errorcode[number]} for a while", f"{len(points)} points, up to fifteen errors from each")
