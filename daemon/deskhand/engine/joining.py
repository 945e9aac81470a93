"""Making one desk out of one that was unpacked from a backup and what the old desk has that has to stay.

Nothing of the old desk is changed.  See ``engine.restoring`` for what stays and why.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from deskhand.core.names import OWN_PARTS, Part, key_of, member
from deskhand.core.state import ASKING, FOLDERS, LIVE_FOLDERS, STARTABLE, STATE_FOLDERS, State
from deskhand.core.task import Task, TaskFile, manifest_sha256
from deskhand.engine.view import View
from deskhand.errors import IntegrityError
from deskhand.store import task_files
from deskhand.store.archive_read import Archive
from deskhand.store.archive_unpack import make_folders, write_entry
from deskhand.store.carry_over import carry
from deskhand.store.desk import Desk
from deskhand.store.files import Files

ASIDE = "restored-drops"
"""Folder of a restored desk with the drops that waited in the backup."""
_FRESH = frozenset({".lock", ".control.sock", ".work", ".staging"})
"""In queue/: not brought along; `.staging` is looked through by itself."""


class Base(Struct, frozen=True):
    """Which log goes on."""

    view: View | None
    """The desk's own, if it does."""
    gap: str | None


class Joining:
    """Making one desk out of the unpacked one and what the old one has that has to stay."""

    def __init__(
        self, files: Files, old: Desk, new: Desk, archive: Archive, base: Base, tasks: Mapping[str, Task]
    ) -> None:
        self.files = files
        self.old = old
        self.new = new
        self.archive = archive
        self.base = base
        self.tasks: Mapping[str, Task] = tasks if base.view is None else base.view.unfinished
        self.missing = 0
        self.drops_aside = 0

    def join(self) -> None:
        """Everything, in an order in which the new desk's own files come first."""
        self._put_drops_aside()
        if self.base.view is not None:
            self.files.remove_tree(self.new.audit)
            carry(self.files, self.old.audit, self.new.audit, fixed=lambda path: False)
            self._join_queue(self.base.view)
            blessed = self.old.recipes / "blessed"
            if blessed.is_dir():  # the log that goes on has on record what was blessed since
                carry(self.files, blessed, self.new.recipes / "blessed", fixed=lambda path: False, over=True)
        else:
            self._keep_secret()
            self._keep_finished()
            self._put_unknown_aside()
        self._carry_rest()
        for path in (self.old.root, self.old.vault, self.old.inbox):
            if path.is_dir():
                mode = stat.S_IMODE(path.stat().st_mode)
                self.files.set_mode(self.new.root / path.relative_to(self.old.root), mode)
        self._recount()

    # -- drops -------------------------------------------------------------------------------------------------

    def _put_drops_aside(self) -> None:
        """What waits in the unpacked inbox and staging area goes where nothing takes it; the old desk's drops come."""
        for source in (self.new.inbox, self.new.claimed, self.new.dropped, self.new.partial, self.new.accepted):
            for path in list(_drops(source)):
                if source == self.new.inbox and os.path.lexists(self.old.inbox / path.relative_to(source)):
                    self.files.unlink(path)  # it still waits there, and comes along
                    continue
                where = f"{ASIDE}/{path.parent.relative_to(source)}".removesuffix("/.")
                make_folders(self.files, self.new.root, where, set())
                target = self.new.root / where / path.name
                number = 2
                while os.path.lexists(target):
                    target = target.with_name(f"{path.stem} ({number}){path.suffix}")
                    number += 1
                self.files.rename(path, target)
                self.drops_aside += 1
        if self.old.inbox.is_dir():
            carry(self.files, self.old.inbox, self.new.inbox, fixed=lambda path: False, over=True)

    # -- the queue, when the old desk's log goes on ------------------------------------------------------------

    def _join_queue(self, view: View) -> None:
        """The old desk's queue, and out of the backup what is missing there."""
        backed_up = self._backed_up()
        self.files.remove_tree(self.new.queue)
        self.files.make_folder(self.new.queue)
        damaged = {key for key, task in self.tasks.items() if not self._intact(view, key, task)}
        for name in _names(self.old.queue):
            if name in STATE_FOLDERS:
                self._carry_folder(name, damaged)
            elif name not in _FRESH:
                carry(self.files, self.old.queue / name, self.new.queue / name, fixed=lambda path: False)
        if self.old.staging.is_dir():
            carry(self.files, self.old.staging, self.new.staging, fixed=lambda path: False)
        standing = self._standing()
        for key, names in backed_up.items():
            task = self.tasks.get(key) or view.task(key)
            if task is None:
                continue
            for path, name in names:
                self._fill_in(task, path, name, standing[key])

    def _backed_up(self) -> dict[str, list[tuple[str, str]]]:
        """Key -> path below queue/ and entry, for every file of a task in the backup."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in self.archive.files:
            path = self.archive.real(name)
            if not path.startswith("queue/"):
                continue
            parts = path.split("/")[1:]
            at = next((at for at, part in enumerate(parts) if at and member(part) is not None), None)
            part = None if at is None or at > 2 else member(parts[at])
            if part is not None:
                found[key_of(part.id)].append(("/".join(parts), name))
        return found

    def _intact(self, view: View, key: str, task: Task) -> bool:
        """Whether the old desk has an unfinished task's description and input as they are on record."""
        place = view.place(key)
        if place is None:
            return False
        try:
            described: TaskFile = task_files.read(place.folder / f"{place.id}.{Part.TASK}", task.task_sha256)
            payload = place.folder / described.input
            return manifest_sha256(task_files.manifest(payload)) == task.input_sha256
        except (IntegrityError, OSError):
            return False

    def _carry_folder(self, folder: str, damaged: set[str]) -> None:
        target = self.new.folder(folder)
        self.files.make_folder(target)
        for name in _names(self.old.folder(folder)):
            part = member(name)
            if part is not None and part.part in OWN_PARTS and key_of(part.id) in damaged:
                continue
            carry(self.files, self.old.folder(folder) / name, target / name, fixed=_never_changes, over=True)

    def _standing(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for folder in STATE_FOLDERS:
            for _, folders, names in os.walk(self.new.folder(folder)):
                for name in (*folders, *names):
                    part = member(name)
                    if part is not None:
                        found[key_of(part.id)].add(name)
        for name in _names(self.new.accepted):
            part = member(name)
            if part is not None:
                found[key_of(part.id)].add(name)
        return found

    def _fill_in(self, task: Task, path: str, name: str, standing: set[str]) -> None:
        """Put one file of a task that the new desk lacks where the log says now that it belongs."""
        folder, *rest = path.split("/")
        if folder == ".requests":
            wanted = task.state in ASKING and str(task.digest).startswith(rest[0].split(".")[1])
            target = f"queue/{path}"
        else:
            at = next(at for at, part in enumerate(rest) if member(part) is not None)
            part = member(rest[at])
            wanted = part is not None and part.part in OWN_PARTS and rest[at] not in standing
            home = task.folder if task.key in self.tasks else FOLDERS[task.state]
            below = rest if home == folder else rest[at:]
            target = "/".join(("queue", home, *below))
        if wanted and not os.path.lexists(self.new.root / target):
            make_folders(self.files, self.new.root, os.path.dirname(target), set())
            write_entry(self.files, self.archive, name, self.new.root / target)

    # -- everything else ---------------------------------------------------------------------------------------

    def _keep_secret(self) -> None:
        """The old desk's secret, without which no drop is found by the `key:` of an older one."""
        if self.old.salt.is_file() and not self.old.salt.is_symlink():
            carry(self.files, self.old.salt, self.new.salt, fixed=lambda path: False)

    def _keep_finished(self) -> None:
        """What is over and still stands in the old desk, but for the tasks that the backup's log calls unfinished."""
        for folder in sorted(set(STATE_FOLDERS) - set(LIVE_FOLDERS)):
            for name in _names(self.old.folder(folder)):
                part = member(name)
                if part is None or key_of(part.id) not in self.tasks:
                    source, target = self.old.folder(folder) / name, self.new.folder(folder) / name
                    carry(self.files, source, target, fixed=_never_changes, over=True)

    def _put_unknown_aside(self) -> None:
        """The inputs of tasks that were taken since, of which no log tells any more."""
        for folder in LIVE_FOLDERS:
            for name in _names(self.old.folder(folder)):
                part = member(name)
                if part is not None and part.part is Part.INPUT and key_of(part.id) not in self.tasks:
                    make_folders(self.files, self.new.root, ASIDE, set())
                    target = self.new.root / ASIDE / name
                    self.drops_aside += carry(self.files, self.old.folder(folder) / name, target, fixed=_never_changes)

    def _carry_rest(self) -> None:
        """What is no part of a backup: other backups, secrets that were left out, and whatever else stands there."""
        ours = {self.new.config.name, "vault", "queue", "watch_inbox", "audit_logs"}
        for name in sorted(os.listdir(self.old.root)):
            if name not in ours:
                carry(self.files, self.old.root / name, self.new.root / name, fixed=lambda path: True)
        for said in self.archive.facts.left_out:
            path = said.partition(": ")[0].removeprefix("data/")
            self._bring_back(path)
        for link in self.archive.facts.links:
            self._bring_back(self.archive.real(link))

    def _bring_back(self, path: str) -> None:
        """What the backup does not have and the old desk still does, outside of queue/ and where folders allow it."""
        if path.split("/")[0] in ("queue", "watch_inbox", "audit_logs") or ".." in path.split("/"):
            return
        source, target = self.old.root / path, self.new.root / path
        if os.path.lexists(source) and not os.path.lexists(target) and target.parent.is_dir():
            carry(self.files, source, target, fixed=lambda path: False)

    def _recount(self) -> None:
        standing = self._standing()
        staged = {part.id for name in _names(self.new.accepted) if (part := member(name)) is not None}
        keys = self.tasks.keys() - set(map(key_of, staged))
        for key in keys:
            parts = {part.part for name in standing[key] if (part := member(name)) is not None}
            self.missing += not {Part.TASK, Part.INPUT} <= parts

    @property
    def in_doubt(self) -> int:
        """See :class:`Restored`."""
        states = {State.STARTED} if self.base.view is not None else {State.STARTED, *STARTABLE}
        return sum(task.state in states for task in self.tasks.values())


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def _never_changes(path: Path) -> bool:
    """Inputs, descriptions and results of tasks; not the output of attempts, which may be added to."""
    return path.suffix != f".{Part.LOG}"


def _drops(folder: Path) -> Iterator[Path]:
    """Files in a folder that may be drops; what keeps it alive stays."""
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            if name not in (".deskhand-keep", "README.md"):
                yield Path(where, name)
