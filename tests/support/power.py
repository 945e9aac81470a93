"""Desks on disks whose power is cut while a real daemon works on them, and what has to hold afterwards.

One *point* is one desk: it is furnished, the daemon starts, files are dropped and questions answered, the power is cut
(once or twice), the disk is mounted again, the daemon goes on until everything is over, and all is checked.  A point
is a plan: how it is carried out is the machine's matter, so the same point may cut a little earlier or later.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deskhand.errors import DeskhandError
from tests.support import invariants, photo
from tests.support.changed import MODULE
from tests.support.dropper import Drop, Dropper, furnish
from tests.support.fault_desk import FaultBench
from tests.support.loop_disk import LoopDisk, cut_power
from tests.support.photo import Photo

CONFIG = """\
intake: {settle: 30ms, settle_empty: 300ms, settle_folder: 100ms, threads: 2}
scan_interval: 1s
run: {workers: 3}
"""
MIDNIGHT = 86_400.0
PATIENCE = 60.0
"""Seconds that any part of a point may take on a busy machine."""
HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cut:
    """When the power is cut: from outside, or by the daemon itself right before a call that changes the disk."""

    wait_for: str = ""
    """Glob in the desk; `lines`: of the log; empty: only *change* says when."""
    count: int = 1
    """How many there have to be."""
    delay: float = 0.0
    """Seconds from then on."""
    change: str = ""
    """What ``tests.support.changed`` is told."""


@dataclass(frozen=True)
class Point:
    """One desk and its fate."""

    kind: str
    """Of the disk."""
    cuts: Sequence[Cut]
    drops: Sequence[Drop]
    mirror_inside: bool = False
    """Whether the user's state folder, with the mirror of the log's head, is on the same disk."""
    changes: Sequence[str] = ()
    """What is changed in every daemon before the last one."""
    midnight: bool = False
    """Whether the daemons' clocks are shifted so that a day of the log ends in the middle of it."""
    moved: bool = False
    """Whether the disk comes back as another device."""
    pause: float = 0.0
    """Seconds between two drops."""


class Told(msgspec.Struct, frozen=True):
    """What happened at one cut."""

    at: str
    open: int
    """Tasks on record that were not over."""
    coming: int
    """Drops on their way in."""
    lost_lines: int
    """Lines of the log that were written and did not outlive it."""

    @property
    def mid_work(self) -> bool:
        """Whether anything was under way."""
        return bool(self.open or self.coming or self.lost_lines)


class Place:
    """A folder with furnished images of every kind of disk, for one point at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self._templates: dict[str, Path] = {}

    def template(self, kind: str) -> Path:
        """The image of a furnished disk, made at the first call; ext4 looks alike however it is mounted."""
        kind = kind.partition("-")[0]
        if kind not in self._templates:
            path = self._templates[kind] = self.folder / f"{kind}.template"
            disk = LoopDisk(self.folder, kind)
            try:
                disk.mount()
                self.enter(self.folder / f"{kind}.state")
                furnish(FaultBench(disk.root, CONFIG, beside=self.folder))
                disk.unmount()
                shutil.move(disk.image, path)
            finally:
                disk.close()
        return self._templates[kind]

    def enter(self, state: Path) -> None:
        """Use *state* as the user's state folder, here and in every process that is started."""
        os.environ["XDG_STATE_HOME"] = str(state)

    def set_up(self, point: Point) -> LoopDisk:
        """A furnished disk for *point*, mounted."""
        template = self.template(point.kind)
        disk = LoopDisk(self.folder, point.kind, template=template)
        disk.mount()
        state = disk.root / "state" if point.mirror_inside else self.state
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(template.with_suffix(".state"), state)
        if point.mirror_inside:
            os.sync()
        self.enter(state)
        for name in ("runs", "daemon.out", photo.PHOTO):
            (self.folder / name).unlink(missing_ok=True)
        return disk


class PowerRun:
    """One point, under way."""

    def __init__(self, place: Place, point: Point) -> None:
        self.point = point
        self.disk = place.set_up(point)
        self.bench = FaultBench(self.disk.root, beside=place.folder)
        more = {"BESIDE_THE_DESK": str(place.folder), "PYTHONPATH": str(HERE)}
        self.bench.environment |= {**more, "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
        self.dropper = Dropper(self.bench)
        self.on_record: list[set[str]] = []
        self.told: list[Told] = []
        self.gone: list[str] = []
        """Names of the drops that nobody had made durable and that did not outlive a cut."""
        self._records = photo.outlived(self.bench.desk)
        """Of the log: what outlived the cuts so far."""
        self._clock = MIDNIGHT - time.time() % MIDNIGHT - 1.5 if point.midnight else 0.0

    def close(self) -> None:
        """Leave nothing behind."""
        self.bench.close()
        self.disk.close()

    # -- the lives that are cut off --------------------------------------------------------------------------------

    def live(self, cut: Cut, drops: Sequence[Drop]) -> None:
        """A daemon works until the power is cut; the disk is mounted again, and nothing runs."""
        self._picture.unlink(missing_ok=True)
        self._start(*self.point.changes, cut.change)
        over = threading.Event()
        cutter = threading.Thread(target=self._cut, args=(cut, over))
        cutter.start()
        try:
            self._act(drops)
        finally:
            over.set()
            cutter.join()
        assert self.bench.daemon is not None
        assert self.bench.daemon.wait(30) == -signal.SIGKILL, f"it ended before the cut: {self.bench.said()}"
        self.bench.daemon = None
        self.disk.unmount()
        self.disk.mount(moved=self.point.moved)
        self._look_back(msgspec.json.decode(self._picture.read_bytes(), type=Photo))

    @property
    def _picture(self) -> Path:
        return self.bench.beside / photo.PHOTO

    def _start(self, *changes: str) -> None:
        given = [change for change in (*changes, f"clock={self._clock}") if change]
        self.bench.entry = ("-m", MODULE, *given, "--")
        self.bench.start(wait=False)

    def _act(self, drops: Sequence[Drop]) -> None:
        """Drop and answer until the power is cut, or everything is over."""
        left, end = list(drops), time.monotonic() + PATIENCE
        while not self._picture.exists():
            assert time.monotonic() < end, f"it does not end: {self.bench.said()}"
            try:
                if left:
                    self.dropper.drop(left.pop(0))
                elif self.dropper.at_rest():
                    return
            except (OSError, DeskhandError, AssertionError) as error:
                self.bench.until(self._picture.exists, f"the power is cut, after {error!r}", timeout=5.0)
            time.sleep(self.point.pause if left else 0.005)

    def _cut(self, cut: Cut, over: threading.Event) -> None:
        """In a thread: wait for the moment, and cut; also when everything is over without it."""
        while not over.wait(0.0005):
            if cut.wait_for and self._come(cut):
                break
        over.wait(cut.delay)
        if not self._picture.exists():
            at = f"{cut.wait_for} {cut.count} +{cut.delay * 1000:.1f} ms"
            photo.take_photo(self.bench.root, self.bench.beside, at)
            # A machine without power does nothing more either: the daemon must not tell anybody of a sync that failed.
            assert self.bench.daemon is not None
            self.bench.daemon.kill()
            cut_power(self.bench.root)

    def _come(self, cut: Cut) -> bool:
        if cut.wait_for != "lines":
            return len(self.bench.found(cut.wait_for)) >= cut.count
        logs = self.bench.found("audit_logs/audit_*.jsonl")
        return sum(path.read_bytes().count(b"\n") for path in logs) >= len(self._records) + cut.count

    def _look_back(self, picture: Photo) -> None:
        """Nothing has been repaired yet: hold what is left of the log against what was to be seen."""
        self._records = photo.outlived(self.bench.desk)
        photo.judge(picture, self._records)
        tasks = invariants.project(self._records)
        self.on_record.append(set(tasks))
        self.dropper.life += 1
        unfinished = sum(not task.terminal or task.undelivered for task in tasks.values())
        lost = max(0, picture.lines - len(self._records))
        self.told.append(Told(picture.at, unfinished, len(self.dropper.on_the_way()), lost))

    # -- the last life ----------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The daemon as it is goes on until everything is over; then everything is checked."""
        self._start()
        self.bench.until(self.bench.answers, "the daemon answers")
        self.dropper.drop(Drop("after.txt", "kept", "moved", 100, synced=True, seed=0))
        self.dropper.rest(PATIENCE)
        tasks = {task.key: task for task in self.bench.stop_and_check()}
        assert self.bench.records()[: len(self._records)] == self._records, "it cut off what was whole"
        self.gone = self.dropper.judge(tasks, self.on_record, self.bench.runs())


def carry_out(place: Place, point: Point) -> tuple[list[Told], list[str]]:
    """One point: what happened at its cuts, and which drops are gone, as they may be."""
    run = PowerRun(place, point)
    try:
        for number, cut in enumerate(point.cuts):
            run.live(cut, point.drops[number :: len(point.cuts)])
        run.finish()
        return run.told, run.gone
    finally:
        run.close()
