"""Taking a batch: claim, hash, describe, make durable.

Rules: nothing here decides whether a drop is finished; it may be called from several threads, which share the ids and
the way to sync.  A drop that cannot be taken is an outcome; trouble with the desk itself (no space, too many open
files) ends the batch early and is reported, with the rest of the batch untouched; an fsync that fails is raised.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from msgspec import Struct, json

from deskhand.core.clock import Clock
from deskhand.engine.waiting import Ready
from deskhand.store import dropped
from deskhand.store.accept import Accepted, Choice, Drop, Failed, Ids, accept
from deskhand.store.claim import Claimed, Outcome, claim
from deskhand.store.claim_batch import Batch
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DropFile
from deskhand.store.files import Files, FsyncError
from deskhand.store.together import Together

json.Decoder(DropFile)  # known before there are threads; see core.task

DESK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors after which the next drop would fail as well."""


class Work(Struct, frozen=True):
    """A batch."""

    ready: tuple[Ready, ...] = ()
    dropped: tuple[str, ...] = ()
    """Names in ``dropped/``."""
    claimed: tuple[Claimed, ...] = ()
    """Drops that are ours already and failed before, or that start-up found."""


class Done(Struct, frozen=True):
    """What became of a batch."""

    work: Work
    outcomes: tuple[tuple[Ready, Outcome], ...]
    """In the order of the batch; what is missing at its end was not tried."""
    dropped: tuple[tuple[str, Outcome], ...]
    accepted: tuple[Accepted, ...]
    failed: tuple[Failed, ...]
    trouble: OSError | None


class Taking:
    """Takes batches; one instance serves all threads."""

    def __init__(
        self,
        desk: Desk,
        files: Files,
        clock: Clock,
        choose: Callable[[Drop], Choice],
        ids: Ids,
        together: Together,
    ) -> None:
        self._desk = desk
        self._files = files
        self._clock = clock
        self._choose = choose
        self._ids = ids
        self._together = together

    def take(self, work: Work) -> Done:
        """Do *work*.  FsyncError, and whatever is a mistake in the program, is raised."""
        batch = Batch(self._files, self._desk)
        outcomes: list[tuple[Ready, Outcome]] = []
        left: list[tuple[str, Outcome]] = []
        trouble: OSError | None = None
        try:
            for ready in work.ready:
                outcomes.append((ready, claim(batch, ready.place, ready.candidate.seen)))  # noqa: PERF401
            for name in work.dropped:
                left.append((name, dropped.take(batch, name, self._ids.claim)))  # noqa: PERF401
        except FsyncError:
            raise
        except OSError as error:
            trouble = error
        claimed = [*work.claimed, *_claimed(outcomes), *_claimed(left)]
        accepted, failed = accept(
            *(self._files, self._desk, claimed, self._choose, self._ids, self._clock.wall(), self._together),
            batch.sources,
        )
        batch.close()
        serious = next((one.error for one in failed if one.error.errno in DESK_TROUBLE), None)
        return Done(work, tuple(outcomes), tuple(left), tuple(accepted), tuple(failed), trouble or serious)


def _claimed(outcomes: Sequence[tuple[object, Outcome]]) -> list[Claimed]:
    return [outcome for _, outcome in outcomes if isinstance(outcome, Claimed)]
