"""The intake: from names in inboxes to accepted tasks, noticed by scans, taken at once or by a few threads.

Rules: scans and verdicts belong to the deciding thread and are cheap; who claims, hashes and syncs a batch is for
``engine.takers`` to say.  A name that was handed out is not handed out again until its outcome is known, so no drop is
taken twice.  What is copied is removed from the inbox only after :meth:`Intake.release` says that its task is on
record; until then, and for ever if that is impossible, it is recognised and skipped.  Trouble with the desk (no space)
stops the intake for a while, not the daemon; an fsync that failed is raised by the next call and ends it.

It writes nothing to the log, starts nothing and never makes an inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable
from functools import partial
from typing import assert_never

from deskhand.core.clock import Clock
from deskhand.core.settings import Settings
from deskhand.core.settle import Kind
from deskhand.engine.hold import Hold
from deskhand.engine.intake_facts import InboxChange, Refused, ScanResult, StalledDrop, Taken
from deskhand.engine.listing import FEW, Listing, Name
from deskhand.engine.on_record import CANNOT_REMOVE, KEPT, OnRecord
from deskhand.engine.takers import Removal, Takers, is_small
from deskhand.engine.taking import Done, Taking, Work
from deskhand.engine.waiting import Ready, Waiting
from deskhand.store import dropped, sources
from deskhand.store.accept import Accepted, Choice, Drop, Ids
from deskhand.store.claim import Claimed, Declined, Gone, Outcome, Postponed, source_of
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.observe import check, unfinished_downloads
from deskhand.store.recover import recover
from deskhand.store.sources import Removed
from deskhand.store.together import Together

BATCH = 256
"""Drops per batch at most: they share their folder syncs."""
LARGE_BATCH = 16
"""The same for those that take their time: the threads share them."""
STRETCH = 512
"""Names looked at per scan and inbox."""
SHORT_STRETCH = 64
"""The same in a hurry: while programs run, for what is done, and what comes next, waits for the end of the tick."""
STRAY_PAUSE = 30.0
"""Seconds until a claimed drop that failed is tried again."""


class Intake:
    """See the module.  *choose* is called in the intake's threads; *on_ready* from them, whenever one is done."""

    def __init__(
        self,
        desk: Desk,
        settings: Settings,
        files: Files,
        clock: Clock,
        choose: Callable[[Drop], Choice],
        recipe_ids: Collection[str],
        on_ready: Callable[[], None],
        *,
        known: Callable[[str], bool] = lambda key: False,
        on_record: OnRecord | None = None,
    ) -> None:
        """*known*: whether a short id is on record; called in the threads.  ConfigError for an inbox that is a link."""
        self.warnings = check(desk, settings.inboxes)
        self.recipe_ids = recipe_ids
        self._desk = desk
        self._settings = settings
        self._files = files
        self._clock = clock
        rules = settings.intake
        self._listings = [Listing(desk, inbox, rules.ignore, rules.max_files) for inbox in settings.inboxes]
        self._polled = {inbox.name for inbox in settings.inboxes if inbox.poll}
        self._waiting = Waiting(rules)
        self._hold = Hold()
        self._together = Together.open(files, desk.queue)
        taking = Taking(desk, files, clock, choose, Ids(known), self._together)
        self._takers = Takers(taking, max(1, rules.threads), on_ready)
        self._done: list[Accepted] = []
        self._strays: list[Claimed] = []
        self._strays_due = 0.0
        self._dropped: set[str] = set()
        self.on_record = on_record or OnRecord()
        self._paused = False
        self._scanned = False

    # -- what the deciding thread calls ------------------------------------------------------------------------

    def recover(self, known: Container[str]) -> None:
        """Before the first scan: take up what a crash left in staging.  *known*: short ids on record."""
        roots = {listing.inbox.name: listing.root for listing in self._listings}
        found = recover(self._files, self._desk, known, roots)
        self._strays.extend(found.claimed)
        for drop in found.claimed:
            if drop.source_path is not None:
                self._waiting.taken((drop.inbox, drop.route, drop.name), drop.source)
        for path in found.left:
            self._waiting.report(Refused(dropped.INBOX, path.name, "neither a file nor a folder, in staging", 0))

    def scan(self, moved: Collection[str] = frozenset(), *, everywhere: bool = True, hurry: bool = False) -> ScanResult:
        """Look at the inboxes once and hand out what is finished.

        *moved*: paths that a rename put there; unless *everywhere*, a few of them are all that is looked at.  *hurry*:
        somebody waits for the end of this tick.
        """
        now = self._now()
        self._absorb()
        if self._paused:
            return ScanResult(0, len(self._waiting), complete=False, changes=self._changes())
        ready = self._look(moved, SHORT_STRETCH if hurry else STRETCH, now, everywhere or not 0 < len(moved) <= FEW)
        left = [name for name in dropped.waiting(self._desk) if name not in self._dropped]
        count = self._hand_out(ready, left, now)
        local = [listing for listing in self._listings if not listing.inbox.poll]
        complete = all(listing.complete for listing in local)
        self._scanned = self._scanned or complete
        return ScanResult(count, len(self._waiting), complete, self._changes())

    def collect(self) -> list[Accepted]:
        """The tasks accepted since the last call.  Raises what a thread raised (FsyncError ends the daemon)."""
        self._absorb()
        done, self._done = self._done, []
        return done

    def release(self, accepted: Iterable[Accepted]) -> None:
        """These are on record: remove the sources that were copied."""
        for one in accepted:
            if one.source_to_unlink is not None:
                task = one.task_file
                self.on_record.add((Taken(task.inbox, task.source, task.input_sha256),))
                self._takers.remove(self._remove, one, remote=task.inbox in self._polled)

    def next_due(self) -> float | None:
        """When the next scan has something to do (monotonic seconds); None when only a change can bring something."""
        self._absorb()
        if self._paused or self._full:
            return None
        now = self._now()
        moments = [due for listing in self._listings if (due := listing.next_due(now)) is not None]
        if self._strays:
            moments.append(self._strays_due)
        look = self._waiting.next_look()
        if look is not None:
            moments.append(look)
        if not moments:
            return None
        return max(min(moments), self._hold.until)

    def stalled(self) -> list[StalledDrop]:
        """What has been unfinished for too long."""
        shift = self._clock.wall() - self._now()
        return [
            StalledDrop(place.inbox, place.name, place.path, since + shift) for place, since in self._waiting.stalled()
        ]

    def problems(self) -> list[Refused]:
        """What was not taken, or not tidied away; each told once."""
        return self._waiting.problems()

    def pause(self) -> None:
        """Claim nothing new; what is under way is finished."""
        self._paused = True

    def resume(self) -> None:
        """Undo :meth:`pause`."""
        self._paused = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or found and not yet handed over."""
        if self._paused:
            return not self.under_way and not self._strays
        coming = self._strays or self._waiting.unfinished or any(one.busy(self._now()) for one in self._listings)
        return not self.under_way and not coming and self._scanned

    def coming(self, key: str) -> bool:
        """Whether there may still be a task with this key: it waits to be taken, or something is being taken."""
        return self.under_way or bool(self._strays) or dropped.holds(self._desk, key)

    @property
    def under_way(self) -> bool:
        """Whether threads are at work or what they finished was not collected."""
        self._absorb()
        return bool(self._takers.running or self._done or self._waiting.in_flight)

    @property
    def polling(self) -> bool:
        """Whether a polled inbox is being listed; a mount that is away can make that last."""
        return any(listing.future is not None for listing in self._listings)

    def close(self) -> None:
        """Finish what is under way and end the threads; what they still claim is found at the next start."""
        self._paused = True
        self._takers.close()
        self._together.close()

    # -- looking -----------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    @property
    def _full(self) -> bool:
        return len(self._waiting.in_flight) >= BATCH * 2 * max(1, self._settings.intake.threads)

    def _look(self, moved: Collection[str], stretch: int, now: float, everywhere: bool) -> list[Ready]:
        ready: list[Ready] = []
        downloads: dict[tuple[str, str | None], frozenset[str]] = {}
        for listing in self._listings:
            if listing.inbox.poll:
                names = self._poll(listing, now)
            else:
                listing.heard(moved)
                names = listing.by_name(self.recipe_ids)
                if everywhere or listing.under_way:
                    names += listing.stretch(self.recipe_ids, 0 if self._full else stretch)
                else:
                    listing.complete = False
            for name in names:
                ready += self._consider(listing, name, downloads, now)
            if listing.complete:
                self._waiting.forget(listing.inbox.name, listing.sweep)
                if listing.trouble is None:
                    there = partial(self._waiting.identities, listing.inbox.name)
                    self.on_record.listed(listing.inbox.name, listing.device, there)
                listing.next_sweep()
        return sorted({one.place.key: one for one in ready}.values(), key=lambda one: one.candidate.first_seen)

    def _consider(
        self,
        listing: Listing,
        name: Name,
        downloads: dict[tuple[str, str | None], frozenset[str]],
        now: float,
    ) -> list[Ready]:
        place = name.place

        def beside() -> frozenset[str]:
            folder = (place.inbox, place.route)
            if folder not in downloads:
                downloads[folder] = unfinished_downloads(place)
            return downloads[folder]

        look = partial(listing.seen, name)
        moved_in = listing.moved_in(place)
        found = self._waiting.consider(place, name.entry, look, beside, now, listing.sweep, moved_in=moved_in)
        return [] if found is None else [found]

    def _poll(self, listing: Listing, now: float) -> list[Name]:
        if listing.future is not None and listing.future.done():
            return listing.polled()
        listing.complete = False
        if listing.future is None and now >= listing.due:
            listing.due = now + self._settings.scan_interval
            listing.future = self._takers.poll(listing.poll, tuple(self.recipe_ids))
        return []

    # -- handing out -------------------------------------------------------------------------------------------

    def _hand_out(self, ready: list[Ready], left: list[str], now: float) -> int:
        if now < self._hold.until:
            return 0
        if self._hold.held:
            # One drop finds out whether there is room again.
            ready, left = ready[:1], [] if ready else left[:1]
        if self._strays and now >= self._strays_due:
            strays, self._strays = tuple(self._strays), []
            self._takers.take(Work(claimed=strays))
        kept = [one for one in ready if not self._leftover(one)]
        remote = [one for one in kept if one.place.copy_only]
        small = [one for one in kept if is_small(one)]
        large = [one for one in kept if not (one.place.copy_only or is_small(one))]
        for part, size in ((small, BATCH), (large, LARGE_BATCH), (remote, BATCH)):
            for start in range(0, len(part), size):
                batch = tuple(part[start : start + size])
                for one in batch:
                    self._waiting.started(one.place)
                self._takers.take(Work(batch), remote=part is remote)
        for start in range(0, len(left), BATCH):
            names = tuple(left[start : start + BATCH])
            self._dropped.update(names)
            self._takers.take(Work(dropped=names))
        return len(kept) + len(left)

    def _leftover(self, ready: Ready) -> bool:
        """Whether its task is on record already, and only the removal of the source was cut off."""
        place = ready.place
        if not self.on_record.any:
            return False
        seen = source_of(ready.candidate.seen)
        folder = ready.candidate.seen.kind is Kind.FOLDER
        outcome = self.on_record.remove(self._files, place.path, seen, folder=folder)
        if outcome in KEPT:
            self._waiting.taken(place.key, seen)
            self._waiting.report(Refused(place.inbox, place.name, KEPT[outcome], seen.bytes))
        elif outcome is Removed.GONE:
            self._waiting.gone(place.key)
        return outcome is not Removed.REPLACED

    def _remove(self, accepted: Accepted) -> Removal:
        """Called in a thread of the intake."""
        path, task = accepted.source_to_unlink, accepted.task_file
        if path is None:
            return Removal(accepted, Removed.GONE)
        return Removal(accepted, sources.remove(self._files, path, task.source, task.input_sha256, lambda: task.files))

    # -- hearing back ------------------------------------------------------------------------------------------

    def _absorb(self) -> None:
        for result in self._takers.results():
            if isinstance(result, Removal):
                self._removed(result)
            else:
                self._heard(result)

    def _heard(self, done: Done) -> None:
        now = self._now()
        for ready, outcome in done.outcomes:
            self._outcome(ready, outcome, now)
        for ready in done.work.ready[len(done.outcomes) :]:
            self._waiting.put_back(ready.place.key)
        for name, outcome in done.dropped:
            if isinstance(outcome, Declined):
                # It stays in the set: what cannot be taken is told once.
                self._waiting.report(Refused(dropped.INBOX, name, outcome.reason, outcome.bytes))
            elif not isinstance(outcome, Claimed):
                self._dropped.discard(name)
        self._dropped.difference_update(done.work.dropped[len(done.dropped) :])
        self._dropped.intersection_update(dropped.waiting(self._desk))
        self._done.extend(done.accepted)
        for failed in done.failed:
            if failed.claimed not in done.work.claimed:
                drop = failed.claimed
                reason = f"taken, but not yet described: {failed.error.strerror}; it is tried again"
                self._waiting.report(Refused(drop.inbox, drop.name, reason, drop.source.bytes))
            self._strays.append(failed.claimed)
            self._strays_due = now + (STRAY_PAUSE if done.trouble is None else 0.0)
        if done.trouble is not None:
            self._hold.failed(done.trouble, now)
        elif done.accepted:
            self._hold.worked()

    def _outcome(self, ready: Ready, outcome: Outcome, now: float) -> None:
        key = ready.place.key
        match outcome:
            case Claimed():
                self._waiting.taken(key, outcome.source if outcome.source_path is not None else None)
            case Postponed():
                self._waiting.postpone(key, outcome, now)
            case Declined():
                self._waiting.refuse(ready.place, outcome)
            case Gone():
                self._waiting.gone(key)
            case _:
                assert_never(outcome)

    def _removed(self, removal: Removal) -> None:
        task = removal.accepted.task_file
        if removal.outcome is not Removed.STUCK:
            self.on_record.removed(task.source)
            self._waiting.removed((task.inbox, task.route, task.original_name))
        else:
            self._waiting.report(Refused(task.inbox, task.original_name, CANNOT_REMOVE, task.source.bytes))

    def _changes(self) -> tuple[InboxChange, ...]:
        return (*self._hold.changes(), *(change for listing in self._listings for change in listing.changes()))
