"""Row 45 for real: the daemon killed, or refused, by the kernel at mutating system calls on its desk.

A dry run under strace counts the calls of each kind that any thread makes before the daemon answers.  Then, for a
seeded sample of (kind, number), the daemon runs again, and strace ends it (or lets one call fail) at that call; drops
keep coming until it does.  Numbers count per thread, so they are chosen behind everything that a start needs, and a
fault that never came is a failure of the test.  Afterwards the daemon runs without strace until nothing is left to do.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from deskhand.store.lock import holder
from tests.support.fault_desk import FaultBench, renamed

CALLS = (
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    *("write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "fchmodat", "chmod"),
)
"""Kinds of calls that change a desk; those that this machine's daemon does not make are left out."""
ERRORS = {"fsync": "EIO", "fdatasync": "EIO", "fallocate": "ENOSPC", "mkdir": "ENOSPC", "mkdirat": "ENOSPC"}
ERRORS |= {"write": "ENOSPC", "pwrite64": "ENOSPC"}
"""What a call fails with; `EIO` when it is not here."""
TRACED = ",".join(f"?{name}" for name in CALLS)
MARGIN = 4
"""A start may need a few calls more than it did in the dry run."""
SPREAD = 12
"""The points lie within so many calls of one thread."""
DROPS = 60
"""Drops after which a fault that did not come never will."""
SEED = int(os.environ.get("DESKHAND_FAULT_SEED") or random.SystemRandom().randrange(10**6))
POINTS = int(os.environ.get("DESKHAND_FAULT_POINTS") or 7)
REPEAT = (
    f"DESKHAND_FAULT_SEED={SEED} DESKHAND_FAULT_POINTS={POINTS} python -m pytest -m faults tests/faults/test_strace.py"
)
LINE = re.compile(r"(\d+) +(\d+\.\d+) (?:<\.\.\. )?(\w+)(?:\(| resumed)(.*)")

HAVE = shutil.which("strace") is not None

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not HAVE and not os.environ.get("CI"), reason="no strace: no faults from the kernel"),
]


@dataclass(frozen=True)
class Start:
    """What a dry run tells."""

    before: dict[str, int]
    """Kind of call -> the most that one thread made before the daemon answered."""
    after: dict[str, int]
    """Kind of call on the desk -> the most that one thread made for one drop, on average of a few, rounded up."""


class Strace:
    """A desk and a daemon under strace."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.bench = FaultBench(folder)
        (self.bench.desk.inbox / "archive").mkdir(exist_ok=True)
        self.trace = folder / "trace"
        self.dropped: dict[str, bytes] = {}

    def start(self, *options: str) -> None:
        """Start the daemon under strace and wait until it answers."""
        shown = ("-f", "-qq", "-ttt", "-y", "-o", str(self.trace))
        self.bench.start("strace", *shown, "-e", f"trace={TRACED}", *options)

    @property
    def daemon(self) -> psutil.Process | None:
        """The daemon itself."""
        known = holder(self.bench.desk.lock)
        try:
            return None if known is None else psutil.Process(known.pid)
        except psutil.NoSuchProcess:
            return None

    @property
    def running(self) -> bool:
        """Whether strace, and so the daemon, is still there."""
        return self.bench.daemon is not None and self.bench.daemon.poll() is None

    def drop(self) -> None:
        """One more drop: every third one asks first."""
        number = len(self.dropped)
        name, route = f"drop-{number}.txt", "hand-over" if number % 3 == 2 else "archive"
        self.dropped[name] = f"content {number}\n".encode()
        self.bench.drop(name, self.dropped[name], route=route)

    def handled(self) -> bool:
        """Whether every drop so far is completed; says yes to whatever asks."""
        for request in self.bench.found("queue/approvals/*.json"):
            if not request.name.endswith((".task.json", ".request.json")) and request.exists():
                renamed(request, ".approved")
        return len(self.bench.found("queue/completed/*.task.json")) == len(self.dropped)

    def injected(self) -> bool:
        """Whether a call was made to fail."""
        return "(INJECTED)" in self.trace.read_text(errors="replace")

    def last(self) -> str:
        """The call at which it ended."""
        lines = [line for line in self.trace.read_text(errors="replace").splitlines() if "killed by" not in line]
        return lines[-1] if lines else "nothing was traced"

    def end(self) -> None:
        """End whatever runs."""
        daemon = self.daemon
        if self.running and daemon is not None:
            daemon.send_signal(signal.SIGTERM)
        if self.bench.daemon is not None:
            self.bench.daemon.wait(30)
            self.bench.daemon = None

    def close(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        daemon = self.daemon
        if self.running and daemon is not None:
            daemon.kill()
        self.bench.close()

    def finish(self) -> None:
        """On a healthy machine: go on until nothing is left to do; then every drop has come to its one end."""
        bench = self.bench
        bench.ok("run", "--until-idle")
        if not self.handled():
            bench.ok("run", "--until-idle")
        tasks = bench.check(runs={})
        assert [task.state for task in tasks] == ["completed"] * len(self.dropped), [task.state for task in tasks]
        for name, data in self.dropped.items():
            stem = name.removesuffix(".txt")
            found = bench.found(f"archive/*/*/{stem}.*") + bench.found(f"outbox/{stem}.*")
            found += bench.found(f"archive/*/*/{stem} (*") + bench.found(f"outbox/{stem} (*")
            assert [path.read_bytes() for path in found] == [data], f"{name} was delivered as {found}"


def calls(trace: Path) -> Iterator[tuple[str, float, str, str]]:
    """Thread, time, kind and arguments of every call that began."""
    for line in trace.read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if found is not None and "resumed" not in line[: found.start(4)]:
            yield found[1], float(found[2]), found[3], found[4]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """The dry run."""
    if not HAVE:
        pytest.fail("strace is needed here: faults from the kernel are part of the checks")
    strace = Strace(tmp_path_factory.mktemp("dry") / "run")
    strace.start()
    ready = time.time()
    for _ in range(3):
        strace.drop()
        strace.bench.until(strace.handled, "the drop is completed")
    strace.end()
    before: defaultdict[str, Counter[str]] = defaultdict(Counter)
    after: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for thread, moment, kind, arguments in calls(strace.trace):
        if moment < ready:
            before[kind][thread] += 1
        elif str(strace.bench.root) in arguments:
            after[kind][thread] += 1
    strace.finish()
    return Start(
        {kind: max(counts.values()) for kind, counts in before.items()},
        {kind: -(-max(counts.values()) // 3) for kind, counts in after.items() if max(counts.values()) >= 3},
    )


def sample(start: Start, count: int, dice: random.Random) -> list[tuple[str, int]]:
    """Points: kinds in turn, so that none is left out for long, and a number for each."""
    kinds = sorted(start.after)
    dice.shuffle(kinds)
    points = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        points.append((kind, start.before.get(kind, 0) + MARGIN + dice.randrange(min(SPREAD, 4 * start.after[kind]))))
    return points


def until_it_came(strace: Strace) -> bool:
    """Drop after drop, until the daemon is gone or a call has failed; False when that never happens."""
    for _ in range(DROPS):
        strace.drop()
        strace.bench.until(lambda: not strace.running or strace.handled() or strace.injected(), "the drop is handled")
        if not strace.running or strace.injected():
            return True
    return False


@contextmanager
def repeatable(strace: Strace, said: str) -> Iterator[None]:
    """Whatever fails inside says how to repeat it; nothing is left running."""
    try:
        yield
    except BaseException as error:
        error.add_note(said)
        raise
    finally:
        strace.close()


def test_f45_killed_at_system_calls(start: Start, tmp_path: Path) -> None:
    points = sample(start, POINTS, random.Random(SEED))
    for index, (kind, number) in enumerate(points):
        said = f"point {index}: {kind} number {number}; again: {REPEAT}"
        strace = Strace(tmp_path / str(index))
        with repeatable(strace, said):
            strace.start("-e", f"inject={kind}:signal=SIGKILL:when={number}")
            assert until_it_came(strace), f"the kill never came: {said}"
            assert not strace.running, f"it lives on: {said}"
            strace.end()
            strace.finish()
        print(f"{kind} {number}: {len(strace.dropped)} drops, {strace.last()[:150]}")
    print(f"{len(points)} points, seed {SEED}")


def test_f48_system_calls_that_fail(start: Start, tmp_path: Path) -> None:
    points = sample(start, max(1, POINTS // 2), random.Random(SEED + 1))
    for index, (kind, number) in enumerate(points):
        error_name = ERRORS.get(kind, "EIO")
        said = f"point {index}: {error_name} from {kind} number {number}; again: {REPEAT}"
        strace = Strace(tmp_path / str(index))
        with repeatable(strace, said):
            strace.start("-e", f"inject={kind}:error={error_name}:when={number}")
            assert until_it_came(strace), f"the error never came: {said}"
            assert strace.injected(), f"it ended by itself: {said}"
            strace.end()
            strace.finish()
        print(f"{kind} {number} {error_name}: {len(strace.dropped)} drops")
    print(f"{len(points)} points, seed {SEED}")
