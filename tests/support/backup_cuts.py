"""What a power cut must not do to backups, to what is restored from one, and to an incident's note.

On a disk that forgets what was not synced.
"""

from __future__ import annotations

import errno
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from deskhand.core.backup_facts import BackupFacts, HeadFacts
from deskhand.core.backup_name import AGE, PARTIAL
from deskhand.host.found import init
from deskhand.store import age_file, backup_folder
from deskhand.store.archive_read import open_archive
from deskhand.store.archive_write import ArchiveWriter
from deskhand.store.desk import Desk
from deskhand.store.files import FsyncError
from deskhand.store.incident_notes import IncidentNotes
from deskhand.store.restore_folder import restore_file, restore_to
from deskhand.testing.lossy_files import LossyFiles
from tests.support import archives
from tests.support.restores import NOTE, Scene

NAME = "backup_2026-09-21_12-26-40.zip"
FACTS = BackupFacts(
    format=1,
    deskhand="0",
    name=NAME,
    created="2026-09-21T12:26:40.000000Z",
    full=True,
    log_id="x",
    head=HeadFacts("audit_2026-09-21.jsonl", 1, 1, "0" * 64),
    counts={},
)


class NoSyncfs(LossyFiles):
    """A system that cannot sync a whole filesystem."""

    def sync_filesystem(self, fd: int) -> None:
        """It is not there."""
        raise FsyncError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def made(files: LossyFiles, folder: Path) -> None:
    """A backup of which was said that it is made."""
    with backup_folder.held(files, Desk(folder), "testing") as backups:
        writer = ArchiveWriter(files, backups / f"{NAME}{PARTIAL}")
        writer.finish(lambda _: FACTS, "unzip\n", now=1.0)
        whole = writer.path.read_bytes()
        path = backup_folder.finish(files, writer.path)
    files.power_cut()
    assert path.read_bytes() == whole, "the backup is empty"


def copied(files: LossyFiles, folder: Path) -> None:
    """A copy of one on another disk."""
    source, target = folder / NAME, folder / "usb"
    source.write_bytes(b"a backup")
    target.mkdir()
    path = backup_folder.copy_to(files, source, target, sha256(b"a backup").hexdigest())
    files.power_cut()
    assert path.read_bytes() == b"a backup", "the copy is empty"


def encrypted(files: LossyFiles, folder: Path) -> None:
    """An encrypted one; the plain one is removed then."""
    pyrage = pytest.importorskip("pyrage", reason="needs the extra `age`, which not every platform has")
    plain, target = folder / NAME, folder / f"{NAME}{AGE}{PARTIAL}"
    plain.write_bytes(b"a backup")
    identity = pyrage.x25519.Identity.generate()
    age_file.encrypt(files, plain, target, [identity.to_public()])
    path = backup_folder.finish(files, target)
    files.power_cut()
    assert path.stat().st_size > 0, "the encrypted backup is empty"
    assert pyrage.decrypt(path.read_bytes(), [identity]) == b"a backup"


def note(files: LossyFiles, folder: Path) -> None:
    """The note of an incident that a person was told to fill in, and what was written below it at the end."""
    notes = IncidentNotes(files, Desk(folder))
    path = notes.write("incident-1", "begun\n")
    files.power_cut()
    assert path.read_text() == "begun\n", "the note is empty"
    notes.revise("incident-1", lambda text: f"{text}closed\n")
    files.power_cut()
    assert path.read_text() == "begun\nclosed\n", "what stood in the note is gone"


def restored(files: LossyFiles, folder: Path) -> None:
    """A desk that was made out of a backup."""
    desk = init(folder / "desk")[0]
    (desk.root / NOTE).write_text("the plan\n")
    with open_archive(archives.back_up(desk, folder / NAME)) as archive:
        restore_to(files, archive, folder / "again")
    files.power_cut()
    assert (folder / "again" / NOTE).read_text() == "the plan\n", "the restored desk is empty"


def restored_elsewhere(files: LossyFiles, folder: Path) -> None:
    """The same where files have to be synced one by one."""
    restored(NoSyncfs(), folder)


def brought_back(files: LossyFiles, folder: Path) -> None:
    """One note that was brought back."""
    desk = init(folder / "desk")[0]
    (desk.root / NOTE).write_text("the plan\n")
    with open_archive(archives.back_up(desk, folder / NAME)) as archive:
        shutil.rmtree((desk.root / NOTE).parent)
        path = restore_file(files, archive, NOTE, desk.root, "2026-09-22")
    files.power_cut()
    assert path.read_text() == "the plan\n", "the note is empty"


def in_place(files: LossyFiles, folder: Path) -> None:
    """A desk of which was said that it was restored; the old one is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        scene = Scene(folder)
        kept = scene.restore(files).kept
    files.power_cut()
    assert (scene.desk.root / NOTE).read_text() == "the plan\n", "the old desk is there again"
    assert (kept / NOTE).read_text() == "somebody spoiled it\n", "the old desk has no name any more"
    shutil.rmtree(kept)
