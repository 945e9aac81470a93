"""A fresh desk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from deskhand.core.names import ignored, member
from deskhand.core.state import STATE_FOLDERS
from deskhand.errors import StoreError
from deskhand.store import skeleton
from deskhand.store.files import Files
from deskhand.testing.faulty_files import Crash, FaultyFiles


def picture(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_writes_every_entry_and_every_folder(tmp_path: Path) -> None:
    desk = tmp_path / "a" / "desk"
    written = skeleton.write(Files(), desk)
    assert written == tuple(entry.path for entry in skeleton.entries())
    assert picture(desk) == {entry.path: entry.data for entry in skeleton.entries()}
    assert {path.name for path in (desk / "queue").iterdir() if path.is_dir()} == set(STATE_FOLDERS)
    assert (desk / "queue" / "pending").stat().st_mode & 0o077 == 0, "other people's documents"


def test_never_overwrites_and_repairs(tmp_path: Path) -> None:
    skeleton.write(Files(), tmp_path)
    mine = tmp_path / "queue" / "README.md"
    mine.write_text("mine")
    gone = tmp_path / "audit_logs" / "README.md"
    gone.unlink()
    assert skeleton.write(Files(), tmp_path) == ("audit_logs/README.md",)
    assert mine.read_text() == "mine"
    assert gone.exists()
    assert skeleton.write(Files(), tmp_path) == ()


def test_a_crash_at_every_call_is_repaired_by_writing_again(tmp_path: Path) -> None:
    whole = {entry.path: entry.data for entry in skeleton.entries()}
    counting = FaultyFiles()
    skeleton.write(counting, tmp_path / "count")
    for at in range(1, len(counting.calls) + 1, 3):
        folder = tmp_path / str(at)
        with pytest.raises(Crash):
            skeleton.write(FaultyFiles(at), folder)
        skeleton.write(Files(), folder)
        assert picture(folder) == whole


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    def creating(operation: str, path: object) -> bool:
        return operation == "create"

    with pytest.raises(StoreError, match="No space left") as caught:
        skeleton.write(FaultyFiles(1, errno.ENOSPC, only=creating), tmp_path)
    assert caught.value.path == str(tmp_path / skeleton.entries()[0].path)


def test_paths_are_plain_and_nothing_in_an_inbox_or_state_folder_is_a_drop() -> None:
    for entry in skeleton.entries():
        path = Path(entry.path)
        assert not path.is_absolute() and ".." not in path.parts
        if path.parts[0] == "watch_inbox" or (path.parts[0] == "queue" and len(path.parts) > 2):
            assert ignored(path.name) and member(path.name) is None
