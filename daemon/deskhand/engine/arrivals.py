"""From the inboxes to the first records: drops are taken, received and routed; what was held up is routed again."""

from __future__ import annotations

from collections.abc import Iterable

from deskhand.core.event import Damage
from deskhand.core.names import visible
from deskhand.core.record import Draft
from deskhand.core.state import State
from deskhand.core.task import Task, TaskFile
from deskhand.engine.intake_facts import InboxChange
from deskhand.engine.parts import Parts
from deskhand.errors import IntegrityError
from deskhand.store.accept import Accepted
from deskhand.store.files import FsyncError


class Arrivals:
    """The deciding thread's side of the intake."""

    def __init__(self, parts: Parts) -> None:
        self._ = parts
        self.ledger = parts.ledger
        self._received: list[Accepted] = []
        """On their way onto the record: what was copied is removed from the inbox when they are."""

    def take_drops(self, *, everywhere: bool) -> None:
        """Look at the inboxes, *everywhere* or only where the watcher heard of something, and take what is finished."""
        moved: set[str] = set()
        if self._.watcher is not None:
            self._tell(self._.watcher.supervise())
            moved, elsewhere = self._.watcher.moved()
            everywhere = everywhere or elsewhere
        self._tell(self._.intake.scan(moved, everywhere=everywhere, hurry=self._.runs.programs).changes)
        for refused in self._.intake.problems():
            fields = {
                "inbox": refused.inbox,
                "name_sha256": self._.answers.name_hash(refused.name),
                "reason": refused.reason,
                "bytes": refused.bytes,
            }
            self.ledger.note(Draft("drop.refused", fields))
            self._.log.warning("drop refused", name=visible(refused.name), reason=refused.reason)

    def _tell(self, changes: Iterable[InboxChange]) -> None:
        for change in changes:
            fields = {"inbox": change.inbox, "reason": change.reason}
            self.ledger.note(Draft("watch.degraded" if change.degraded else "watch.restored", fields))
            self._.log.warning(change.reason, inbox=change.inbox)

    def receive(self, now: float) -> None:
        """Record and route what the intake's threads made durable."""
        batch = self._.intake.collect()
        twins = self._.reception.twins(batch) if batch else {}
        for accepted in batch:
            self._.placement.adopt_staged(accepted)
            task = self._.reception.receive(accepted, twins.get(accepted.task_file.input_sha256))
            self._received.append(accepted)
            if task.reason:
                self._.log.warning("a drop is quarantined", task=task.key, cause=task.reason)
            self.route(task, now, accepted.task_file)

    def unblock(self, now: float) -> None:
        """Something ended: what waited for it may go on."""
        for key in list(self.ledger.blocked):
            task = self.ledger.tasks[key]
            if self._.reception.blocked(task) is None:
                self.route(task, now)

    def route(self, task: Task, now: float, task_file: TaskFile | None = None) -> None:
        """Decide where it goes; when the disk refuses it stays, and the next full scan routes it."""
        if task.key in self._.placement.behind:
            return
        try:
            self._.reception.route(task, task_file or self._.placement.task_file(task), now)
        except IntegrityError as error:
            self.ledger.decide(task, Damage("quarantined", error.nameless), now)
        except FsyncError:
            raise
        except OSError as error:
            self._.log.warning("a task cannot be routed now", task=task.key, cause=str(error))

    def route_unrouted(self, now: float) -> None:
        """Tasks that a torn batch or a full disk left without a first decision."""
        for task in self.ledger.tasks.having({State.RECEIVED}):
            self.route(task, now)

    def recorded(self) -> None:
        """What was received is durable: the sources that were copied can go."""
        if self._received:
            self._.intake.release(self._received)
            self._received.clear()
