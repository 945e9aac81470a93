"""What the product promises about time, with room for a busy machine; the exact figures come from ``benchmarks/``.

A drop that is moved in, and an answer, are acted upon because somebody was woken, not because a scan was due: the desks
here scan once an hour.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.support import desks
from benchmarks.support.arrivals import Arrivals
from benchmarks.support.seed import seed

from deskhand.core.log import NoLog
from deskhand.core.state import State
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from tests.support.desk import Bench

pytestmark = pytest.mark.acceptance

SAMPLES = 15
SCANS_HOURLY = "scan_interval: 1h\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "desk")
    desks.prepare(bench, SCANS_HOURLY)
    yield bench
    bench.close()


def median_of_drops(bench: Bench, route: str) -> float:
    """Median seconds from a drop to its task file in completed/."""
    taken = []
    with Arrivals(bench.desk.folder("completed")) as done:
        for number in range(SAMPLES + 1):
            started = desks.drop(bench, f"one-{number}.txt", route)
            taken.append(done.wait(".task.json") - started)
    return statistics.median(taken[1:])  # the first one warms up


@pytest.mark.parametrize(("route", "limit"), [(desks.NOTHING, 0.05), (desks.PROCESS, 0.1), ("", 0.1)])
def test_a_moved_file_is_completed_at_once_although_no_scan_is_due(bench: Bench, route: str, limit: float) -> None:
    bench.start()
    assert median_of_drops(bench, route) < limit
    bench.stop()
    assert {task.state for task in bench.check()} == {State.COMPLETED}


def test_an_answer_is_heard_at_once_although_no_scan_is_due(bench: Bench) -> None:
    bench.start()
    approvals = bench.desk.approvals
    taken = []
    with Arrivals(bench.desk.folder("completed")) as done:
        for number in range(SAMPLES):
            desks.drop(bench, f"letter-{number}.txt", "hand-over")
            request = bench.until(lambda: requests(approvals), "it asks")[0]
            started = time.perf_counter()
            request.rename(request.with_name(f"{request.name}.approved"))
            taken.append(done.wait(".task.json") - started)
    assert statistics.median(taken) < 0.1
    assert len(list((bench.root / "outbox").iterdir())) == SAMPLES
    bench.stop()
    bench.check()


def requests(folder: Path) -> list[Path]:
    """The questions that stand there."""
    return [path for path in folder.glob("2*.json") if not path.name.endswith((".task.json", ".request.json"))]


# -- who notices: the observer, and nothing else -----------------------------------------------------------------------


def serve(session: Session, bell: Bell, over: threading.Event) -> None:
    """The daemon's loop."""
    while not over.is_set():
        session.engine.tick()
        bell.wait(session.engine.next_wake())


def hears(bench: Bench, route: str, *, watch: bool, patience: float) -> tuple[bool, bool]:
    """Whether a drop, and then an answer, lead to something within *patience* seconds of a quiet desk."""
    bell, over = Bell(), threading.Event()
    asked = bench.desk.approvals / requests(bench.desk.approvals)[0].name
    with open_desk(bench.desk, NoLog(), ring=bell.ring, watch=watch) as session:
        session.engine.tick()
        bell.wait(0)
        thread = threading.Thread(target=serve, args=(session, bell, over))
        thread.start()
        try:
            bench.until(lambda: session.engine.idle and session.engine.next_wake() > 60, "nothing is left to do")
            found = []
            with Arrivals(bench.desk.folder("completed")) as done:
                for act in (
                    lambda: desks.drop(bench, f"heard-{watch}.txt", route),
                    lambda: asked.rename(asked.with_name(f"{asked.name}.approved")),
                ):
                    act()
                    try:
                        done.wait(".task.json", timeout=patience)
                        found.append(True)
                    except TimeoutError:
                        found.append(False)
        finally:
            over.set()
            bell.ring()
            thread.join()
    bell.close()
    return found[0], found[1]


def test_without_the_observer_nothing_is_noticed(bench: Bench) -> None:
    seed(bench.desk, finished=0, waiting=2, done_by=desks.NOTHING)
    assert hears(bench, desks.NOTHING, watch=False, patience=1.0) == (False, False)
    for answered in bench.desk.approvals.glob("*.approved"):
        answered.rename(answered.with_suffix(""))
    (bench.desk.inbox / desks.NOTHING / "heard-False.txt").unlink()
    assert hears(bench, desks.NOTHING, watch=True, patience=10.0) == (True, True)


# -- heaps, rest, and the start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [desks.NOTHING, desks.PROCESS])
def test_two_thousand_files_at_once_all_complete(bench: Bench, route: str) -> None:
    bench.start()
    with Arrivals(bench.desk.folder("completed")) as done:
        started = desks.drop_many(bench, 2_000, route)
        assert done.wait(".task.json", count=2_000, timeout=60.0) - started < 60.0
    bench.stop()
    tasks = bench.check()
    assert [task.state for task in tasks] == [State.COMPLETED] * 2_000


def test_an_idle_daemon_uses_next_to_nothing(bench: Bench) -> None:
    bench.desk.config.write_text("schema: 1\n")  # with the scans that everybody has
    daemon = bench.start()
    median_of_drops(bench, desks.NOTHING)
    quiet = (bench.desk.vault / "_deskhand" / "status.md").stat
    last, since = 0, time.monotonic()
    while time.monotonic() - since < 2.0:  # until the last note about the drops is written
        if quiet().st_mtime_ns != last:
            last, since = quiet().st_mtime_ns, time.monotonic()
        threading.Event().wait(0.05)
    used, started = desks.processor_seconds(daemon.pid), time.monotonic()
    threading.Event().wait(10.0)
    share = (desks.processor_seconds(daemon.pid) - used) / (time.monotonic() - started)
    assert share < 0.005, f"{share:.2%} of a core"


def test_a_desk_with_a_past_answers_within_three_seconds(bench: Bench) -> None:
    seed(bench.desk, finished=10_000, waiting=1_000, done_by=desks.NOTHING)
    started = time.monotonic()
    bench.start()
    assert time.monotonic() - started < 3.0
    assert bench.json("status")["states"]["waiting"] == 1_000
    bench.stop()
    assert len(bench.records("task.completed")) == 10_000
