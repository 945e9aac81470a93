"""Row 46 for real: the power of the disk is cut under a real daemon, on ext4 and XFS.

A seeded sample of points, see ``tests.support.power``: from outside at some moment of the work, or by the daemon itself
right before a call that changes the disk; some are cut again while they recover, some at midnight when the log begins a
new day.  Whoever drops syncs or does not; the mirror of the log's head is on the same disk or on another one, which
must never know more than the desk's own disk.  The disk is an honest one: it keeps what it was told to flush.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from deskhand.store.files import Files
from tests.support.dropper import Drop
from tests.support.forks import in_child, spread
from tests.support.loop_disk import OPTIONS, cut_power, loop_disk, missing
from tests.support.power import Cut, Place, Point, Told, carry_out

pytestmark = [pytest.mark.powercut, pytest.mark.timeout(900)]
SEED = int(os.environ.get("DESKHAND_FAULT_SEED") or random.SystemRandom().randrange(10**6))
POINTS = int(os.environ.get("DESKHAND_FAULT_POINTS") or 24)
REPEAT = (
    f"DESKHAND_FAULT_SEED={SEED} DESKHAND_FAULT_POINTS={POINTS}"
    " python -m pytest -m powercut tests/faults/test_power_cut_real.py"
)
SHARES = {"ext4": 0.5, "ext4-writeback": 0.2, "xfs": 0.3}
"""Of the points, by kind of disk."""
CALLS = 600
"""Calls that change the disk in the life of a daemon with such drops; a number that does not come is cut at the end."""
SIZES = (200, 2_000, 40_000, 700_000)
ROUTES = ("kept", "kept", "asked", "asked", "asked", "job", "job", "once", "")
MOMENTS = (
    *("lines", "lines", "lines", "queue/inbox/*.task.json", "queue/pending/*.task.json", "queue/approvals/*.task.json"),
    *("queue/completed/*.task.json", "queue/rejected/*.task.json", "queue/.staging/claimed/*/*", "queue/.work/*"),
    *("made/*", "kept/*", "asked/*"),
)


def drops(dice: random.Random) -> list[Drop]:
    """What somebody drops."""
    made = []
    for number in range(dice.randint(28, 36)):
        route = dice.choice(ROUTES)
        how = dice.choice(("moved", "moved", "copied", "command", *(("linked", "folder") if route == "kept" else ())))
        answer = dice.choice(("approved", "approved", "rejected", "cancel"))
        size, synced = dice.choices(SIZES, (4, 4, 2, 1))[0], dice.random() < 0.6 or how == "linked"
        made.append(Drop(f"d{number}.txt", route, how, size, synced, dice.randrange(10**6), answer))
    return made


def cut(dice: random.Random, most: int) -> Cut:
    """A moment in a life with at most *most* calls."""
    if dice.random() < 0.5:
        return Cut(change=f"cut={dice.randint(1, most)}")
    wait_for = dice.choice(MOMENTS)
    count = dice.randint(1, most // 4) if wait_for == "lines" else dice.randint(1, 3)
    return Cut(wait_for, count, dice.choice((0.0, dice.random() * 0.03)))


def point(kind: str, dice: random.Random) -> Point:
    """A desk and its fate."""
    midnight = dice.random() < 0.2
    first = Cut("audit_logs/audit_*.jsonl", 2, dice.random() * 0.02) if midnight else cut(dice, CALLS)
    again = [cut(dice, 120)] if dice.random() < 0.35 else []
    return Point(
        kind,
        (first, *again),
        drops(dice),
        mirror_inside=dice.random() < 0.4,
        midnight=midnight,
        pause=0.06 if midnight else dice.choice((0.01, 0.03, 0.08)),
        moved=dice.random() < 0.5,
    )


@pytest.fixture(autouse=True, scope="module")
def _possible() -> None:
    """Asked only when the campaign is wanted: the answer takes a mount."""
    if (why := missing()) is not None:
        pytest.skip(f"no power cuts on a real disk: {why}")


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """Where points are carried out, two at a time."""
    found = [tmp_path / str(number) for number in range(2)]
    for path in found:
        path.mkdir()
    return found


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_disk_keeps_what_was_synced_and_nothing_else(kind: str, tmp_path: Path) -> None:
    if (why := missing(kind)) is not None:
        pytest.skip(f"no {kind} here: {why}")
    with loop_disk(tmp_path, kind) as disk:
        (disk.root / "kept").write_bytes(b"kept" * 5_000)
        Files().fsync_file(disk.root / "kept")
        Files().fsync_folder(disk.root)
        (disk.root / "lost").write_bytes(b"lost" * 5_000)
        (disk.root / "kept").rename(disk.root / "renamed")
        cut_power(disk.root)
        with pytest.raises(OSError, match="error"):
            (disk.root / "more").touch()
        disk.unmount()
        disk.mount(moved=True)
        assert {path.name for path in disk.root.iterdir()} - {"lost+found"} == {"kept"}
        assert (disk.root / "kept").read_bytes() == b"kept" * 5_000
    assert not any(disk.root.iterdir()), "it is still mounted"


class Happened(msgspec.Struct, frozen=True):
    """What became of a point."""

    number: int
    told: list[Told]
    gone: list[str]


@pytest.mark.parametrize("kind", OPTIONS)
def test_f46_the_power_of_a_real_disk_is_cut(kind: str, places: list[Path]) -> None:
    if (why := missing(kind)) is not None:
        pytest.skip(f"no {kind} here: {why}")
    count = max(2, round(POINTS * SHARES[kind]))
    points = list(enumerate(point(kind, random.Random(f"{SEED} {kind} {number}")) for number in range(count)))

    def one(folder: Path, numbered: tuple[int, Point]) -> None:
        number, plan = numbered
        try:
            told, gone = carry_out(Place(folder), plan)
        except BaseException as error:
            error.add_note(f"point {number} on {kind}: {plan.cuts}; again: {REPEAT} -k {kind}")
            raise
        with (folder / "happened").open("ab") as file:
            file.write(msgspec.json.encode(Happened(number, told, gone)) + b"\n")

    spread(places, points, one)
    told = [cut for happened in report(kind, places) for cut in happened.told]
    busy = sum(cut.mid_work for cut in told)
    print(f"{kind}: {count} points, {len(told)} cuts, {busy} of them in the middle of work; again: {REPEAT}")
    assert busy * 3 >= len(told) * 2, "a cut when nothing is under way proves nothing"


def report(kind: str, places: list[Path]) -> Iterator[Happened]:
    """Print and yield what became of the points."""
    lines = [line for folder in places for line in (folder / "happened").read_bytes().splitlines()]
    for happened in sorted((msgspec.json.decode(line, type=Happened) for line in lines), key=lambda h: h.number):
        for cut in happened.told:
            print(
                f"{kind} {happened.number}: {cut.at}: {cut.open} open, {cut.coming} coming, "
                f"{cut.lost_lines} lines lost, {len(happened.gone)} drops that nobody synced"
            )
        yield happened


def test_f46_a_copied_drop_is_taken_once_although_its_disk_comes_back_as_another_device(tmp_path: Path) -> None:
    """The task is on record, the removal of the original was lost, and the device has another number."""
    drops = (Drop("linked.txt", "kept", "linked", 5_000, synced=True, seed=3),)
    plan = Point("ext4", (Cut(change="cut=1:unlink:/watch_inbox/:"),), drops, moved=True)
    code, said = in_child(lambda: carry_out(Place(tmp_path), plan))
    assert code == 0, said


# -- the protections matter on a real disk -----------------------------------------------------------------------------

KEPT = (Drop("letter.txt", "kept", "moved", 5_000, synced=False, seed=1),)
RUN = (Drop("plan.txt", "job", "moved", 5_000, synced=True, seed=2),)


@dataclass(frozen=True)
class Case:
    """A protection, what takes it out, the cut that punishes that, and what notices."""

    name: str
    change: str
    cut: str
    drops: tuple[Drop, ...]
    noticed: str
    """Part of what is said then."""


CASES = (
    Case(
        "the payload is synced before it is on record",
        change=r"unsynced=/letter\.txt$|\.in\.txt$",
        cut="cut=1:rename:/queue/pending/:",
        drops=KEPT,
        noticed="is 2 tasks",
    ),
    Case(
        "the task file is synced before it is on record",
        change=r"unsynced=\.task\.json$",
        cut="cut=1:rename:/queue/pending/:",
        drops=KEPT,
        noticed="is damaged",
    ),
    Case(
        "the log is synced before its effects",
        change=r"unsynced=/audit_logs/audit_",
        cut="cut=1:pwrite:/audit_2:{made}",
        drops=RUN,
        noticed="is not on record",
    ),
    Case(
        "a result is synced before it is on record as delivered",
        change=r"unsynced=/made/",
        cut="cut=2:pwrite:/audit_logs/head:{made}",
        drops=RUN,
        noticed="not delivered whole",
    ),
    Case(
        "the mirror never knows more than the log",
        change="mirror-first",
        cut="cut=1:fdatasync:/audit_2:{made}",
        drops=RUN,
        noticed="it is an older copy",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_f46_protections_matter_on_a_real_disk(case: Case, tmp_path: Path) -> None:
    made = tmp_path / "disk" / "desk" / "made" / "*"
    plan = Point("ext4", (Cut(change=case.cut.format(made=made)),), case.drops)
    code, said = in_child(lambda: carry_out(Place(tmp_path), plan))
    assert code == 0, f"with the protection: {said}"
    code, said = in_child(lambda: carry_out(Place(tmp_path), replace(plan, changes=(case.change,))))
    assert code != 0, f"nothing noticed that this was not so: {case.name}"
    assert case.noticed in said, said
