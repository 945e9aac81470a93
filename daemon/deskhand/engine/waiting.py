"""The drops that were seen and not yet taken: the intake's memory between two looks.

Rules: used by the deciding thread only; holds one small entry per waiting name and forgets it when the name is gone.
What to do is decided in ``core.settle``; this keeps what those rules need to know.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from operator import eq
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from deskhand.core import settle
from deskhand.core.settings import Intake as Rules
from deskhand.core.settle import Candidate, Ignore, Kind, Observation, Refuse, Stalled, Take, Wait
from deskhand.core.task import Source
from deskhand.engine.intake_facts import Identity, Refused
from deskhand.store.claim import Declined, Postponed, source_of
from deskhand.store.folder import Entry
from deskhand.store.place import Place
from deskhand.store.sources import alike

Key = tuple[str, str | None, str]
UNREADABLE_PAUSE = 5.0
"""Seconds between two looks at a drop that cannot be read."""


class Ready(Struct, frozen=True):
    """A drop to be taken now."""

    place: Place
    candidate: Candidate


class _Item(Struct, frozen=True):
    place: Place
    candidate: Candidate
    next_look: float
    sweep: int
    """Number of the last listing that had it."""
    stalled: bool = False


class _Shown(Struct, frozen=True):
    """A drop that was refused, or taken and not yet removed: skipped as long as it stays as it is."""

    source: Source
    sweep: int


class Waiting:
    """See the module."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._items: dict[Key, _Item] = {}
        self._looks: list[tuple[float, int, Key]] = []
        """When to look at which, earliest first; what has changed since is skipped."""
        self._count = count()
        self._refused: dict[Key, _Shown] = {}
        self._taken: dict[Key, _Shown] = {}
        self.in_flight: set[Key] = set()
        """Handed out and not heard of yet."""
        self._problems: list[Refused] = []

    def consider(
        self,
        place: Place,
        entry: Entry,
        look: Callable[[], Observation],
        downloads: Callable[[], frozenset[str]],
        now: float,
        sweep: int,
        *,
        moved_in: bool = False,
    ) -> Ready | None:
        """Judge one name.  *look* observes it (a folder is walked), *downloads* lists unfinished ones beside it."""
        key = place.key
        before = self._items.get(key)
        if key in self.in_flight:
            if before is not None:
                self._items[key] = replace(before, sweep=sweep)  # it is under way: no look is due
            return None
        if before is not None and self._too_early(before, entry, now, sweep, moved_in):
            return None
        try:
            seen = look()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._unreadable(place, entry, error, now, sweep)
            return None
        if self._known(key, source_of(seen), sweep):
            return None
        candidate = settle.observed(None if before is None else before.candidate, seen, now, moved_in=moved_in)
        if seen.kind is Kind.FILE and seen.size == 0:
            candidate = replace(candidate, awaits_download=settle.downloading(place.name, downloads()))
        return self._judge(place, candidate, now, sweep)

    def _too_early(self, item: _Item, entry: Entry, now: float, sweep: int, moved_in: bool) -> bool:
        """Whether a folder was walked just now; files are cheap to look at."""
        if entry.kind is not Kind.FOLDER or moved_in or now >= item.next_look:
            return False
        self._keep(replace(item, sweep=sweep))
        return True

    def _keep(self, item: _Item) -> None:
        before = self._items.get(item.place.key)
        self._items[item.place.key] = item
        if before is None or before.next_look != item.next_look:
            self._look_at(item)

    def _look_at(self, item: _Item) -> None:
        if item.next_look < inf and not item.place.copy_only:
            heappush(self._looks, (item.next_look, next(self._count), item.place.key))

    def _judge(self, place: Place, candidate: Candidate, now: float, sweep: int) -> Ready | None:
        verdict = settle.judge(candidate, self._rules, now)
        match verdict:
            case Take():
                self._keep(_Item(place, candidate, now, sweep))
                return Ready(place, candidate)
            case Wait(until) | Stalled(until):
                if candidate.seen.kind is Kind.FOLDER:
                    until = min(until, now + self._rules.settle_folder / 4)
                self._keep(_Item(place, candidate, until, sweep, isinstance(verdict, Stalled)))
            case Ignore():
                self._items.pop(place.key, None)
            case Refuse(reason):
                self.refuse(place, Declined(reason, candidate.seen.size), source_of(candidate.seen), sweep)
            case _:
                assert_never(verdict)
        return None

    def _unreadable(self, place: Place, entry: Entry, error: OSError, now: float, sweep: int) -> None:
        """A folder that cannot be walked: said once, tried again and again."""
        before = self._items.get(place.key)
        seen = Observation(entry.kind, entry.dev, entry.ino, entry.size, entry.mtime_ns, entry.ctime_ns)
        if before is None or before.candidate.seen != seen:
            reason = f"it cannot be read: {error.strerror}"
            self._problems.append(Refused(place.inbox, place.name, reason, entry.size))
        first = now if before is None else before.candidate.first_seen
        stalled = now - first >= self._rules.stalled_after
        candidate = Candidate(seen, first, now)
        self._keep(_Item(place, candidate, now + UNREADABLE_PAUSE, sweep, stalled))

    def _known(self, key: Key, source: Source, sweep: int) -> bool:
        # A new ctime makes a refused drop worth another try, but not a second task of one that was taken.
        for table, same in ((self._taken, alike), (self._refused, eq)):
            shown = table.get(key)
            if shown is not None:
                if same(shown.source, source):
                    table[key] = replace(shown, sweep=sweep)
                    return True
                del table[key]
        return False

    # -- what became of those handed out -----------------------------------------------------------------------

    def started(self, place: Place) -> None:
        """It was handed out."""
        self.in_flight.add(place.key)

    def taken(self, key: Key, copied: Source | None) -> None:
        """It is a task now; *copied*: what still stands under its name."""
        self.in_flight.discard(key)
        item = self._items.pop(key, None)
        if copied is not None:
            self._taken[key] = _Shown(copied, item.sweep if item else 0)

    def removed(self, key: Key) -> None:
        """What was copied does not stand under its name any more."""
        self._taken.pop(key, None)

    def postpone(self, key: Key, outcome: Postponed, now: float) -> None:
        """It was not ready after all."""
        self.in_flight.discard(key)
        item = self._items.get(key)
        if item is None:
            return
        self._look_at(item)
        candidate = item.candidate
        if not (outcome.writer or outcome.unreadable):
            # It changed: what it is now has to be seen before its quiet time can begin.
            self._keep(replace(item, candidate=settle.restless(candidate, now), next_look=now))
            return
        candidate = settle.refused_by_writer(candidate, now)
        verdict = settle.judge(candidate, self._rules, now)
        until = verdict.until if isinstance(verdict, Wait | Stalled) else now
        self._keep(replace(item, candidate=candidate, next_look=until, stalled=isinstance(verdict, Stalled)))

    def refuse(self, place: Place, outcome: Declined, source: Source | None = None, sweep: int = 0) -> None:
        """It cannot be taken as it is."""
        self.in_flight.discard(place.key)
        item = self._items.pop(place.key, None)
        if item is not None:
            source, sweep = source_of(item.candidate.seen), max(sweep, item.sweep)
        if source is not None:
            self._refused[place.key] = _Shown(source, sweep)
        self._problems.append(Refused(place.inbox, place.name, outcome.reason, outcome.bytes))

    def put_back(self, key: Key) -> None:
        """It was not tried, or it is gone; the next look decides."""
        self.in_flight.discard(key)
        item = self._items.get(key)
        if item is not None:
            self._look_at(item)

    def gone(self, key: Key) -> None:
        """Nothing stands under that name any more."""
        self.in_flight.discard(key)
        self._items.pop(key, None)

    # -- what the intake asks ----------------------------------------------------------------------------------

    def forget(self, inbox: str, sweep: int) -> None:
        """Drop what listing number *sweep* of *inbox*, which is complete, did not have."""
        for table in (self._items, self._refused, self._taken):
            old = [key for key, one in table.items() if key[0] == inbox and one.sweep < sweep]
            for key in old:
                if key not in self.in_flight:
                    del table[key]

    def identities(self, inbox: str) -> set[Identity]:
        """What stands in *inbox*, as far as it is known here."""
        shown = [one.source for table in (self._refused, self._taken) for key, one in table.items() if key[0] == inbox]
        shown += [source_of(item.candidate.seen) for key, item in self._items.items() if key[0] == inbox]
        return {(source.dev, source.ino) for source in shown}

    @property
    def unfinished(self) -> bool:
        """Whether something was seen that may become a task when it is finished."""
        return any(key not in self.in_flight and item.next_look < inf for key, item in self._items.items())

    def next_look(self) -> float | None:
        """When the earliest one is worth another look (monotonic seconds); None when none is.

        What a poll found is left out: only the next poll can tell more about it.
        """
        while self._looks:
            moment, _, key = self._looks[0]
            item = self._items.get(key)
            if item is not None and item.next_look == moment and key not in self.in_flight:
                return moment
            heappop(self._looks)
        return None

    def stalled(self) -> list[tuple[Place, float]]:
        """The drops that have been unfinished for too long, and when they were first seen (monotonic seconds)."""
        return [(item.place, item.candidate.first_seen) for item in self._items.values() if item.stalled]

    def problems(self) -> list[Refused]:
        """What is to be told, once."""
        told, self._problems = self._problems, []
        return told

    def report(self, refused: Refused) -> None:
        """Tell something else."""
        self._problems.append(refused)

    def __len__(self) -> int:
        return len(self._items)
