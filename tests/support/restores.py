"""A desk, a backup of it and what happened since, for tests that restore it; and what a desk looks like."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from deskhand.core.record import Actor
from deskhand.engine.clock import SystemClock
from deskhand.engine.restoring import Restored, restore_in_place
from deskhand.host.found import init
from deskhand.store.archive_read import open_archive
from deskhand.store.files import Files
from tests.support import archives, invariants
from tests.support.inside import inside

PERSON = Actor(kind="person", via="command", uid=0)
NOTE = "vault/Notes/plan.md"


def picture(root: Path) -> dict[str, str]:
    """Path -> hash of every file in a desk but its lock file; folders and links by what they are."""
    found: dict[str, str] = {}
    for where, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(where, name)
            if name == ".lock":
                continue
            if path.is_symlink():
                said = f"-> {os.readlink(path)}"
            else:
                said = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = said
    return found


class Scene:
    """A desk, a backup of it, and what happened since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = init(folder / "desk")[0]
        (self.desk.root / NOTE).write_text("the plan\n")
        with inside(self.desk.root) as desk:
            self.waits = desk.drop(b"dear\n", name="letter.txt", recipe="hand-over")
            desk.until_state(self.waits, "waiting")
            self.other = desk.drop(b"sir\n", name="other.txt", recipe="hand-over")
            desk.until_state(self.other, "waiting")
            desk.engine.tick()
        (self.desk.inbox / "dropped.txt").write_text("waits\n")
        self.zip = archives.back_up(self.desk, folder / "backup_2026-09-21_12-26-40.zip")
        (self.desk.inbox / "dropped.txt").unlink()
        (self.desk.root / NOTE).write_text("somebody spoiled it\n")
        with inside(self.desk.root) as desk:
            desk._drops = 5
            desk.command("reject", key=self.other, reason="no")
            desk.until_state(self.other, "rejected")
            self.newer = desk.drop(b"new\n", name="new.txt", recipe="hand-over")
            desk.until_state(self.newer, "waiting")
            desk.engine.tick()

    def restore(self, files: Files | None = None) -> Restored:
        with open_archive(self.zip) as archive:
            return restore_in_place(
                files or Files(), self.desk, archive, clock=SystemClock(), actor=PERSON, stamp="2026-09-22"
            )

    def states(self) -> dict[str, str]:
        return {key: str(task.state) for key, task in invariants.project(invariants.read(self.desk)).items()}

    def of(self, key: str, folder: str) -> list[str]:
        """Ends of the names of a task's files in a state folder."""
        found = [path.name for path in self.desk.folder(folder).iterdir() if f"-{key[-6:]}." in path.name]
        return sorted(name.partition(".")[2] for name in found)
