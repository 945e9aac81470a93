"""deskhand itself: a fresh desk, a real daemon."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deskhand.store.desk import Desk
from peers.contender import LEAVE_A_LINE
from peers.dropped import Dropped
from tests.support.fault_desk import FaultBench


class Deskhand(Dropped):
    """Files are moved into the folder of a recipe: ``keep`` (nothing is started) or ``command`` (a process is)."""

    name = "deskhand"
    ending = ".task.json"

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers
        self.setting = f"{workers} workers"

    @property
    def inbox(self) -> Path:
        """The recipe's folder."""
        return self.desk.inbox / self.kind

    @property
    def finished(self) -> Path:
        """Where they come out."""
        return self.desk.folder("completed")

    @property
    def desk(self) -> Desk:
        """The desk."""
        return Desk(self.folder / "desk")

    def prepare(self, folder: Path, kind: str) -> None:
        """A desk as ``init`` makes it, with the recipe of this *kind*."""
        super().prepare(folder, kind)
        (folder / "state").mkdir()
        before = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        try:
            bench = FaultBench(folder)
            self.desk.config.write_text(f"schema: 1\nrun: {{workers: {self._workers}}}\n")
            match kind:
                case "nothing":
                    bench.bless(kind, "keep")
                case "true":
                    bench.bless(kind, "command", argv=["true"])
                case _:
                    argv = ["sh", "-c", LEAVE_A_LINE, "sh", "{name}", str(folder / "marks")]
                    bench.bless(kind, "command", argv=argv)
        finally:
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before
        self.watch()

    def environment(self) -> dict[str, str]:
        """The desk, and nothing of this user's."""
        return {
            **super().environment(),
            "DESKHAND_DESK": str(self.desk.root),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def command(self) -> Sequence[str]:
        """The daemon."""
        return [sys.executable, "-m", "deskhand", "run"]

    def asked(self) -> set[str]:
        """Runs that were cut off: a person is asked whether they may be repeated."""
        found = set()
        for path in self.desk.approvals.glob("*.task.json"):
            name = msgspec.json.decode(path.read_bytes())["name"]
            found.add(str(name).removesuffix(".txt"))
        return found
