"""What the benchmark asks of a contender, and what all of them share: a folder, a consumer that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

BENCHMARKS = Path(__file__).resolve().parents[1]
PROGRAMS = BENCHMARKS / "peers" / "programs"
SYNCS = ("fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync")
PAYLOAD = b"0123456789abcdef" * 64
"""1 KiB: what a dropped file holds, and what the others get as an argument."""
LEAVE_A_LINE = 'echo "$1 0" >> "$2"'
"""What a task's process does where runs are counted: arguments are the task's name and the file of marks."""
NAP = 0.002
"""Seconds between two looks at a flood of finished tasks."""


class Contender(ABC):
    """One way to get tasks done.  Moments are monotonic seconds, which all processes of a machine share.

    The order of calls: :meth:`prepare` once per folder; then :meth:`start`, :meth:`stop`, :meth:`kill`,
    :meth:`enqueue` in any sensible order; at the end :meth:`close`.
    """

    name = ""
    setting = ""
    """How it is set up, where there is a choice."""
    patience = 10.0
    """Seconds without progress after which what is not done will not be done."""
    ends_by = signal.SIGTERM
    """The signal that ends the consumer when its running tasks are over."""

    def __init__(self) -> None:
        self.folder = Path()
        self.kind = ""
        self.consumer: subprocess.Popen[bytes] | None = None
        self.trace = False
        """Whether what is started from now on has its sync calls written into ``<name>.strace``."""
        self.filling = False
        """Whether tasks are handed in only to have many of them: then nothing needs to be durable."""

    # -- what a contender brings -------------------------------------------------------------------------------

    def missing(self) -> str | None:
        """Why it cannot take part on this machine, or None."""
        return None

    def prepare(self, folder: Path, kind: str) -> None:
        """Make its queue in the empty *folder*; *kind* of every task: ``nothing``, ``true`` (a process) or
        ``line`` (a process that leaves a line, see :meth:`marks`)."""
        self.folder, self.kind = folder, kind

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The consumer's command line."""

    @abstractmethod
    def enqueue(self, first: int, count: int) -> float:
        """Hand in tasks numbered from *first*, one by one, as fast as it goes; the moment before the first."""

    @abstractmethod
    def wait(self, count: int, timeout: float) -> float:
        """When the *count*-th task of this folder was done.  TimeoutError with how many were."""

    @abstractmethod
    def one(self, number: int, timeout: float) -> float:
        """Hand in one task; seconds until it was done."""

    @abstractmethod
    def done(self) -> int:
        """How many tasks are done, counted anew on disk."""

    def asked(self) -> set[str]:
        """Names of tasks that a person has to decide about."""
        return set()

    def marks(self) -> Counter[str]:
        """Name of a task -> how often it says that it ran."""
        path = self.folder / "marks"
        lines = path.read_text().splitlines() if path.exists() else []
        return Counter(line.split()[0].removesuffix(".txt") for line in lines)

    # -- processes ---------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """For everything that is started."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(PROGRAMS), str(BENCHMARKS / "support"))),
            "BENCH_MARKS": str(self.folder / "marks"),
            "BENCH_FOLDER": str(self.folder),
            "BENCH_FILLING": "yes" if self.filling else "",
        }

    def launch(self, command: Sequence[str], name: str, **more: object) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, its output in the folder."""
        if self.trace:
            calls = f"trace={','.join(SYNCS)}"
            out_file = str(self.folder / f"{name}.strace")
            command = ["strace", "-D", "-f", "-q", "--seccomp-bpf", "-A", "-o", out_file, "-e", calls, *command]
        with (self.folder / f"{name}.log").open("ab") as out:
            options = {"stdin": subprocess.DEVNULL, "stdout": out, **more}
            return subprocess.Popen(
                command, env=self.environment(), stderr=out, start_new_session=True, cwd=self.folder, **options
            )

    def start(self) -> None:
        """Start what consumes; it is not waited for."""
        self.consumer = self.launch(self.command(), "consumer")

    def stop(self) -> None:
        """End the consumer in good order; what it leaves running is killed, so that nothing works on unseen."""
        assert self.consumer is not None
        children = psutil.Process(self.consumer.pid).children(recursive=True)
        self.consumer.send_signal(self.ends_by)
        try:
            self.consumer.wait(30)
        except subprocess.TimeoutExpired:
            kill_all(self.consumer)
        psutil.wait_procs(children, timeout=5)
        kill_all(self.consumer)
        self.consumer = None

    def down(self) -> None:
        """End what was started beside the consumer, which is not running, so that the next start is a cold one."""
        assert self.consumer is None

    def kill(self) -> None:
        """kill -9 for the consumer and everything that it started."""
        assert self.consumer is not None
        kill_all(self.consumer)
        self.consumer = None

    def processes(self) -> list[psutil.Process]:
        """Everything that has to run for tasks to be done."""
        assert self.consumer is not None
        top = psutil.Process(self.consumer.pid)
        return [top, *top.children(recursive=True)]

    def processor(self) -> float:
        """Seconds of processor time that they and their collected children have used so far."""
        total = 0.0
        for process in self.processes():
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def close(self) -> None:
        """Leave no process behind."""
        if self.consumer is not None:
            self.kill()


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process, its group and all its descendants, at the same moment as far as that is possible."""
    try:
        top = psutil.Process(process.pid)
        victims = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        victims = []
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the group has ended already
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(30)
    psutil.wait_procs(victims, timeout=30)
