"""Everything at once for a while, and then the question whether anything was lost, doubled, or has grown.

``make soak`` takes a minute, ``make soak SECONDS=1800`` half an hour.  Two thirds of the time are chaos: random drops,
answers, cancels and retries under a daemon that is killed, stopped, started with another clock, and left without room
on its disk.  The rest is one life under an equal load, round after round, in which nothing may grow.  See
``tests.support.soak``.  The seed repeats what is done, not when the machine does it.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.forks import in_child
from tests.support.loop_disk import loop_disk, missing
from tests.support.soak import Soak

SECONDS = float(os.environ.get("DESKHAND_SOAK_SECONDS") or 60)
SEED = int(os.environ.get("DESKHAND_FAULT_SEED") or random.SystemRandom().randrange(10**6))
REPEAT = f"DESKHAND_FAULT_SEED={SEED} DESKHAND_SOAK_SECONDS={SECONDS:.0f} python -m pytest -m soak -rP"
ROUND = 16
"""Drops in a round of equal load."""
WARM_UP = 3
"""Rounds before growth counts: pools fill up, modules are loaded at their first use."""
LEAST_ROUNDS = 3
"""Rounds that are compared."""
PER_TASK = 4096
"""Bytes that the daemon may keep of a task that is over: its key and outcome in a few tables."""
NOISE = 6 << 20
"""Bytes by which the memory of an interpreter goes up and down by itself."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS * 3 + 300)]


def test_a_soak(tmp_path: Path) -> None:
    if (why := missing()) is not None:
        pytest.skip(f"no soak without a disk of its own: {why}")
    code, said = in_child(lambda: soak(tmp_path))
    print((tmp_path / "report").read_text() if (tmp_path / "report").exists() else "no report")
    assert code == 0, f"{said}\nagain: {REPEAT}"


def soak(folder: Path) -> None:
    """All of it; tells what it did in the file `report`."""
    size = (96 << 20) + int(SECONDS * (16 << 20))  # some thousand tasks a minute, and none is ever removed
    with loop_disk(folder, size=size) as disk, (folder / "report").open("w") as report:
        print(f"again: {REPEAT}", file=report)
        soaked = Soak(disk, folder, random.Random(SEED))
        try:
            soaked.start()
            chaos(soaked, SECONDS * 2 / 3)
            print(f"{len(soaked.dropper.drops)} drops; {soaked.did}", file=report)
            print(equal_load(soaked, SECONDS / 3), file=report)
            print(f"they ended as {judge(soaked)}", file=report)
        finally:
            soaked.close()


def chaos(soaked: Soak, seconds: float) -> None:
    """Random acts, then calm."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        soaked.step()
        time.sleep(soaked.dice.random() * 0.02)  # a person is no machine gun
    soaked.calm()


def equal_load(soaked: Soak, seconds: float) -> str:
    """Rounds in one life; asserts that what the daemon holds does not grow."""
    assert soaked.bench.stop() == 0, soaked.bench.said()
    soaked.start()
    weights: list[dict[str, int]] = []
    end = time.monotonic() + seconds
    while len(weights) < WARM_UP + LEAST_ROUNDS or time.monotonic() < end:
        soaked.round(ROUND)
        weights.append(soaked.weigh())
    must_not_grow(weights)
    return f"{len(weights)} rounds of {ROUND} drops: {weights[WARM_UP - 1]} became {weights[-1]}"


KEEPERS = 32
"""Free keepers that wait for an attempt, at most; then there are the daemon and its spawner."""


def must_not_grow(weights: list[dict[str, int]]) -> None:
    """Assert that the last round left no more behind than the first ones, but for what :data:`PER_TASK` allows."""
    after = weights[-1]
    for what in ("descriptors", "threads", "processes"):
        most = max(weight[what] for weight in weights[:WARM_UP])
        if what == "processes":
            most = max(most, 2 + KEEPERS)
        assert after[what] <= most, f"{what} grew from {most} to {after[what]}"
    more = after["memory"] - weights[WARM_UP - 1]["memory"]
    allowed = NOISE + PER_TASK * ROUND * (len(weights) - WARM_UP)
    assert more <= allowed, f"memory grew by {more} bytes, allowed are {allowed}"


@pytest.mark.parametrize("what", ["descriptors", "threads", "processes", "memory"])
def test_growth_is_noticed(what: str) -> None:
    weight = {"descriptors": 20, "threads": 20, "processes": 40, "memory": 60 << 20}
    must_not_grow([weight] * 6)
    with pytest.raises(AssertionError, match=f"{what} grew"):
        must_not_grow([weight] * 5 + [weight | {what: weight[what] + (8 << 20 if what == "memory" else 1)}])


def judge(soaked: Soak) -> dict[str, int]:
    """Everything settled, I1-I7, and every drop where it belongs; how many tasks ended how."""
    soaked.calm()
    tasks = {task.key: task for task in soaked.bench.stop_and_check()}
    lost = soaked.dropper.judge(tasks, [], soaked.bench.runs())
    assert set(lost) <= soaked.dropper.unsure, f"lost: {set(lost) - soaked.dropper.unsure}"
    for what in ("killed", "stopped", "clock set", "filled the disk"):
        assert soaked.did.get(what) or SECONDS < 30, f"it never happened: {what}; {soaked.did}"
    return dict(Counter(str(task.state) for task in tasks.values()))
