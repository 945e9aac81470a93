"""Everything at once, for a while: a person, a daemon that is killed and stopped, clocks that jump, a full disk.

The disk is a small one of its own, so that a full one is a full one.  What happens is chosen by dice with a seed; when
it happens is the machine's matter.  See ``tests.support.dropper`` for what has to be there at the end.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import psutil

from deskhand.core.names import key_of
from deskhand.core.state import State
from deskhand.errors import DeskhandError
from deskhand.host.client import request
from tests.support.changed import MODULE
from tests.support.dropper import RECIPES, Drop, Dropper, described, furnish
from tests.support.fault_desk import FaultBench
from tests.support.loop_disk import LoopDisk

CONFIG = """\
intake: {settle: 30ms, settle_empty: 200ms, settle_folder: 100ms}
scan_interval: 1s
run: {workers: 3, drain: 2s}
"""
NAMES = (
    *(
        "plain.txt",
        "-rf",
        "two  spaces",
        "new\nline",
        "\x1b[31mred",
        "..\\up",
        "NUL",
        "dot.",
        "ünï.md",
        "\u202egnp.txt",
    ),
    *("\udcff\udcfe.bin", "*?.txt", "$(reboot)", "'\"`", "x" * 240, "%s%n", "deskhand.yaml", "a.task.json", "é́.csv"),
)
"""Names of drops; a number comes before each."""
SIZES = (0, 40, 2_000, 60_000, 400_000, 3_000_000)
JUMPS = (7200.0, -7200.0, 400 * 86400.0, -400 * 86400.0)
"""Seconds by which the clock is set between two lives."""
TOLERATED = frozenset({State.FAILED, State.CANCELLED, State.EXPIRED})
"""How a drop may end beside as it should: a full disk, a person and a clock that jumps may each be to blame."""
HERE = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


class Soak:
    """A desk, its daemon and its person."""

    def __init__(self, disk: LoopDisk, beside: Path, dice: random.Random) -> None:
        self.dice = dice
        os.environ["XDG_STATE_HOME"] = str(beside / "state")
        self.bench = FaultBench(disk.root, CONFIG, beside=beside)
        furnish(self.bench)
        self.bench.environment["PYTHONPATH"] = str(HERE)
        self.dropper = Dropper(self.bench)
        self.dropper.tolerated = TOLERATED
        self.clock = 0.0
        self.did: dict[str, int] = {}
        """What happened -> how often."""
        self._filler = disk.root / "filler"
        self._acts: dict[Callable[[], None], int] = {
            self.drop: 60,
            self.answer: 30,
            self.cancel: 4,
            self.retry: 2,
            self.kill: 3,
            self.stop: 2,
            self.fill: 2,
            self.free: 6,
        }

    def start(self) -> None:
        """Start the daemon, with the clock as it is now."""
        self.bench.entry = ("-m", MODULE, f"clock={self.clock}", "--")
        self.bench.start()

    def step(self) -> None:
        """Something happens, and the daemon lives."""
        act = self.dice.choices(list(self._acts), list(self._acts.values()))[0]
        act()
        assert self.bench.daemon is not None and self.bench.daemon.poll() is None, f"it ended: {self.bench.said()}"

    def _count(self, what: str) -> None:
        self.did[what] = self.did.get(what, 0) + 1

    # -- the person ------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Something with a hostile name; on a full disk it may not come in whole, and then it does not count."""
        number, dice = len(self.dropper.drops), self.dice
        route = dice.choice((*RECIPES, ""))
        how = dice.choice(("moved", "moved", "copied", "command", *(("linked", "folder") if route == "kept" else ())))
        name = f"{number:05}-{dice.choice(NAMES)}"
        size = dice.choices(SIZES, (1, 6, 6, 4, 2, 1))[0]
        answer = dice.choice(("approved", "rejected"))
        try:
            self.dropper.drop(Drop(name, route, how, size, False, number, answer))
        except (OSError, DeskhandError):
            assert self.full, "only a full disk refuses a drop"
            self._count("drops refused by a full disk")
        self._count(f"dropped ({how})")

    def answer(self) -> None:
        """Answer all questions, as far as the disk lets anybody rename."""
        self.did["answers"] = self.did.get("answers", 0) + self.dropper.answer()

    def cancel(self) -> None:
        """Cancel something that is not over; it may be over before."""
        waiting = self.bench.found("queue/pending/*.task.json") + self.bench.found("queue/approvals/*.task.json")
        if waiting:
            key = key_of(self.dice.choice(waiting).name.removesuffix(".task.json"))
            try:
                request(self.bench.desk, "cancel", {"key": key}, need_daemon=True, timeout=1.0)
            except DeskhandError:
                return
            self._count("cancelled")

    def retry(self) -> None:
        """Try something again that failed."""
        failed = [path for path in self.bench.found("queue/failed/*.task.json") if described(path) is not None]
        if failed:
            done = self.bench.command("task", "retry", self.dice.choice(failed).name.removesuffix(".task.json"))
            assert done.returncode == 0 or self.full, done.stderr
            self._count("tried again")

    # -- the machine -----------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """kill -9, and on again."""
        self.bench.kill()
        self._again("killed")

    def stop(self) -> None:
        """SIGTERM, and on again."""
        assert self.bench.stop() == 0, self.bench.said()
        self._again("stopped")

    def _again(self, what: str) -> None:
        self._count(what)
        if self.dice.random() < 0.5:
            self.clock += self.dice.choice(JUMPS)
            self._count("clock set")
        self.free()  # whether it starts on a full disk is another matter
        self.start()

    @property
    def full(self) -> bool:
        """Whether the disk was filled up."""
        return self._filler.exists()

    def fill(self) -> None:
        """Somebody takes all the room that is left."""
        fd = os.open(self._filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for block in (1 << 20, 1 << 12):
                while _allocated(fd, block):
                    pass
        finally:
            os.close(fd)
        self._count("filled the disk")

    def free(self) -> None:
        """And gives it back."""
        self._filler.unlink(missing_ok=True)

    # -- calm ------------------------------------------------------------------------------------------------------

    def calm(self) -> None:
        """Everything comes to its end."""
        self.free()
        self.dropper.rest(PATIENCE)

    def round(self, drops: int) -> None:
        """A fixed load, to its end."""
        for _ in range(drops):
            number = len(self.dropper.drops)
            route = ("kept", "asked", "job", "")[number % 4]
            self.dropper.drop(Drop(f"{number:05}-round.txt", route, "moved", 2_000, False, number))
        self.dropper.rest(PATIENCE, quickly=True)

    def weigh(self) -> dict[str, int]:
        """Memory (bytes), descriptors and threads of the daemon, and how many processes it and its keepers are.

        Keepers that are free wait for the next attempt, so their number goes up and down.
        """
        assert self.bench.daemon is not None
        daemon = psutil.Process(self.bench.daemon.pid)
        all_of_them = [daemon, *daemon.children(recursive=True)]
        return {
            "memory": daemon.memory_info().rss,
            "descriptors": daemon.num_fds(),
            "threads": daemon.num_threads(),
            "processes": len(all_of_them),
        }

    def close(self) -> None:
        """Leave nothing behind."""
        self.bench.close()


def _allocated(fd: int, size: int) -> bool:
    end = os.fstat(fd).st_size
    try:
        os.posix_fallocate(fd, end, size)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return False
        raise
    return True
