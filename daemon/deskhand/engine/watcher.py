"""Watches folders and rings: the only importer of watchdog.

Rules: an event is a hint, never a fact; what matters is learned by the scan that the ring causes.  The one thing kept
is which paths a rename put there, because nothing else can tell that later.  Whatever may break is looked at once a
tick by :meth:`Watcher.supervise` and built again: a thread that died, a folder that was replaced, a routing folder
that is new.  When the system has no watches left, it says so, and the scans go on alone.

Moves out of a folder are not listened to.  The library holds back every event behind one for half a second, to find
the other end of the move; each drop that is taken out of an inbox would delay the next one that comes in.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, ObservedWatch

from deskhand.core.settings import Settings
from deskhand.engine.intake_facts import EVERY_INBOX, InboxChange
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.observe import location

RETRY_TICKS = 30
"""Ticks between two attempts to get watches after the system had none left."""
NONE_LEFT = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
PROBE = ".deskhand-probe-"
"""Beginning of the names of files that are made to see whether their making is heard of."""
ROUTE = re.compile(r"[a-z0-9-]{1,40}\Z")

_FOLDERS: list[type[FileSystemEvent]] = [DirCreatedEvent, DirMovedEvent, DirDeletedEvent]
_ARRIVALS: list[type[FileSystemEvent]] = [*_FOLDERS, FileCreatedEvent, FileMovedEvent, FileClosedEvent]
_ALL: list[type[FileSystemEvent]] = [*_ARRIVALS, FileDeletedEvent]


class _Spot(Struct, frozen=True):
    """A folder to be watched, and for what."""

    inbox: str
    events: list[type[FileSystemEvent]]
    only: str | None = None
    """The one name in it that matters; None = all."""


class _Place(Struct, frozen=True):
    """A folder that is there and should be watched."""

    spot: _Spot
    identity: tuple[int, int]
    """Device and inode of the folder."""


class _Held(Struct, frozen=True):
    """A folder that is watched."""

    spot: _Spot
    watch: ObservedWatch
    ear: _Ear
    identity: tuple[int, int]
    """Device and inode of the folder."""


class _Ear(FileSystemEventHandler):
    """Hears about one folder; does no work."""

    def __init__(self, owner: Watcher, path: Path, only: str | None) -> None:
        self.lost = False
        """The folder itself was removed."""
        self._owner = owner
        self._path = str(path)
        self._only = None if only is None else str(path / only)

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called in a thread of the library."""
        try:
            source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
            if self._owner.is_probe(source):
                return
            if self._only is not None and self._only not in (source, target):
                return
            if isinstance(event, DirDeletedEvent) and source == self._path:
                self.lost = True
            moved_to = target if isinstance(event, FileMovedEvent | DirMovedEvent) else ""
            self._owner.heard(moved_to, alone=isinstance(event, FileMovedEvent))
        except Exception:  # noqa: BLE001  (whatever a callback raises would end the library's thread for good)
            self._owner.errors += 1


class Watcher:
    """See the module.  *ring* is called from the library's threads."""

    def __init__(self, desk: Desk, settings: Settings, ring: Callable[[], None]) -> None:
        self.errors = 0
        """Callbacks that raised."""
        self._desk = desk
        self._inboxes = [(inbox.name, location(desk, inbox)) for inbox in settings.inboxes if not inbox.poll]
        self._interval = settings.scan_interval
        self._ring = ring
        self._lock = threading.Lock()
        self._moved: set[str] = set()
        self._held: dict[Path, _Held] = {}
        self._blessed = desk.recipes / "blessed"
        self._known_routes: list[str] | None = None
        self._spots: dict[Path, _Spot] = {}
        """Of the routes that are known."""
        self._elsewhere = True
        """Something else changed than what renames put somewhere."""
        self._observer: BaseObserver | None = None
        self._ticks_left = 0
        self._limited = False
        self._probing = threading.Condition()
        self._probes: dict[str, bool] = {}
        """Path of a file that was made to be heard of -> whether it was."""

    @property
    def mode(self) -> str:
        """`events`, or `scan only` when the system has no watches left."""
        return "scan only" if self._limited else "events"

    def moved(self) -> tuple[set[str], bool]:
        """The paths that a rename put into a watched folder since the last call, and whether anything else changed."""
        with self._lock:
            moved, self._moved = self._moved, set()
            elsewhere, self._elsewhere = self._elsewhere, False
        return moved, elsewhere

    def heard(self, moved_to: str, *, alone: bool = False) -> None:
        """Something changed; called from any thread.

        *moved_to*: the path that a rename put there, or empty; *alone*: nothing else can have changed by it.
        """
        with self._lock:
            if moved_to:
                self._moved.add(moved_to)
            self._elsewhere |= not alone
        self._ring()

    def is_probe(self, path: str) -> bool:
        """Whether a change at *path* is that of a probe; if so, it was heard.  Called from any thread."""
        if PROBE not in path:
            return False
        with self._probing:
            if path in self._probes:
                self._probes[path] = True
                self._probing.notify_all()
        return True

    def probe(self, files: Files, patience: float) -> tuple[dict[str, float | None], dict[str, str]]:
        """Make a file in each inbox that is watched and see whether that is heard of.  Not for the deciding thread.

        Inbox -> seconds it took, None when nothing was heard within *patience* seconds; and inbox -> why no file could
        be made there.  The name is one that no intake takes, and the file is removed again.
        """
        heard: dict[str, float | None] = {}
        failed: dict[str, str] = {}
        for name, root in self._inboxes:
            path = root / f"{PROBE}{secrets.token_hex(6)}.tmp"
            self._probes[str(path)] = False
            try:
                files.create(path, b"", sync=False)
                heard[name] = self._until_heard(str(path), patience)
                files.unlink(path)
            except OSError as error:
                failed[name] = error.strerror or str(error)
            finally:
                del self._probes[str(path)]
        return heard, failed

    def _until_heard(self, path: str, patience: float) -> float | None:
        start = time.monotonic()
        with self._probing:
            there = self._probing.wait_for(lambda: self._probes[path], patience)
        return time.monotonic() - start if there else None

    def supervise(self) -> list[InboxChange]:
        """Once a tick, before the scan: watch what has to be watched; what changed in that."""
        if self._limited and self._ticks_left > 0:
            self._ticks_left -= 1
            return []
        changes = self._revive()
        wanted = self._wanted()
        for path, held in list(self._held.items()):
            if path not in wanted:
                self._let_go(path)
            elif not self._sound(held, wanted[path].identity):
                self._let_go(path)
                if _identity(path) is not None:
                    reason = f"{path.name}/ was replaced or its watch had ended; it is watched anew"
                    changes.append(InboxChange(held.spot.inbox, degraded=False, reason=reason))
        try:
            for path, place in wanted.items():
                if path not in self._held:
                    self._hold(path, place.spot)
        except OSError as error:
            if error.errno not in NONE_LEFT:
                raise
            return [*changes, *self._limit(error)]
        if self._limited:
            self._limited = False
            changes.append(InboxChange(EVERY_INBOX, degraded=False, reason="changes are noticed at once again"))
        return changes

    def close(self) -> None:
        """End the library's threads."""
        observer, self._observer = self._observer, None
        self._held.clear()
        if observer is not None:
            observer.stop()
            if observer.ident is not None:
                observer.join()

    # -- one folder --------------------------------------------------------------------------------------------

    def _wanted(self) -> dict[Path, _Place]:
        """Inboxes, their routing folders, what commands and people answer with, and where an inbox may reappear."""
        routes = self._routes()
        if routes != self._known_routes:
            self._known_routes, self._spots = routes, self._all_spots(routes)
        found = ((path, spot, _identity(path)) for path, spot in self._spots.items())
        return {path: _Place(spot, identity) for path, spot, identity in found if identity is not None}

    def _all_spots(self, routes: list[str]) -> dict[Path, _Spot]:
        """Every folder that is worth watching when it is there."""
        found: dict[Path, _Spot] = {}
        for name, root in self._inboxes:
            found[root] = _Spot(name, _ARRIVALS)
            for route in routes:
                found[root / route] = _Spot(name, _ARRIVALS)
        found[self._desk.approvals] = _Spot(EVERY_INBOX, _ALL)
        found[self._desk.dropped] = _Spot(EVERY_INBOX, _ARRIVALS)
        for name, root in self._inboxes:
            found.setdefault(root.parent, _Spot(name, _FOLDERS, root.name))
        return found

    def _routes(self) -> list[str]:
        """Names that routing folders can have.  Only watched here; what routes is for the intake to say."""
        try:
            return sorted(name for name in os.listdir(self._blessed) if ROUTE.match(name))
        except OSError:
            return []

    def _hold(self, path: Path, spot: _Spot) -> None:
        observer = self._observer
        if observer is None:
            observer = _observer()
            observer.start()
            self._observer = observer
        identity = _identity(path)
        ear = _Ear(self, path, spot.only)
        try:
            watch = observer.schedule(ear, str(path), recursive=False, event_filter=spot.events)
        except (FileNotFoundError, NotADirectoryError):
            return
        if identity is not None:
            self._held[path] = _Held(spot, watch, ear, identity)

    def _let_go(self, path: Path) -> None:
        held = self._held.pop(path)
        if self._observer is not None:
            self._observer.unschedule(held.watch)

    def _sound(self, held: _Held, identity: tuple[int, int]) -> bool:
        """Whether the watch is on the folder that is there now, and its thread alive."""
        if held.ear.lost or identity != held.identity or self._observer is None:
            return False
        return any(emitter.watch is held.watch and emitter.is_alive() for emitter in self._observer.emitters)

    # -- the whole ---------------------------------------------------------------------------------------------

    def _revive(self) -> list[InboxChange]:
        """Start again when a thread of the library that serves every folder has ended."""
        observer = self._observer
        if observer is None or _alive(observer):
            return []
        self.close()
        return [InboxChange(EVERY_INBOX, degraded=False, reason="watching had ended; it was started again")]

    def _limit(self, error: OSError) -> list[InboxChange]:
        self._ticks_left = RETRY_TICKS
        if self._limited:
            return []
        self._limited = True
        reason = (
            f"the system has no watches left ({error.strerror or error}); changes are found by the scan every"
            f" {self._interval:g} s; raise fs.inotify.max_user_watches or max_user_instances"
        )
        return [InboxChange(EVERY_INBOX, degraded=True, reason=reason)]


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the folder at *path*; None when there is none (a link is none)."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


if sys.platform == "linux":
    from watchdog.observers.inotify import InotifyFullEmitter
    from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask

    class _Emitter(InotifyFullEmitter):
        """Tells a rename into the folder from a new file; does not listen to moves out of it."""

        def get_event_mask_from_filter(self) -> Mask:
            return Mask(super().get_event_mask_from_filter() & ~InotifyConstants.IN_MOVED_FROM)

    class _Observer(BaseObserver):
        def __init__(self) -> None:
            self.reader = InotifyFD()
            self.reader.start()
            super().__init__(_Emitter, inotify_fd=self.reader)

        def on_thread_stop(self) -> None:
            super().on_thread_stop()
            self.reader.stop()
            self.reader.join()

    def _observer() -> BaseObserver:
        return _Observer()

    def _alive(observer: BaseObserver) -> bool:
        return observer.is_alive() and isinstance(observer, _Observer) and observer.reader.is_alive()

else:
    from watchdog.observers import Observer

    def _observer() -> BaseObserver:
        return Observer()

    def _alive(observer: BaseObserver) -> bool:
        return observer.is_alive()
