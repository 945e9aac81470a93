"""The copied drops whose tasks are on record and whose originals may still stand in an inbox.

Rules: what is known here is never taken again, under whatever name it stands.  It is forgotten only when the original
was removed, or when a complete listing of its inbox, on the filesystem that it was copied from, did not have it: a
share that is away says nothing.  The log's snapshot keeps the rest, so a crash at most brings back what is gone, and
the next listing forgets that again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from deskhand.core.task import Source
from deskhand.engine.intake_facts import Identity, Taken
from deskhand.store.files import Files
from deskhand.store.sources import Removed, alike, remove

CANNOT_REMOVE = "taken and on record, but it cannot be removed from the inbox; it is not taken again"


class OnRecord:
    """See the module.  Used by the deciding thread only."""

    def __init__(self) -> None:
        self._by_identity: dict[Identity, Taken] = {}

    def add(self, taken: Iterable[Taken]) -> None:
        """These are on record."""
        self._by_identity.update({one.identity: one for one in taken})

    def remove(self, files: Files, path: Path, seen: Source) -> tuple[Source, Removed]:
        """Remove the drop at *path* if it is an original: what is known of it, and REPLACED when it is a new drop."""
        known = self._by_identity.get((seen.dev, seen.ino))
        if known is None or not alike(seen, known.source):
            return seen, Removed.REPLACED
        outcome = remove(files, path, known.source, known.input_sha256)
        if outcome is not Removed.STUCK:
            self.removed(known.source)
        return known.source, outcome

    def removed(self, source: Source) -> None:
        """It does not stand in its inbox any more."""
        self._by_identity.pop((source.dev, source.ino), None)

    def listed(self, inbox: str, device: int | None, there: Callable[[], Collection[Identity]]) -> None:
        """*inbox* was listed to its end, on *device*; *there*: the identities that it has."""
        mine = [key for key, one in self._by_identity.items() if one.inbox == inbox and key[0] == device]
        if mine:
            for key in set(mine).difference(there()):
                del self._by_identity[key]

    def __contains__(self, taken: object) -> bool:
        return isinstance(taken, Taken) and taken.identity in self._by_identity
