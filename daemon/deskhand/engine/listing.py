"""Listing one inbox, a stretch at a time, and saying when it is not there.

Rules: a listing goes on where the last stretch ended, so that a tick stays short however many names there are; a new
one begins when the last is complete.  A polled inbox is listed by another thread, because a mount that is away may
hold up whoever touches it; it is listed once per scan interval.  An inbox that is not there is reported once and looked
for again at every scan; it is never made.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from pathlib import Path

from msgspec import Struct

from deskhand.core.settings import Inbox
from deskhand.core.settle import Kind, Observation
from deskhand.engine.intake_facts import InboxChange
from deskhand.store.desk import Desk
from deskhand.store.folder import Entry
from deskhand.store.observe import Names, find, location, look, observe
from deskhand.store.place import Place

FEW = 32
"""Paths that are looked for by name; more are met in the listing, which then is no slower."""
POLL_MAX = 20_000
"""Names of a polled inbox looked at per poll."""


class Name(Struct, frozen=True):
    """A listed name; *seen* is given when it was observed by the listing thread."""

    place: Place
    entry: Entry
    seen: Observation | OSError | None = None


class Listing:
    """One inbox."""

    def __init__(self, desk: Desk, inbox: Inbox, ignore: tuple[str, ...], max_files: int) -> None:
        self.inbox = inbox
        self.root: Path = location(desk, inbox)
        self.sweep = 1
        """Number of the listing under way."""
        self.complete = False
        """Whether the last one came to its end."""
        self.future: Future[list[Name]] | None = None
        """A poll under way."""
        self.due = 0.0
        """When the next poll is due (monotonic seconds)."""
        self.device: int | None = None
        """Device of the inbox when it was last listed: another one when a share is away."""
        self._names = Names(inbox, ignore)
        self._prefix = f"{self.root}{os.sep}"
        self._moved: dict[str, int] = {}
        """Where renames put something -> number of the listing under way when that was heard."""
        self._max_files = max_files
        self._stream: Iterator[tuple[Place, Entry] | None] | None = None
        self._trouble: str | None = None
        self._changes: list[InboxChange] = []

    def heard(self, moved: Iterable[str]) -> None:
        """Renames put something at these paths."""
        for path in moved:
            if path.startswith(self._prefix):
                self._moved[path] = self.sweep

    def by_name(self, recipes: Collection[str]) -> list[Name]:
        """What was just moved in, if it is little: found however long the listing is."""
        if not 0 < len(self._moved) <= FEW:
            return []
        found = [find(self.inbox, self.root, recipes, self._names, Path(path)) for path in self._moved]
        names = [Name(*one) for one in found if one is not None]
        there = {os.path.join(self.root, name.place.route or "", name.place.name) for name in names}
        self._moved = {path: sweep for path, sweep in self._moved.items() if path in there}
        return names

    def moved_in(self, place: Place) -> bool:
        """Whether a rename put this drop there; told once."""
        return bool(self._moved) and self._moved.pop(str(place.path), None) is not None

    def stretch(self, recipes: Collection[str], budget: int) -> list[Name]:
        """What can be a drop among the next *budget* names.  `complete` and `sweep` say where the listing stands."""
        self.complete = False
        if budget == 0:
            return []
        if self._stream is None:
            self._stream = observe(self.inbox, self.root, recipes, self._names)
            self.device = _device(self.root)
        try:
            found = list(islice(self._stream, budget))
        except OSError as error:
            self._failed(error)
            return []
        self._works()
        if len(found) < budget:
            self._stream = None
            self.complete = True
        return [Name(*one) for one in found if one is not None]

    def poll(self, recipes: Collection[str]) -> list[Name]:
        """List and observe everything; called in the polling thread.  OSError when the inbox cannot be read."""
        names = []
        self.device = _device(self.root)
        wanted = (one for one in observe(self.inbox, self.root, recipes, self._names) if one is not None)
        for place, entry in islice(wanted, POLL_MAX):
            seen: Observation | OSError | None = None
            if entry.kind is Kind.FOLDER:
                try:
                    seen = look(place, entry, self._max_files)
                except OSError as error:
                    seen = error
            names.append(Name(place, entry, seen))
        return names

    def polled(self) -> list[Name]:
        """What a finished poll found."""
        future, self.future = self.future, None
        if future is None or future.cancelled():
            return []
        try:
            names = future.result()
        except OSError as error:
            self._failed(error)
            return []
        self._works()
        self.complete = True
        return names

    def seen(self, name: Name) -> Observation:
        """The observation of a listed name.  OSError when it cannot be read."""
        if isinstance(name.seen, OSError):
            raise name.seen
        return name.seen or look(name.place, name.entry, self._max_files)

    def next_sweep(self) -> None:
        """The complete listing was used up."""
        self._moved = {path: sweep for path, sweep in self._moved.items() if sweep == self.sweep}
        self.sweep += 1

    def changes(self) -> list[InboxChange]:
        """What is to be told, once."""
        told, self._changes = self._changes, []
        return told

    def next_due(self, now: float) -> float | None:
        """When there is something to do about it (monotonic seconds); None when only a change can bring something."""
        if self.future is not None:
            return now if self.future.done() else None
        if self.inbox.poll:
            return self.due
        return now if self.under_way else None

    def busy(self, now: float) -> bool:
        """Whether it is being listed.  A mount that is away can hold a poll up: it counts until the next one is due."""
        return self.under_way or (self.future is not None and now < self.due)

    @property
    def under_way(self) -> bool:
        """Whether there are names that the last stretch did not come to."""
        return self._stream is not None

    @property
    def trouble(self) -> str | None:
        """Why it cannot be listed now."""
        return self._trouble

    def _failed(self, error: OSError) -> None:
        self._stream = None
        self.complete = True
        reason = _reason(error)
        if reason != self._trouble:
            self._trouble = reason
            self._changes.append(InboxChange(self.inbox.name, degraded=True, reason=reason))

    def _works(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._changes.append(InboxChange(self.inbox.name, degraded=False, reason="the inbox can be read again"))


def _device(path: Path) -> int | None:
    try:
        return path.lstat().st_dev
    except OSError:
        return None


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "the inbox is not there; nothing is taken until it is back"
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "the inbox is not a folder any more; nothing is taken from it"
    return f"the inbox cannot be read: {error.strerror or os.strerror(error.errno or 0)}"
