"""What a power cut must not do to packing, removing and erasing, on a disk that forgets what was not synced.

Each goes through many cuts with dice of their own: an earlier change of names may be lost and a later one not.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deskhand.core.names import key_of
from deskhand.store import audit_pack, erase, removal, scrub
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk
from deskhand.store.erase import Kept
from deskhand.store.files import Files, StrPath
from deskhand.store.scrub import Traces
from deskhand.testing.clock import FakeClock
from deskhand.testing.faulty_files import Crash
from deskhand.testing.lossy_files import LossyFiles
from deskhand.testing.sample_log import three_days

IDS = ("20260101-000000-one-aaaaaa", "20260101-000000-two-bbbbbb")
PARTS = ("task.json", "in.txt", "log")
DICE = 12


class Ending(LossyFiles):
    """Ends at call number *at*."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def before(self, operation: str, path: StrPath | int) -> None:
        """Count, and end where told."""
        self.left -= 1
        if self.left <= 0:
            raise Crash
        super().before(operation, path)


def dice(seed: int) -> Callable[[], bool]:
    """What a power cut loses; everything for the first one."""
    return partial(random.Random(seed).choice, (True, False)) if seed else lambda: True


def packed(files: LossyFiles, folder: Path) -> None:
    """A closed day that was packed, and whose plain file was removed."""
    three_days(folder / "whole", FakeClock()).close()
    for seed in range(DICE):
        shutil.copytree(folder / "whole", folder / "log")
        for segment in audit_pack.candidates(folder / "log", 4e9):
            assert audit_pack.pack(files, segment.path) is not None
            audit_pack.retire(files, segment.path)
        files.power_cut(dice(seed))
        assert verify(folder / "log").ok, "a day of the log is gone"
        shutil.rmtree(folder / "log")


def removed(files: LossyFiles, folder: Path) -> None:
    """Finished tasks that were just being removed: each is there or gone, as soon as it was gone on with."""
    desk = Desk(folder)
    completed = desk.folder("completed")
    Files().make_folder(desk.removing)
    for seed in range(DICE):
        for at in range(1, 16):
            Files().make_folder(completed)
            for path in (completed / f"{one}.{part}" for one in IDS for part in PARTS):
                path.write_bytes(b"x")
            ending = Ending(at)
            try:
                for _ in removal.remove(ending, desk, list(removal.standing(desk))):
                    pass
            except Crash:
                pass
            ending.power_cut(dice(seed))
            removal.finish(Files(), desk)
            for one in IDS:
                left = len(list(completed.glob(f"{one}.*")))
                assert left in (0, len(PARTS)), f"a task has {left} files left"
            shutil.rmtree(completed)


def erased(files: LossyFiles, folder: Path) -> None:
    """A task of which was said that it is forgotten."""
    desk = Desk(folder)
    Files().make_folder(desk.folder("completed"))
    paths = tuple(desk.folder("completed") / f"{IDS[0]}.{part}" for part in PARTS)
    for path in paths:
        path.write_bytes(b"x")
    assert erase.erase(files, desk, Kept(key_of(IDS[0]), paths, None)) == []
    files.power_cut()
    assert not any(path.exists() for path in paths), "it is there again"


def scrubbed(files: LossyFiles, folder: Path) -> None:
    """A note and a log that do not name it any more."""
    note, log = folder / "status.md", folder / "deskhand.log"
    note.write_text(f"- {IDS[0]}\n- other\n")
    log.write_text(f'{{"task":"{IDS[0]}"}}\n')
    traces = Traces(key_of(IDS[0]))
    assert scrub.scrub_note(files, note, traces) and scrub.scrub_log(files, log, traces) == 1
    files.power_cut()
    assert "-one-" not in note.read_text() + log.read_text(), "it is named again"
