"""Rows 45 and 48 for real: the daemon killed, or refused, by the kernel at system calls that change its desk.

A recording tells which calls the daemon makes on its desk after it answers: the n-th ``rename`` of a thread, the n-th
``fdatasync`` ...  Each of them is a point.  For a point the same daemon works on the same drops, and strace kills it at
that call, or lets the call fail with an error that this call can give; drops keep coming until it did.  A fault that
never came is a failure.  Threads are not always in the same place: a fault that came at a call which is not on the
desk is no point (the desk is checked all the same), and another point is tried instead.  Afterwards the daemon runs
without strace until nothing is left to do, and I1-I7 hold.

CI tries a sample; ``make crashes`` tries every point with every error.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import campaign
from tests.support.possible_errors import ERRORS, OPERATION
from tests.support.strace import HAVE, Point, Traced

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not HAVE and not os.environ.get("CI"), reason="no strace: no faults from the kernel"),
    pytest.mark.timeout(campaign.patience(300)),
]
CYCLE = 4
"""Drops of each kind once."""
DROPS = 5 * CYCLE
"""Drops after which a fault that did not come never will."""
TRIES = 8
"""Points that may miss the desk in a row."""
KILLS, ERRNOS = 8, 8
"""Points in a usual run."""


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Every point of a recording."""
    if not HAVE:
        pytest.fail("strace is needed here: faults from the kernel are part of the checks")
    traced = Traced(tmp_path_factory.mktemp("recording") / "run")
    try:
        traced.start()
        for _ in range(2 * CYCLE):
            traced.handle()
        found = traced.points()  # not of the end: it does not come while drops do
        traced.end()
        traced.finish()
    finally:
        traced.close()
    kinds = {OPERATION[point.kind] for point in found}
    assert kinds >= {"create", "write", "pwrite", "fsync", "fdatasync", "rename", "unlink", "mkdir", "chmod"}, kinds
    return found


def chosen(points: Sequence[Point], usual: int, salt: str) -> list[Point]:
    """All of them, or a sample with the kinds in turn, so that none is left out for long."""
    if campaign.WHOLE:
        return list(points)
    dice = random.Random(f"{campaign.SEED} {salt}")
    kinds: dict[str, list[Point]] = {}
    for point in dice.sample(points, len(points)):
        kinds.setdefault(OPERATION[point.kind], []).append(point)
    rounds = [point for number in range(len(points)) for kind in kinds.values() for point in kind[number : number + 1]]
    return rounds[: campaign.count(usual)]


@contextmanager
def repeatable(traced: Traced, point: Point, test: str) -> Iterator[None]:
    """Whatever fails inside says how to repeat it; nothing is left running."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"{point}; {campaign.again(f'test_strace.py::{test}')}")
        raise
    finally:
        traced.close()


def strike(folder: Path, point: Point, test: str) -> bool:
    """One fault, and all is well afterwards; False when it came at a call that is not on the desk."""
    traced = Traced(folder)
    with repeatable(traced, point, test):
        traced.start(point)
        for _ in range(DROPS):
            if not traced.handle(point):
                break
        traced.end()
        hit = traced.hit(point)
        assert hit is not None, "the fault never came"
        traced.finish()
    print(f"{point}: {hit.path or 'beside the desk'}")
    return bool(hit.path)


def strike_all(tmp_path: Path, points: Sequence[Point], spare: Sequence[Point], test: str, what: str) -> None:
    """Every one of *points*; one that came beside the desk is made up for by the next of *spare* of its kind."""
    tried: set[Point] = set()
    beside = 0
    for number, wanted in enumerate(points):
        others = [point for point in spare if point.kind == wanted.kind and point.path == wanted.path]
        others += [point for point in spare if point.kind == wanted.kind and point.path != wanted.path]
        queue = [wanted, *(replace(other, error=wanted.error) for other in others if other.number != wanted.number)]
        for turn, point in enumerate(queue[:TRIES]):
            if strike(tmp_path / f"{number}-{turn}", point, test):
                tried.add(point)
                break
            beside += 1
        else:
            pytest.fail(f"{wanted}: nothing came on the desk; {campaign.again(f'test_strace.py::{test}')}")
    kinds = sorted({point.kind for point in tried})
    campaign.tried(f"strace, {what}", f"{len(tried)} points ({', '.join(kinds)}), {beside} more beside the desk")


def test_f45_killed_at_system_calls(points: list[Point], tmp_path: Path) -> None:
    kills = chosen(points, KILLS, "kill")
    strike_all(tmp_path, kills, points, "test_f45_killed_at_system_calls", f"killed ({len(points)} recorded)")


def test_f48_system_calls_that_fail(points: list[Point], tmp_path: Path) -> None:
    every = [
        replace(point, error=errno.errorcode[number]) for point in points for number in ERRORS[OPERATION[point.kind]]
    ]
    fails = chosen(every, ERRNOS, "fail")
    strike_all(tmp_path, fails, points, "test_f48_system_calls_that_fail", f"refused ({len(every)} recorded)")
