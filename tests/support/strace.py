"""A real daemon whose system calls are recorded, and of which the kernel refuses one or ends the process at it.

strace is attached when the daemon answers, so numbers count from there: the n-th call of a kind by any one thread.
Everything that the daemon is made of is traced: its threads, the spawner, the keepers and the handlers.  A call counts
as *on the desk* when it changes something below the desk's folder; what may be lost, the operational logs and the
status note, is left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from deskhand.core.task import Options
from deskhand.engine.assemble import open_desk
from deskhand.engine.bell import Bell
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from deskhand.store.lock import holder
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from tests.support.crash import TURNS, let_time_pass
from tests.support.fault_desk import FaultBench, renamed
from tests.support.forks import in_child
from tests.support.possible_errors import OPERATION

HAVE = shutil.which("strace") is not None
ATTACHED = "strace: Process"
TRACED = ",".join(f"?{name}" for name in OPERATION)
"""The question mark: a machine may not have the call."""
ON_DESCRIPTOR = frozenset(
    {
        *("write", "writev", "pwrite64", "pwritev", "copy_file_range"),
        *("ftruncate", "fallocate", "fsync", "fdatasync", "syncfs", "fchmod"),
    }
)
LINE = re.compile(r"(\d+) +(\w+)\((.*)")
DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
LOSABLE = ("logs/", "vault/_deskhand/")
LETTERS = str.maketrans("0189", "wxyz")
QUOTED = re.compile(r'(?:\d+<([^>]*)>, )?"([^"]*)"')


class Call(NamedTuple):
    """One system call."""

    thread: str
    kind: str
    number: int
    """Of its kind, in its thread, from 1."""
    path: str
    """What it is about, below the desk; empty when that is not the desk, or nothing is changed."""


@dataclass(frozen=True, order=True)
class Point:
    """Where a fault is put: the call of *kind* with this *number* in the thread that gets there first."""

    kind: str
    number: int
    error: str = ""
    """Name of the errno; empty: the process is killed."""
    path: str = ""
    """What the call was about when it was recorded; the names of tasks left out."""

    @property
    def option(self) -> str:
        """For strace."""
        what = f"error={self.error}" if self.error else "signal=SIGKILL"
        return f"inject={self.kind}:{what}:when={self.number}"

    def __str__(self) -> str:
        return f"{self.error or 'SIGKILL'} at {self.kind} number {self.number} ({self.path})"


class Traced:
    """A desk, and a daemon under strace that works on one drop after the other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.bench = FaultBench(folder)
        self.trace = folder / "trace"
        self.dropped: dict[str, bytes] = {}
        self._strace: subprocess.Popen[str] | None = None
        (self.bench.desk.inbox / "archive").mkdir(exist_ok=True)
        retry = {"attempts": 9, "backoff": "1s"}
        self.bench.counting("work", 'cat "$1" > "$2/result.txt"; echo done', idempotent=True, retry=retry)

    def start(self, fault: Point | None = None) -> None:
        """Start the daemon, wait until it answers, and trace it from then on."""
        self.bench.start()
        daemon = holder(self.bench.desk.lock)
        assert daemon is not None
        line = ["strace", "-f", "-y", "-s", "24", "-o", str(self.trace), "-p", str(daemon.pid), "-e", f"trace={TRACED}"]
        option = [] if fault is None else ["-e", fault.option]
        self._strace = subprocess.Popen([*line, *option], stderr=subprocess.PIPE, text=True)
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        assert said.startswith(ATTACHED), f"strace cannot be attached: {said}"

    @property
    def running(self) -> bool:
        """Whether the daemon is still there."""
        return self.bench.daemon is not None and self.bench.daemon.poll() is None

    def drop(self) -> None:
        """One more drop: filed, run as a process, a folder, and something that asks, in turn."""
        number = len(self.dropped)
        data = f"content {number}\n".encode()
        match number % 4:
            case 0:
                self.bench.drop(f"drop-{number}.txt", data, route="archive")
            case 1:
                self.bench.drop(f"drop-{number}.txt", data, route="work")
            case 2:
                self.bench.drop(f"drop-{number}.txt", data, route="hand-over")
            case _:  # as `deskhand drop` does it: a folder that is moved in would have to stay as it is for a while
                folder = self.bench.source(f"folder-{number}/drop-{number}.txt", data).parent
                options, suffix = Options(recipe="archive"), f"aaa{number:03}".translate(LETTERS)
                name, now = f"drop-{number}", time.time()
                submit(Files(), self.bench.desk, folder, options, now=now, suffix=suffix, limit=1 << 20, name=name)
        self.dropped[f"drop-{number}"] = data

    def handled(self) -> bool:
        """Whether every drop so far is completed; says yes to whatever asks."""
        for request in self.bench.found("queue/approvals/*.json"):
            if not request.name.endswith((".task.json", ".request.json")) and request.exists():
                renamed(request, ".approved")
        return len(self.bench.found("queue/completed/*.task.json")) == len(self.dropped)

    def handle(self, fault: Point | None = None) -> bool:
        """One more drop: until it is handled, or the daemon is gone, or *fault* came; whether there is a next one."""
        self.drop()

        def over() -> bool:
            return not self.running or self.handled() or (fault is not None and self.hit(fault) is not None)

        self.bench.until(over, "the drop is handled")
        return self.running and (fault is None or self.hit(fault) is None)

    def end(self) -> None:
        """End the daemon in good order, if it still runs."""
        if self.running:
            self.bench.stop()
        self.bench.daemon = None
        if self._strace is not None:
            assert self._strace.stderr is not None
            self._strace.wait(30)
            self._strace.stderr.close()
            self._strace = None

    def close(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        self.bench.close()
        if self._strace is not None:
            assert self._strace.stderr is not None
            self._strace.kill()
            self._strace.wait(30)
            self._strace.stderr.close()

    def finish(self) -> None:
        """On a healthy disk: go on until nothing is left to do; then every drop has come to its one end."""
        code, said = in_child(self._go_on)
        assert code == 0, said
        bench = self.bench
        tasks = bench.check(runs=bench.runs())
        assert [task.state for task in tasks] == ["completed"] * len(self.dropped), [task.state for task in tasks]
        state = Path(bench.environment["XDG_STATE_HOME"]) / "deskhand"
        assert not list(state.glob(".deskhand-*")), "temporary files are left in the state folder"
        for number, (name, data) in enumerate(self.dropped.items()):
            if number % 4 != 1:
                deep = f"/{name}.txt" if number % 4 == 3 else ""
                places = [
                    f"{place}/{name}{more}{deep}" for place in ("archive/*/*", "outbox") for more in (".*", " (*")
                ]
                places += [f"archive/*/*/{name}{deep}"] if deep else []
                found = [path for place in places for path in bench.found(place)]
                assert [path.read_bytes() for path in found] == [data], f"{name} was delivered as {found}"

    def _go_on(self) -> None:
        """The engine, with the spawner and its processes, on a clock that does not keep us waiting for a retry."""
        clock, bell, log = FakeClock(time.time()), Bell(), MemoryLog()
        with open_desk(self.bench.desk, log, ring=bell.ring, watch=False, clock=clock) as session:
            for _ in range(TURNS):
                session.engine.tick()
                if session.parts.runs.busy or session.parts.intake.under_way:
                    bell.wait(1.0)
                elif session.engine.idle and self.handled():
                    break
                else:
                    session.parts.notice.give_quietly()
                    let_time_pass(session, clock)
            else:
                raise AssertionError("it does not end: " + "\n".join(map(str, log.lines[-20:])))
        bell.close()

    # -- what was traced ---------------------------------------------------------------------------------------

    def calls(self) -> Iterator[Call]:
        """Every call since the daemon answered, in the order in which they began."""
        counts: Counter[tuple[str, str]] = Counter()
        root = f"{self.bench.root}/"
        for line in self.trace.read_text(errors="replace").splitlines():
            found = LINE.match(line)
            if found is None or found[2] not in OPERATION:
                continue
            counts[found[1], found[2]] += 1
            path = _path(found[2], found[3])
            below = path.removeprefix(root) if path.startswith(root) else ""
            if below.startswith(LOSABLE):
                below = ""
            yield Call(found[1], found[2], counts[found[1], found[2]], below)

    def points(self) -> list[Point]:
        """The calls on the desk at which a fault can be put, each with the first thread that gets there."""
        first: dict[tuple[str, int], Call] = {}
        for call in self.calls():
            first.setdefault((call.kind, call.number), call)
        return [Point(call.kind, call.number, path=nameless(call.path)) for call in first.values() if call.path]

    def hit(self, fault: Point) -> Call | None:
        """The call at which the fault came; None when it never did."""
        text = self.trace.read_text(errors="replace")
        if ("(INJECTED)" if fault.error else "killed by SIGKILL") not in text:
            return None
        return next((call for call in self.calls() if (call.kind, call.number) == (fault.kind, fault.number)), None)


def nameless(path: str) -> str:
    """*path* without what differs between two runs."""
    path = re.sub(r"\d{8}-\d{6}-(?:[^/]*-)?[a-z2-7]{6}(?=[-./]|$)", "ID", path)
    return re.sub(r"\.deskhand-[0-9a-f]+\.tmp|main~[^/]*", "TEMPORARY", path)


def _path(kind: str, arguments: str) -> str:
    """What a call changes, as an absolute path; empty when it changes nothing or cannot be told."""
    if kind in ON_DESCRIPTOR:
        found = DESCRIPTOR.findall(arguments)
        return (found[-1] if kind == "copy_file_range" else found[0]) if found else ""
    if kind == "openat" and "O_CREAT" not in arguments and "O_TRUNC" not in arguments:
        return ""
    named = QUOTED.findall(arguments)
    if not named:
        return ""
    folder, name = named[-1]
    return name if name.startswith("/") else f"{folder}/{name}" if folder else ""
