"""Arrival, with a real observer and the real clock: fault rows 1 to 8."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deskhand.core.settings import Intake, Settings
from deskhand.engine.clock import SystemClock
from deskhand.store.desk import Desk
from deskhand.testing.intake_bench import IntakeBench, make_folders

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the observer is inotify's")]
WaitFor = Callable[..., object]

# Scans come only from rings and due times here, as with `scan_interval: 1h`.
QUICK = Settings(scan_interval=3600, intake=Intake(settle=0.02, settle_empty=0.05, settle_folder=0.1))


@pytest.fixture
def bench(desk: Desk) -> Iterator[IntakeBench]:
    with IntakeBench(desk, settings=QUICK, clock=SystemClock(), watch=True, recipes={"hand-over"}) as found:
        found.turn()
        yield found


def arrive(desk: Desk, name: str, text: str = "hello") -> None:
    """Move a finished file in."""
    (desk.root / "outside").write_text(text)
    os.rename(desk.root / "outside", desk.inbox / name)


def names(bench: IntakeBench) -> list[str]:
    return sorted(accepted.task_file.name for accepted in bench.accepted)


def test_a_move_is_noticed_without_any_scan_of_its_own(desk: Desk, bench: IntakeBench) -> None:
    for number in range(1, 6):
        start = time.monotonic()
        arrive(desk, f"{number}.txt")
        bench.wait(number)
        assert time.monotonic() - start < 0.4


def test_without_the_observer_the_same_is_not_noticed(desk: Desk) -> None:
    with IntakeBench(desk, settings=QUICK, clock=SystemClock()) as bench:
        bench.turn()
        bench.bell.clear()
        arrive(desk, "a.txt")
        assert not bench.bell.wait(0.2)
        assert bench.intake.next_due() is None
        assert bench.accepted == []


CHILD = """
import sys
from pathlib import Path
from deskhand.engine.clock import SystemClock
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.testing.intake_bench import IntakeBench

class Quick(Files):
    def fsync(self, fd): pass

desk = Desk(Path(sys.argv[1]))
with IntakeBench(desk, files=Quick(), clock=SystemClock(), watch=True) as bench:
    bench.turn()
    print("ready", flush=True)
    bench.wait(int(sys.argv[2]), timeout=200)
    found = {accepted.task_file.name for accepted in bench.accepted}
    print(len(bench.accepted), len(found), flush=True)
"""


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_f1_60000_files_while_the_process_is_stopped_are_all_taken(desk: Desk) -> None:
    count = 60_000
    make_folders(desk)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(desk.root), str(count)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGSTOP)
        for number in range(count):
            (desk.inbox / f"{number}.txt").write_text(str(number))
        child.send_signal(signal.SIGCONT)
        assert child.stdout.readline() == f"{count} {count}\n"
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert os.listdir(desk.inbox) == []


def test_f1_events_that_never_came_cost_nothing_but_time(
    desk: Desk, bench: IntakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = bench.watcher
    assert watcher is not None
    arrive(desk, "seen.txt")
    bench.wait(1)
    monkeypatch.setattr(watcher, "moved", lambda: (set(), True))
    for number in range(50):
        arrive(desk, f"{number}.txt")
    bench.wait(51)
    assert len(set(names(bench))) == 51


def test_f2_files_that_were_there_before_the_start_are_taken(desk: Desk) -> None:
    make_folders(desk)
    (desk.inbox / "before.txt").write_text("x")
    (desk.inbox / "hand-over").mkdir()
    (desk.inbox / "hand-over" / "before too.txt").write_text("x")
    with IntakeBench(desk, settings=QUICK, clock=SystemClock(), watch=True, recipes={"hand-over"}) as bench:
        bench.wait(2)
        assert names(bench) == ["before too.txt", "before.txt"]


def test_f3_a_callback_that_raises_does_not_end_the_watching(desk: Desk, bench: IntakeBench, wait_for: WaitFor) -> None:
    watcher = bench.watcher
    assert watcher is not None
    real, watcher._ring = watcher._ring, lambda: 1 / 0  # type: ignore[assignment]
    arrive(desk, "a.txt")
    wait_for(lambda: watcher.errors > 0)
    watcher._ring = real
    arrive(desk, "b.txt")
    bench.wait(2)
    assert names(bench) == ["a.txt", "b.txt"]


def test_f4_a_dead_emitter_is_replaced_within_one_tick(desk: Desk, bench: IntakeBench) -> None:
    watcher = bench.watcher
    assert watcher is not None
    observer = watcher._observer
    assert observer is not None
    for emitter in list(observer.emitters):
        emitter.stop()
        emitter.join()
    assert observer.is_alive()
    bench.turn()
    assert [change.inbox for change in bench.changes if change.inbox == "main"] != []
    arrive(desk, "a.txt")
    bench.wait(1)


def test_f5_the_inbox_deleted_and_made_again(desk: Desk, bench: IntakeBench, wait_for: WaitFor) -> None:
    desk.inbox.rmdir()
    wait_for(lambda: (bench.turn(), bench.changes)[1])
    assert not desk.inbox.exists()
    desk.inbox.mkdir()
    arrive(desk, "a.txt")
    bench.wait(1)
    degraded, *later = [change.degraded for change in bench.changes]
    assert degraded
    # The library may hand over the end of the old folder when the new one is watched already: it is watched anew then.
    assert later in ([False], [False, False])


def test_f6_the_inbox_renamed_away_and_a_new_one_made(desk: Desk, bench: IntakeBench) -> None:
    desk.inbox.rename(desk.root / "away")
    (desk.root / "away" / "not ours.txt").write_text("x")
    desk.inbox.mkdir()
    arrive(desk, "a.txt")
    bench.wait(1)
    bench.turn()
    assert names(bench) == ["a.txt"]
    assert os.listdir(desk.root / "away") == ["not ours.txt"]


def test_f6_renamed_away_and_back_takes_what_is_inside(desk: Desk, bench: IntakeBench) -> None:
    desk.inbox.rename(desk.root / "away")
    bench.turn()
    bench.turn()
    assert [change.degraded for change in bench.changes] == [True]
    (desk.root / "away" / "inside.txt").write_text("x")
    (desk.root / "away").rename(desk.inbox)
    bench.wait(1)
    assert names(bench) == ["inside.txt"]
    assert [change.degraded for change in bench.changes] == [True, False]


def test_f7_a_folder_moved_in_with_later_writes_is_one_whole_task(desk: Desk, bench: IntakeBench) -> None:
    outside = desk.root / "photos"
    outside.mkdir()
    (outside / "1.jpg").write_text("1")
    os.rename(outside, desk.inbox / "photos")
    writer = threading.Thread(target=_write_more, args=(desk.inbox / "photos",))
    writer.start()
    (accepted,) = bench.wait(1)
    writer.join()
    assert [entry.path for entry in accepted.task_file.files] == [*(f"{n}.jpg" for n in range(1, 6)), "more/last.jpg"]
    bench.turn()
    assert len(bench.accepted) == 1
    assert os.listdir(desk.inbox) == []


def _write_more(folder: Path) -> None:
    pause = threading.Event()
    for number in range(2, 6):
        pause.wait(0.03)
        (folder / f"{number}.jpg").write_text(str(number))
    (folder / "more").mkdir()
    pause.wait(0.03)
    (folder / "more" / "last.jpg").write_text("x")


def test_f8_nested_folders_made_in_a_race_are_each_one_task(desk: Desk, bench: IntakeBench) -> None:
    count = 20

    def make() -> None:
        for number in range(count):
            (desk.inbox / f"d{number}" / "e" / "f").mkdir(parents=True)
            (desk.inbox / f"d{number}" / "e" / "f" / "x").write_text("x")

    maker = threading.Thread(target=make)
    maker.start()
    while maker.is_alive():
        bench.turn()
    bench.wait(count)
    bench.turn()
    assert Counter(names(bench)) == Counter({f"d{number}": 1 for number in range(count)})
    assert all(len(accepted.task_file.files) == 1 for accepted in bench.accepted)
    assert bench.refused == []
