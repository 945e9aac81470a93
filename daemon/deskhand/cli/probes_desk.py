"""``deskhand doctor``: the desk's folders, its disk, and the daemon.

The checks try what the daemon does, with files of their own that are removed again (``.deskhand-...``, a name that is
never a drop).
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from deskhand.cli import show
from deskhand.cli.frame import Frame
from deskhand.cli.probe import Result, fail, ok, unknown, warn
from deskhand.cli.status_facts import process_exists
from deskhand.core.state import STATE_FOLDERS
from deskhand.host.client import daemon_alive
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.lease import has_writer
from deskhand.store.lock import holder
from deskhand.store.mounts import filesystem, is_remote

FULL, LOW = 50 * 1000**2, 1000**3
"""Bytes free below which a disk fails, or is warned about."""
OLD = 3600.0
"""Seconds after which a temporary file is left over."""


class DeskProbes:
    """The checks of one desk."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk: Desk = frame.desk
        self._inboxes = [(inbox, self._desk.root / Path(inbox.path).expanduser()) for inbox in frame.settings.inboxes]

    def folders(self) -> Iterator[Result]:
        """Whether files can be made where they have to be."""
        desk = self._desk
        needed = [*(desk.folder(name) for name in STATE_FOLDERS), desk.audit, desk.vault, desk.logs]
        wrong = False
        for folder in needed:
            shown = show.path(folder, below=desk.root)
            if not folder.is_dir():
                continue  # The daemon makes it.
            problem = _cannot_write(folder)
            if problem is not None:
                wrong = True
                yield fail("folders", f"{shown} is not writable: {problem}", f"chown or chmod {shown}")
        if not wrong:
            yield ok("folders", f"{len(needed)} folders are writable, or are made at the first start")

    def inboxes(self) -> Iterator[Result]:
        """The watched folders: there, not a link, and whose they are."""
        for inbox, path in self._inboxes:
            name, shown = f"inbox {inbox.name}", show.path(path, below=self._desk.root)
            if path.is_symlink():
                yield fail(name, f"{shown} is a symbolic link", "write the folder that it leads to into deskhand.yaml")
            elif not path.is_dir():
                yield warn(name, f"{shown} is not there; nothing is taken until it is", f"mkdir {shown}")
            else:
                yield from self._inbox(name, path, poll=inbox.poll)

    def _inbox(self, name: str, path: Path, *, poll: bool) -> Iterator[Result]:
        shown = show.path(path, below=self._desk.root)
        mode, remote = path.stat().st_mode, is_remote(path)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            text = f"{shown} is writable for everybody, who can also take away what others dropped"
            yield warn(name, text, f"chmod o-w {shown}")
        if remote is not None and not poll:
            fix = "set `poll: true` for it in deskhand.yaml"
            yield warn(name, f"{shown} is on {remote}, where changes by others are not noticed", fix)
        elif os.stat(path).st_dev != os.stat(self._desk.queue).st_dev:
            yield warn(name, f"{shown} is on another filesystem than queue/: drops are copied, not moved")
        elif not os.access(path, os.W_OK | os.X_OK):
            yield fail(name, f"{shown} is not writable, so nothing can be taken out of it", f"chmod u+wx {shown}")
        else:
            yield ok(name, f"{shown} is on the same filesystem as queue/")

    def disk(self) -> Iterator[Result]:
        """The filesystem of the queue, and how much room there is."""
        kind, remote = filesystem(self._desk.queue), is_remote(self._desk.queue)
        if remote is not None:
            text = f"queue/ is on {remote}, whose renames and locks are not this machine's alone"
            yield fail("filesystem", text, "put the desk on a local disk; an inbox may stay there with `poll: true`")
        elif kind is None:
            yield unknown(
                "filesystem", "this system does not say what queue/ is on", "make sure that it is a local disk"
            )
        else:
            yield ok("filesystem", f"queue/ is on {kind}")
        free = shutil.disk_usage(self._desk.queue).free
        text = f"{show.size(free)} free"
        if free < LOW:
            yield (fail if free < FULL else warn)(
                "disk", f"only {text}", "make room; drops wait while the disk is full"
            )
        else:
            yield ok("disk", text)

    def leases(self) -> Iterator[Result]:
        """Whether a file that is still being written can be told from a finished one."""
        path = _trial_name(self._desk.queue)
        files = Files()
        files.create(path, b"x", sync=False)
        try:
            with path.open("rb") as reader:
                quiet = has_writer(reader.fileno(), path)
                with path.open("ab"):
                    busy = has_writer(reader.fileno(), path)
        finally:
            files.unlink(path)
        if (quiet, busy) == (False, True):
            yield ok("leases", "a file that is still being written is recognized at once")
        else:
            settle = self._frame.settings.intake.settle
            text = f"writers cannot be seen here; a drop counts as finished when it was quiet for {settle:g} s"
            yield warn("leases", text, "raise intake.settle if slow programs write into an inbox")

    def daemon(self) -> Iterator[Result]:
        """Who holds the desk."""
        known = holder(self._desk.lock)
        if daemon_alive(self._desk):
            yield ok("daemon", f"runs (pid {'unknown' if known is None else known.pid}) and answers")
        elif known is not None and process_exists(known.pid):
            text = f"none answers, but process {known.pid}, which held the desk last, exists; it may be another one now"
            yield unknown("daemon", text, f"ps -p {known.pid}")
        else:
            yield ok("daemon", "none runs; start one: deskhand run")

    def leftovers(self) -> Iterator[Result]:
        """Temporary files that nobody needs any more."""
        desk = self._desk
        folders = [desk.root, desk.queue, desk.audit, desk.approvals, desk.requests, desk.vault / "_deskhand"]
        oldest = time.time() - OLD
        found = list(_old(folders, oldest))
        if not daemon_alive(desk):
            found += [path for folder in (desk.partial, desk.work) for path in _entries(folder)]
        if found:
            shown = ", ".join(show.path(path, below=desk.root) for path in found[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            yield warn(
                "leftovers", f"{shown}{more}", "the next start of the daemon clears queue/; the others can be deleted"
            )
        else:
            yield ok("leftovers", "no temporary files")


def _trial_name(folder: Path) -> Path:
    return folder / f".deskhand-doctor-{secrets.token_hex(6)}.tmp"


def _cannot_write(folder: Path) -> str | None:
    path, files = _trial_name(folder), Files()
    try:
        files.create(path, b"", sync=False)
        files.unlink(path)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _old(folders: Iterable[Path], oldest: float) -> Iterator[Path]:
    for folder in folders:
        for path in _entries(folder):
            if path.name.startswith(".deskhand-") and path.name.endswith(".tmp") and path.lstat().st_mtime < oldest:
                yield path
