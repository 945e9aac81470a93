"""Backups of a desk at work: rows 69 and what a kill or a full disk leaves of one."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deskhand.core.names import OWN_PARTS, Part, key_of, member
from deskhand.core.replay import TARGETS
from deskhand.core.settings import Settings
from deskhand.core.state import ASKING, FOLDERS, LIVE_FOLDERS, State
from deskhand.core.task import Task, TaskFile, manifest_sha256
from deskhand.engine.backing import Made, create
from deskhand.host.client import request
from deskhand.store import config_file, task_files
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from tests.support import campaign, invariants
from tests.support.fault_desk import FaultBench

pytestmark = pytest.mark.faults

ROUNDS = ((2, 8), (50, 21), (500, 7), (500, 7), (500, 7)) if campaign.WHOLE else ((2, 3), (50, 5), (500, 3))
"""Moves in a second, and backups taken meanwhile, each on a fresh desk: 50 when nothing is left out."""
MAX_OVER = 600
"""Files of finished tasks above which they are deleted by hand."""
SEEN = 5.0
"""Seconds that somebody takes to look at what is over before it is deleted."""
MOVES = 3
"""Times that the files of a drop are moved, at least: claimed, to the folder of its state, to where it ends."""
MAX_UNANSWERED = 100
"""Questions above which the mover answers before it drops more."""


class Mover:
    """Drops, answers, renames by hand: as fast as it is told, until it is told to stop."""

    def __init__(self, bench: FaultBench, rate: int) -> None:
        self._bench = bench
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mover")
        self._random = random.Random(rate)
        self.going = threading.Event()
        self.dropped = 0
        self.renamed = 0
        self.failed: BaseException | None = None

    def __enter__(self) -> Mover:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert self.failed is None, self.failed

    def warmed_up(self) -> None:
        """Wait until it is at it."""
        before = self.renamed
        self._bench.until(lambda: self.failed or self.renamed > before + 10, "people rename")

    def _work(self) -> None:
        try:
            begun, done = time.monotonic(), 0
            while not self._stop.wait(0.002 if self._rate > 100 else 0.02):
                if not self.going.is_set():  # the oracle is at work
                    self.going.wait(0.1)
                    begun, done = time.monotonic(), 0
                    continue
                due = round((time.monotonic() - begun) * self._rate / MOVES) - done
                for _ in range(min(due, 20)):
                    self._one(self.dropped)
                    done += 1
                self._answer()
                self._by_hand()
                self._prune()
        except BaseException as error:
            self.failed = error

    def _one(self, number: int) -> None:
        route = ("kept", "asked", "kept", "job" if number % 40 == 2 else "kept")[number % 4]
        name = f"drop {self._rate} {number}.txt"
        outside = self._bench.root.parent / "outside"
        outside.mkdir(exist_ok=True)
        (outside / name).write_bytes(self._random.randbytes(self._random.randrange(2000)))
        (outside / name).rename(self._bench.desk.inbox / route / name)
        self.dropped += 1

    def _answer(self) -> None:
        """Rename some of the questions, as people do it."""
        with os.scandir(self._bench.desk.approvals) as entries:
            asked = [
                e.path
                for e in entries
                if e.name.endswith(".json") and not e.name.endswith(("task.json", "request.json"))
            ]
        for path in asked[: max(1, len(asked) - MAX_UNANSWERED, len(asked) // 4)]:
            with suppress(OSError):
                os.rename(path, f"{path}.{'approved' if self._random.random() < 0.8 else 'rejected'}")

    def _prune(self) -> None:
        """Delete what is over, as people may at any time: the backups stay small, and lose files while they read."""
        for folder in ("completed", "rejected"):
            with os.scandir(self._bench.desk.folder(folder)) as entries:
                over = [entry for entry in entries if member(entry.name)]
            for entry in over if len(over) > MAX_OVER else ():
                with suppress(OSError):
                    # Renaming sets it: nobody deletes what came a moment ago.
                    if entry.stat(follow_symlinks=False).st_ctime < time.time() - SEEN:
                        shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)

    def _by_hand(self) -> None:
        """Notes renamed in the vault, and a task's file that has no business to be renamed."""
        vault = self._bench.desk.vault / "Notes"
        notes = sorted(vault.rglob("mine-*.md"))
        if notes:
            source = self._random.choice(notes)
            target = vault / self._random.choice(("a", "b", "c")) / source.name
            source.rename(target)
            self.renamed += 1
        if self.renamed % 50 == 25:
            for task in list(self._bench.desk.folder("pending").glob("*.task.json"))[:1]:
                with suppress(OSError):
                    task.rename(task.with_name(f"renamed by hand {self.renamed}.json"))


def backup(bench: FaultBench, **more: Any) -> Made:
    """Make one beside the daemon, as the command does it."""
    settings = config_file.load(bench.desk, {}).settings or Settings()
    return create(
        Files(),
        bench.desk,
        settings,
        lambda verb, arguments: request(bench.desk, verb, arguments, timeout=60.0),
        **more,
    )


def bad(archive: Path, folder: Path) -> list[str]:
    """What is wrong with a backup: unpacked by somebody else's program and held against its own log."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["unzip", "-q", archive, "-d", folder], check=True)
    checked = subprocess.run(
        ["sha256sum", "--quiet", "-c", "MANIFEST.sha256"], cwd=folder, capture_output=True, text=True
    )
    problems = checked.stdout.splitlines()
    root = folder / "data"
    (folder / "audit").rename(root / "audit_logs")
    desk = Desk(root)
    problems += [str(error) for error in verify(desk.audit).errors]
    tasks = invariants.project(invariants.read(desk))
    problems += list(_unlike(desk, tasks))
    return problems


def _unlike(desk: Desk, tasks: dict[str, Task]) -> Iterator[str]:
    """Every difference between the folders and the tasks."""
    standing: dict[str, dict[str, str]] = {}
    for folder in LIVE_FOLDERS:
        for name in os.listdir(desk.folder(folder)):
            part = member(name)
            if part is not None:
                standing.setdefault(key_of(part.id), {})[name] = folder
    for key, names in standing.items():
        task = tasks.get(key)
        if task is None or (task.terminal and not task.undelivered):
            yield f"{sorted(names)}: claims to be a task that is {None if task is None else task.state}"
    for key, task in tasks.items():
        if task.terminal and not task.undelivered:
            continue
        names = standing.get(key, {})
        own = {name: folder for name, folder in names.items() if (part := member(name)) and part.part in OWN_PARTS}
        wrong = {name: folder for name, folder in own.items() if folder != task.folder}
        if wrong:
            yield f"{wrong}: the log says {task.state}"
        described = next((name for name in own if name.endswith(f".{Part.TASK}")), None)
        if described is None:
            yield f"{key} ({task.state}) has no description"
            continue
        data = (desk.folder(task.folder) / described).read_bytes()
        if hashlib.sha256(data).hexdigest() != task.task_sha256:
            yield f"{described}: not the one on record"
            continue
        payload = desk.folder(task.folder) / msgspec.json.decode(data, type=TaskFile).input
        if not payload.exists() or manifest_sha256(task_files.manifest(payload)) != task.input_sha256:
            yield f"{payload.name}: gone or changed"
        if task.state in ASKING:
            asked = desk.approvals / f"{described.removesuffix('.task.json')}.json"
            if not asked.exists() or hashlib.sha256(asked.read_bytes()).hexdigest() != task.digest:
                yield f"{asked.name}: gone or changed"


def opened_lost(folder: Path, environment: dict[str, str]) -> list[str]:
    """Adopt an unpacked backup as a desk; the tasks that its daemon finds lost or quarantined, or what went wrong."""
    root = folder / "data"
    for name in ("inbox", "pending", "approvals", "completed", "failed", "rejected"):
        (root / "queue" / name).mkdir(exist_ok=True)
    line = [sys.executable, "-m", "deskhand", "--desk", str(root)]
    own = {**environment, "XDG_STATE_HOME": str(folder / "state"), "DESKHAND_MAX_CYCLES": "1"}
    before = _gone(Desk(root))
    for verb in (["init", "--adopt", str(root)], ["run"]):
        done = subprocess.run([*line, *verb], env=own, capture_output=True, text=True, timeout=120)
        if done.returncode:
            return [f"{verb}: {done.returncode} {done.stdout}{done.stderr}"]
    return [f"{key} is lost" for key in _gone(Desk(root)) - before]


def _gone(desk: Desk) -> set[str]:
    """Keys of the tasks that the log says are lost or quarantined."""
    tasks = invariants.project(invariants.read(desk)).values()
    return {task.key for task in tasks if task.state in (State.LOST, State.QUARANTINED)}


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[FaultBench]:
    """A running daemon whose recipes move tasks through every folder."""
    bench = FaultBench(tmp_path)
    bench.bless("kept", "keep", deliver="kept/{id}", idempotent=True)
    bench.bless("asked", "keep", deliver="asked/{id}", idempotent=True, approval="required")
    bench.script("job", 'sleep 0.2; cat "$1" > "$2/result"', idempotent=False)
    for folder in ("a", "b", "c"):
        (bench.desk.vault / "Notes" / folder).mkdir()
    for number in range(30):
        (bench.desk.vault / "Notes" / "a" / f"mine-{number}.md").write_text(f"note {number}\n")
    bench.start()
    try:
        yield bench
    finally:
        bench.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("rate", "count"), ROUNDS)
def test_f69_backup_while_tasks_move(
    busy: FaultBench, tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, count: int
) -> None:
    spoilt: dict[str, list[str]] = {}
    longest = 0.0
    with Mover(busy, rate) as mover:
        for number in range(count):
            mover.going.set()
            mover.warmed_up()
            made = backup(busy, full=number % 2 == 0)
            mover.going.clear()
            longest = max(longest, made.seconds)
            problems = bad(made.path, tmp_path / "unpacked")
            notes = {path.name for path in (tmp_path / "unpacked").rglob("mine-*.md")}
            problems += [f"{30 - len(notes)} notes are missing"] * (len(notes) != 30)
            problems += [f"not verified: {made.odd}"] * (not made.verified)
            if number == 0:
                problems += opened_lost(tmp_path / "unpacked", busy.environment)
            if problems:
                spoilt[made.name] = problems[:5]
    said = f"{len(moves(busy))} moves, {mover.renamed} renames by hand, longest backup {longest:.1f} s"
    with capsys.disabled():
        print(f"\nrow 69, {rate} moves a second: {len(spoilt)} bad of {count} backups; {said}", end="")
    assert not spoilt


def moves(bench: FaultBench) -> list[str]:
    """Every record that moves the files of a task, and the move into the staging area before the first."""
    found: list[str] = []
    for record in bench.records():
        if record.type in TARGETS:
            before, after = record.fields.get("from"), State(record.fields["to"])
            if before is None or FOLDERS[State(before)] != FOLDERS[after]:
                found += [after] * (2 if before is None else 1)
    return found


def test_a_kill_in_the_middle_leaves_nothing_that_counts(busy: FaultBench) -> None:
    """The command is killed while it packs; the daemon goes on, and the next backup sweeps up."""
    (busy.desk.vault / "large.bin").write_bytes(os.urandom(30 << 20))
    line = [sys.executable, "-m", "deskhand", "backup", "create"]
    process = subprocess.Popen(line, env=busy.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    busy.until(lambda: [p for p in busy.found("backups/*.partial") if p.stat().st_size > 1 << 20], "it packs")
    process.kill()
    process.wait(30)
    left = [path.name for path in busy.found("backups/*")]
    assert len(left) == 1 and left[0].endswith(".partial")
    made = backup(busy)
    assert made.swept == tuple(left) and [path.name for path in busy.found("backups/*")] == [made.name]
    assert busy.answers()
