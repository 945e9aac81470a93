"""The copied drops whose tasks are on record and whose originals may still stand in an inbox.

Rules: what is known here is never taken again, under whatever name it stands; a file that was dropped under several
names is known as often.  It is forgotten only when the original was removed, or when a complete listing of its inbox,
on the filesystem that it was copied from, did not have it: a share that is away says nothing.  The log's snapshot keeps
the rest, so a crash at most brings back what is gone, and the next listing forgets that again.  On a filesystem that
has another device number by now, an original is known by its inode, size, time and bytes; those that are gone from
there are not forgotten, because nothing tells a filesystem with a new number from another one.  A folder whose removal
was cut off is known by its inode and what is left in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

from deskhand.core.task import Source
from deskhand.engine.intake_facts import Identity, Taken
from deskhand.store.copied_folder import Manifest
from deskhand.store.files import Files
from deskhand.store.sources import Removed, alike, marks, remove

CANNOT_REMOVE = "taken and on record, but it cannot be removed from the inbox; it is not taken again"
UNSURE = (
    "it may be what is left of a folder that is on record and whose task file is gone, so it is neither removed nor"
    " taken; move it out of the inbox for a moment to have it taken"
)
KEPT = {Removed.STUCK: CANNOT_REMOVE, Removed.UNSURE: UNSURE}
"""Why a drop stays where it is."""


class OnRecord:
    """See the module.  Used by the deciding thread only."""

    def __init__(self, manifest: Callable[[Taken], Manifest | None] = lambda taken: None) -> None:
        """*manifest*: what was copied, as its task says; None when that is gone."""
        self._manifest = manifest
        self._by_identity: dict[Identity, Taken] = {}
        self._by_marks: dict[tuple[int, int, int], Taken] = {}
        self._more: Counter[Identity] = Counter()
        """How many drops besides were other names of the same file."""

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self._by_identity)

    def add(self, taken: Iterable[Taken]) -> None:
        """These are on record."""
        for one in taken:
            before = self._by_identity.get(one.identity)
            if before is not None and alike(before.source, one.source):
                self._more[one.identity] += 1
                continue
            self._forget(one.identity)
            self._by_identity[one.identity] = self._by_marks[marks(one.source)] = one

    def remove(self, files: Files, path: Path, seen: Source, *, folder: bool = False) -> Removed:
        """Remove the drop at *path* if it is an original, or what is left of one; REPLACED when it is a new drop."""
        known = self._by_identity.get((seen.dev, seen.ino))
        if known is None or not alike(seen, known.source):
            known = self._by_marks.get(marks(seen)) or (self._rest(seen) if folder else None)
        if known is None:
            return Removed.REPLACED
        outcome = remove(files, path, known.source, known.input_sha256, partial(self._manifest, known))
        if outcome is Removed.GONE:
            self.removed(known.source)
        elif outcome is Removed.REPLACED and known.source.dev == seen.dev:
            self._forget(known.identity)
        return outcome

    def _rest(self, seen: Source) -> Taken | None:
        """That of which a folder may be what is left: the same inode, with other times and less in it."""
        here = self._by_identity.get((seen.dev, seen.ino))
        elsewhere = (one for one in self._by_identity.values() if one.source.ino == seen.ino)
        return here or next(elsewhere, None)

    def removed(self, source: Source) -> None:
        """It does not stand in its inbox any more, or one of its names does not."""
        key = source.dev, source.ino
        if self._more[key]:
            self._more[key] -= 1
        else:
            self._forget(key)

    def listed(self, inbox: str, device: int | None, there: Callable[[], Collection[Identity]]) -> None:
        """*inbox* was listed to its end, on *device*; *there*: the identities that it has."""
        mine = [key for key, one in self._by_identity.items() if one.inbox == inbox and key[0] == device]
        if mine:
            for key in set(mine).difference(there()):
                self._forget(key)
            self._by_identity = dict(self._by_identity)  # one that was large once stays large
            self._by_marks = dict(self._by_marks)

    def _forget(self, key: Identity) -> None:
        self._more.pop(key, None)
        known = self._by_identity.pop(key, None)
        if known is not None:
            self._by_marks.pop(marks(known.source), None)

    def __contains__(self, taken: object) -> bool:
        return isinstance(taken, Taken) and taken.identity in self._by_identity
