"""An inbox as a stream of places: its own entries, and those in its routing folders.

Rules: nothing is opened but folders; links are reported as what they are; names that are never a drop (temporary ones,
the desk's own globs, those the inbox does not match) are left out.  The listing is read as it is consumed, so a folder
with 100,000 names is never held in memory.  :func:`check` is the only place that judges an inbox as such.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container, Iterator
from fnmatch import translate
from pathlib import Path

from deskhand.core.names import TEMPORARY
from deskhand.core.settings import Inbox
from deskhand.core.settle import DOWNLOADING, Kind, Observation
from deskhand.errors import ConfigError
from deskhand.store.desk import Desk
from deskhand.store.folder import Entry, Folder, observation
from deskhand.store.place import Place
from deskhand.store.tree import survey

PATH_MAX = 4096
"""Bytes of a path that the system takes."""
STAGING_LONGEST = len("/.staging/claimed/") + 200 + 1 + 255
"""Bytes that the longest path in staging adds to that of ``queue/``: a claimed folder's name and a drop's name."""


def location(desk: Desk, inbox: Inbox) -> Path:
    """The folder of an inbox, absolute; links in it are not resolved."""
    return desk.root / Path(inbox.path).expanduser()


def check(desk: Desk, inboxes: tuple[Inbox, ...]) -> list[str]:
    """Warnings about the inboxes.  ConfigError for what must not start: an inbox that is a link, a path too long."""
    if len(os.fsencode(desk.queue)) + STAGING_LONGEST >= PATH_MAX:
        raise ConfigError(
            *("checking the desk", "its path is so long that files in it could not be named"),
            path=desk.root,
            hint="move the desk to a folder with a shorter path",
        )
    warnings = []
    for inbox in inboxes:
        path = location(desk, inbox)
        try:
            found = path.lstat()
        except OSError as error:
            warnings.append(f"inbox {inbox.name}: {path}: {error.strerror}; it is watched for until it is there")
            continue
        if not stat.S_ISDIR(found.st_mode):
            what = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a folder"
            raise ConfigError(
                *("checking the inboxes", f"inbox {inbox.name} is {what}"),
                path=path,
                hint="give the real folder's path under inboxes: in deskhand.yaml",
            )
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            warnings.append(
                f"inbox {inbox.name}: {path}: everybody may write, rename and delete in it; chmod o-w, or +t it"
            )
    return warnings


class Names:
    """Which names of an inbox can be drops.  Built once: a look at 100,000 names must be quick."""

    def __init__(self, inbox: Inbox, ignore: tuple[str, ...]) -> None:
        self._ignored = re.compile("|".join(translate(glob.lower()) for glob in (*TEMPORARY, *ignore)))
        self._match = None if inbox.match == "*" else re.compile(translate(inbox.match.lower()))
        self._folders = inbox.folders

    def wanted(self, entry: Entry) -> bool:
        """Whether *entry* can be a drop at all."""
        if entry.kind is Kind.FOLDER and not self._folders:
            return False
        name = entry.name.lower()
        return self._ignored.match(name) is None and (self._match is None or self._match.match(name) is not None)


def observe(inbox: Inbox, root: Path, recipes: Container[str], names: Names) -> Iterator[tuple[Place, Entry] | None]:
    """Every possible drop of *inbox*, and None for each name that cannot be one: looking at it has cost time, too.

    *recipes*: names of routing folders.  OSError when the inbox cannot be read.
    """
    with Folder.open(root) as folder:
        for entry in folder.entries():
            if entry.kind is Kind.FOLDER and entry.name in recipes:
                yield from _routed(inbox, root, folder, entry.name, names)
            else:
                yield (Place(inbox.name, root, None, entry.name, inbox.poll), entry) if names.wanted(entry) else None


def _routed(inbox: Inbox, root: Path, folder: Folder, route: str, names: Names) -> Iterator[tuple[Place, Entry] | None]:
    try:
        inner = folder.folder(route)
    except OSError:
        # It vanished or may not be read; the next scan looks again, and the rest of the inbox goes on.
        return
    with inner:
        for entry in inner.entries():
            yield (Place(inbox.name, root, route, entry.name, inbox.poll), entry) if names.wanted(entry) else None


def find(inbox: Inbox, root: Path, recipes: Container[str], names: Names, path: Path) -> tuple[Place, Entry] | None:
    """The drop at *path* if it is one of this inbox; None otherwise, also when it is not there any more."""
    route: str | None = None
    if path.parent != root:
        if path.parent.parent != root or path.parent.name not in recipes:
            return None
        route = path.parent.name
    try:
        with Folder.open(root) as top:
            if route is None:
                entry = top.look(path.name)
            else:
                with top.folder(route) as inner:
                    entry = inner.look(path.name)
    except OSError:
        return None
    if route is None and entry.kind is Kind.FOLDER and entry.name in recipes:
        return None
    return (Place(inbox.name, root, route, path.name, inbox.poll), entry) if names.wanted(entry) else None


def look(place: Place, entry: Entry, limit: int) -> Observation:
    """What the settle rules want to know.  A folder is walked, up to *limit* entries.  OSError if it is unreadable."""
    if entry.kind is not Kind.FOLDER:
        return observation(entry)
    with Folder.open(place.root) as root:
        if place.route is None:
            return survey(root, place.name, uid=None, limit=limit).seen
        with root.folder(place.route) as folder:
            return survey(folder, place.name, uid=None, limit=limit).seen


def unfinished_downloads(place: Place) -> frozenset[str]:
    """The names beside a drop that browsers give to what they have not finished.  Empty when they cannot be read."""
    try:
        return frozenset(name for name in os.listdir(place.path.parent) if name.endswith(DOWNLOADING))
    except OSError:
        return frozenset()
