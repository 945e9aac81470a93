"""Removing a copied folder, whole or what an earlier removal left of it, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from deskhand.core.task import Source, manifest_sha256
from deskhand.store import sources
from deskhand.store.accept import take_in
from deskhand.store.claim import source_of
from deskhand.store.copied_folder import Manifest
from deskhand.store.files import Files, StrPath
from deskhand.store.folder import Folder
from deskhand.store.sources import Removed
from deskhand.store.tree import survey

NAMES = ("a.txt", "b.txt", "deep/c.txt", "z.txt")


class Copied:
    """A folder that was copied, and what is on record about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in NAMES:
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
        self.source = self.seen()
        self.manifest: Manifest | None = take_in(None, path, "folder")[0]
        self.sha256 = manifest_sha256(self.manifest or ())

    def seen(self) -> Source:
        """What a look at it finds now."""
        with Folder.open(self.path.parent) as folder:
            return source_of(survey(folder, self.path.name, uid=None, limit=100).seen)

    def without(self, *names: str) -> None:
        """Somebody, or we, removed these; later than it was copied."""
        for name in names:
            (self.path / name).unlink()
        later = self.source.mtime_ns + 10**9
        os.utime(self.path, ns=(later, later))

    def remove(self, files: Files | None = None) -> Removed:
        """Remove it."""
        return sources.remove(files or Files(), self.path, self.source, self.sha256, lambda: self.manifest)

    def names(self) -> list[str]:
        """The files in it."""
        return sorted(str(found.relative_to(self.path)) for found in self.path.rglob("*") if not found.is_dir())


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    """A folder that was copied."""
    return Copied(tmp_path / "trip")


@pytest.mark.parametrize("gone", [[], ["a.txt"], ["a.txt", "b.txt", "deep/c.txt"], ["deep/c.txt"], list(NAMES)])
def test_what_is_left_of_it_goes(copied: Copied, gone: list[str]) -> None:
    """In whatever order the disk kept the removals."""
    copied.without(*gone)
    assert copied.remove() is Removed.GONE
    assert not copied.path.exists()


def test_what_came_into_it_since_is_all_that_stays(copied: Copied) -> None:
    copied.without("a.txt", "b.txt")
    (copied.path / "deep/new.txt").write_text("new")
    assert copied.remove() is Removed.REPLACED
    assert copied.names() == ["deep/new.txt"]


def rewritten(path: Path) -> None:
    """The same number of other bytes, with the old time."""
    before = path.stat().st_mtime_ns
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(before, before))


def written_again(path: Path) -> None:
    """The same bytes, later."""
    later = path.stat().st_mtime_ns + 10**9
    path.write_text(path.read_text())
    os.utime(path, ns=(later, later))


def linked(path: Path) -> None:
    """A link in its place."""
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("change", [rewritten, written_again, linked])
def test_a_file_that_somebody_changed_makes_it_a_new_drop(copied: Copied, change: Callable[[Path], None]) -> None:
    copied.without("a.txt")
    change(copied.path / "z.txt")
    before = copied.names()
    assert copied.remove() is Removed.REPLACED
    assert copied.names() == before


@pytest.mark.parametrize("gone", [[], ["b.txt"]])
def test_what_somebody_put_together_anew_is_a_new_drop(copied: Copied, gone: list[str]) -> None:
    """What is missing is not what we would have removed first."""
    copied.without(*gone)
    (copied.path / "new.txt").write_text("new")
    before = copied.names()
    assert copied.remove() is Removed.REPLACED
    assert copied.names() == before


def test_another_folder_with_the_same_files_is_a_new_drop(copied: Copied) -> None:
    copied.path.rename(copied.path.with_name("before"))
    copied.path.mkdir()
    (copied.path / "z.txt").write_text("z.txt")
    os.utime(copied.path / "z.txt", ns=(copied.source.mtime_ns, copied.source.mtime_ns))
    assert copied.remove() is Removed.REPLACED
    assert copied.names() == ["z.txt"]


def test_without_the_list_what_may_be_left_of_it_stays(copied: Copied) -> None:
    copied.manifest = None
    copied.without("a.txt")
    assert copied.remove() is Removed.UNSURE
    assert copied.names() == ["b.txt", "deep/c.txt", "z.txt"]


def test_without_the_list_a_folder_with_something_later_in_it_is_a_new_drop(copied: Copied) -> None:
    copied.manifest = None
    copied.source = replace(copied.source, ctime_ns=(copied.path / "z.txt").stat().st_ctime_ns - 1)
    copied.without("a.txt")
    assert copied.remove() is Removed.REPLACED
    assert copied.names() == ["b.txt", "deep/c.txt", "z.txt"]


class ComesLate(Files):
    """Somebody puts a file into the folder right before one kind of call."""

    def __init__(self, operation: str, path: Path) -> None:
        self.operation = operation
        self.path = path

    def before(self, operation: str, path: StrPath | int) -> None:
        if operation == self.operation:
            self.path.write_text("late")


@pytest.mark.parametrize(
    ("operation", "name"), [("unlink", "late.txt"), ("unlink", "deep/late.txt"), ("rmtree", "late.txt")]
)
def test_what_comes_while_it_is_removed_is_not_lost(copied: Copied, operation: str, name: str) -> None:
    assert copied.remove(ComesLate(operation, copied.path / name)) is Removed.REPLACED
    assert copied.names() == [name]
