"""Row 45, where it is narrowest: the daemon ends when a task is on record and its files are not in their folder yet.

Until then the input lies where it was claimed, under its own name.  The next start has to bring the two together: one
task for each drop, its payload whole, and no second task of what was left in the staging area.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import pytest

from deskhand.core.names import Part
from deskhand.core.state import State
from deskhand.core.task import Options
from deskhand.store import task_files
from deskhand.store.drop_file import submit
from deskhand.store.files import Files, StrPath
from tests.support import invariants
from tests.support.crash import Table
from tests.support.crash_files import CRASHED, CrashFiles, shown
from tests.support.forks import in_child
from tests.support.scenario import Instant, Scenario
from tests.support.scenarios import DONE, RESULT, furnish

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
QUARANTINED = frozenset({State.QUARANTINED})
PLAN = {"archive/*/*/plan*": (b"a plan\n", 1, 1)}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A desk that is put back to its beginning for every case."""
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("unplaced"), furnish, patch)


class EndsAt(CrashFiles):
    """Ends the process right before the call number *number* that places or tidies something."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def before(self, operation: str, path: StrPath | int) -> None:
        if _places(operation, shown(path)):
            self._left -= 1
            if self._left == 0:
                os._exit(CRASHED)
        super().before(operation, path)


def _places(operation: str, path: str) -> bool:
    if operation == "rename":
        return "/queue/" in path and "/.staging/" not in path and "/.work/" not in path
    return operation in ("rmtree", "unlink") and ("/claimed/" in path or "/dropped/" in path)


def plain(table: Table) -> Scenario:
    return Scenario("moved", {"archive/plan.txt": b"a plan\n"}, {"plan.txt": DONE}, PLAN)


def copied(table: Table) -> Scenario:
    return Scenario("copied", {"archive/plan.txt": b"a plan\n"}, {"plan.txt": DONE}, PLAN, linked=True)


def folder(table: Table) -> Scenario:
    drops = {"archive/trip/a.txt": b"a", "archive/trip/deep/b.txt": b"b"}
    return Scenario("folder", drops, {"trip": DONE}, {"archive/*/*/trip*/deep/b.txt": (b"b", 1, 1)})


def asked(table: Table) -> Scenario:
    return Scenario("asked", {"hand-over/letter.txt": b"dear you\n"}, {"letter.txt": frozenset({State.WAITING})})


def link(table: Table) -> Scenario:
    (table.desk.inbox / "archive").mkdir(exist_ok=True)
    (table.desk.inbox / "archive" / "plan").symlink_to("/etc/hostname")
    return Scenario("link", {}, {"plan": QUARANTINED})


def handed_in(table: Table) -> Scenario:
    source = table.outside / "plan.txt"
    source.write_bytes(b"a plan\n")
    submit(Files(), table.desk, source, Options(recipe="archive"), now=1.0, suffix="aaaaaa", limit=100)
    return Scenario("drop", {}, {"plan.txt": DONE}, PLAN)


def forged(table: Table) -> Scenario:
    (table.desk.dropped / "forged").mkdir(parents=True)
    (table.desk.dropped / "forged" / "drop.json").write_text("{}")
    return Scenario("forged", {}, {"forged": QUARANTINED})


WAYS: tuple[Callable[[Table], Scenario], ...] = (plain, copied, folder, asked, link, handed_in, forged)


def prepared(table: Table, way: Callable[[Table], Scenario]) -> Scenario:
    """The desk at its beginning, with the drop."""
    table.reset(Scenario("empty", {}, {}))
    scenario = way(table)
    table.drop(scenario, scenario.drops)
    return scenario


def ends(table: Table, scenario: Scenario, number: int, life: int = 0) -> bool:
    """Live until the call number *number* that places something; False when there was none."""
    code, said = in_child(lambda: table.live(scenario, EndsAt(number), life))
    assert code in (0, CRASHED), f"{scenario.name}, ended at {number}: {said}"
    return code == CRASHED


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_f45_a_task_on_record_gets_its_payload_after_a_crash(table: Table, way: Callable[[Table], Scenario]) -> None:
    number = 1
    while ends(table, scenario := prepared(table, way), number):
        received = [record for record in invariants.read(table.desk) if record.type == "task.received"]
        assert len(received) == 1, "it ended before the task was on record"
        if number == 1:
            (description,) = table.desk.accepted.iterdir()
            assert description.name.endswith(f".{Part.TASK}")
        table.recover(scenario, f"ended at the call number {number} that places something")
        again = [record for record in invariants.read(table.desk) if record.type == "task.received"]
        assert again == received
        number += 1
    assert number > 3, "the payload, its description and what they leave empty are three calls"


def test_f47_nothing_is_placed_over_three_starts(table: Table) -> None:
    for way in WAYS:
        scenario = prepared(table, way)
        for life in range(3):
            assert ends(table, scenario, 1, life), f"life {life} placed nothing"
        table.recover(scenario, "ended three times before anything was placed", 3)


def test_f45_an_attempt_whose_input_was_not_placed_is_put_to_a_person(table: Table) -> None:
    """It may not be repeated, and what the log says last is that it was started."""
    scenario = Scenario(
        "once",
        {"once/pay.txt": b"pay\n"},
        {"pay.txt": DONE},
        {"paid/result*": (RESULT, 1, 1)},
        {State.IN_DOUBT: "approved"},
        plan=("ok",),
    )
    table.reset(scenario)
    assert ends(table, scenario, 1)
    types = [record.type for record in invariants.read(table.desk)]
    assert types[-1] == "task.started", "it ended before the attempt was on record"
    assert not Instant.counted()
    table.recover(scenario, "ended before the input was placed")
    assert "task.in_doubt" in [record.type for record in invariants.read(table.desk)]


def test_f52_a_payload_that_changed_meanwhile_is_not_given_to_its_task(table: Table) -> None:
    scenario = prepared(table, asked)
    assert ends(table, scenario, 1)
    (payload,) = table.desk.claimed.glob("*/letter.txt")
    payload.chmod(0o600)
    payload.write_bytes(b"dear Eve\n")
    code, said = in_child(lambda: table.live(scenario, CrashFiles(), 1))
    assert code == 0, said
    tasks = invariants.check(table.desk.root)
    assert [task.state for task in tasks] == [State.LOST, State.WAITING]
    (description,) = table.desk.approvals.glob("*.task.json")
    task_file = task_files.peek(description)
    assert task_file is not None
    assert description.with_name(task_file.input).read_bytes() == b"dear Eve\n"
