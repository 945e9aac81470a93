"""Make the desk that every later version has to open: ``make fixture``, once for a format, never again.

The desk has a task in every state and a history with everything that can be in one: a day that was closed with a
snapshot, a torn end that was cut off, an adoption, answered requests.  It is written by the product itself on a clock
that is told what to show; what runs is a function, and the last life ends as a killed process ends.

What is in ``tests/fixtures/`` is not made anew: an existing one is refused.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import msgspec
import pytest

from deskhand.core.compatibility import FORMAT
from deskhand.core.record import Draft
from deskhand.core.state import State
from deskhand.engine import assemble
from deskhand.handlers.attempt import Attempt, Ended, Reason
from deskhand.host.found import init
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk
from deskhand.store.segments import names
from deskhand.testing.clock import FakeClock
from tests.support import invariants
from tests.support.fault_desk import FaultBench
from tests.support.fixtures import FIXTURES
from tests.support.forks import in_child
from tests.support.inside import Inside, inside

START = 1_736_164_800.0
"""2025-01-06 12:00 UTC: before every clock that will ever open it."""
DAY = 86_400.0
SCRIPT = 'cat "$1" > "$2/result.txt"; echo "$DESKHAND_IDEMPOTENCY_KEY"'


class Scripted:
    """In place of the spawner: the first word of the input says how the attempt ends."""

    def __init__(self, log_id: str, run: str) -> None:
        """As the real one."""

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, attempt: Attempt, on_end: Callable[[Ended], None]) -> None:
        """End as the input says; `hang` never does."""
        given = next(Path(attempt.cwd, "in").iterdir())
        word = given.read_text().split()[0] if given.is_file() else "ok"
        Path(attempt.log).write_text(f"{word}\n")
        match word:
            case "hang":
                return
            case "fail":
                on_end(Ended(exit=1, output_bytes=5, duration_s=0.5))
            case "cut":
                on_end(Ended(cut="timeout", output_bytes=4, duration_s=60.0))
            case _:
                Path(attempt.cwd, "out", "result.txt").write_text("the result\n")
                on_end(Ended(exit=0, output_bytes=3, duration_s=0.25, cpu_s=0.125, memory_bytes=4096))

    def together(self) -> AbstractContextManager[None]:
        """Nothing is handed over."""
        return nullcontext()

    def kill(self, key: str, reason: Reason, *, force: bool = False) -> None:
        """Too late."""

    def close(self) -> None:
        """Nothing to close."""


class Maker:
    """One desk and the hands that work on it."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.root = root
        self.clock = clock
        self.bench = FaultBench(root.parent)

    def furnish(self) -> None:
        """Recipes of every kind that matters to a state."""
        words = {"argv": ["sh", "-c", SCRIPT, "sh", "{input}", "{output_dir}"]}
        retry = {"attempts": 3, "backoff": "1h"}
        self.bench.bless("work", "command", **words, idempotent=True, retry=retry, deliver="made/{name}")
        self.bench.bless("fragile", "command", **words, idempotent=True, retry={"attempts": 1})
        self.bench.bless("once", "command", **words, idempotent=False, deliver="paid/{name}")
        self.bench.bless("asked", "command", **words, idempotent=True, approval="required", deliver="asked/{name}")
        self.bench.bless("stuck", "command", **words, idempotent=True, deliver="stuck/{name}")

    # -- lives -------------------------------------------------------------------------------------------------

    def first_life(self) -> None:
        """Everything that can end, and a day that is closed while questions are open."""
        with self._working() as desk:
            source = self.root / "watch_inbox" / "work" / "a folder"
            source.mkdir(parents=True)
            (source / "inner.txt").write_text("inner\n")
            (self.root / "watch_inbox" / "Größe & Co.txt").write_text("a note\n")
            (self.root / "watch_inbox" / "hostile.md").write_text("---\ndeskhand: {recipe: [1}\n---\n")
            self._pass_until(desk, lambda: len(desk.records("task.received")) == 3)
            self._drop(desk, "done.txt", "ok", State.COMPLETED, recipe="work", key="done", params={})
            self._drop(desk, "failed.txt", "fail", State.FAILED, recipe="fragile")
            desk.command("cancel", key=self._drop(desk, "cancelled.txt", "ok", State.WAITING, recipe="asked"))
            self._answer(desk, self._drop(desk, "rejected.txt", "ok", State.WAITING, recipe="asked"), "rejected")
            self._lose(desk, self._drop(desk, "lost.txt", "ok", State.PARKED, recipe="nowhere"))
            late = self._drop(desk, "expired.txt", "ok", State.WAITING, recipe="asked")
            self._pass_until(desk, lambda: desk.engine.idle)
            self.clock.advance(8 * DAY)
            self._pass_until(desk, lambda: desk.engine.ledger.outcomes.get(late) == State.EXPIRED)
            self._pass_until(desk, lambda: desk.engine.idle)
            assert desk.records("segment.open"), "a day was closed"
            desk.engine.finish(Draft("daemon.stopped", {"reason": "asked to", "unfinished": 0, "running": 0}))

    def tear(self) -> None:
        """The power went while a record was written."""
        with (self.root / "audit_logs" / names(self.root / "audit_logs")[-1]).open("ab") as file:
            file.write(b'{"prev":"0123456789abcdef')

    def second_life(self) -> None:
        """A request that is answered, and what came of it."""
        with self._working() as desk:
            assert desk.records("log.recovered")
            key = self._drop(desk, "answered.txt", "ok", State.WAITING, recipe="asked", approval="required")
            self._answer(desk, key, "approved")
            self._pass_until(desk, lambda: desk.engine.idle and not desk.engine.ledger.tasks)
            desk.engine.finish(Draft("daemon.stopped", {"reason": "asked to", "unfinished": 0, "running": 0}))

    def last_life(self) -> None:
        """Everything that does not end; then the process does."""
        (self.root / "stuck").write_text("a file where a folder should be\n")
        with self._working() as desk:
            desk.command("resume")
            self._drop(desk, "waiting.txt", "ok", State.WAITING, recipe="asked", priority=-3)
            self._drop(desk, "doubt.txt", "cut", State.IN_DOUBT, recipe="once")
            self._drop(desk, "retry.txt", "fail", State.RETRY, recipe="work")
            self._drop(desk, "blocked.txt", "ok", State.BLOCKED, recipe="work", after=("gate",))
            self._drop(desk, "one.txt", "ok", State.BLOCKED, recipe="work", key="one", after=("other",))
            self._drop(desk, "other.txt", "ok", State.BLOCKED, recipe="work", key="other", after=("one",))
            self._drop(desk, "parked.txt", "ok", State.PARKED, recipe="nowhere")
            stuck = self._drop(desk, "undelivered.txt", "ok", State.COMPLETED, recipe="stuck")
            self._drop(desk, "started.txt", "hang", State.STARTED, recipe="work")
            desk.engine.time.heartbeat(3600.0)
            desk.engine.stop_starting()
            approved = self._drop(desk, "approved.txt", "ok", State.WAITING, recipe="asked")
            self._answer(desk, approved, "approved")
            self._drop(desk, "ready.txt", "ok", State.READY, recipe="work", not_before=START)
            self._turn(desk)
            undelivered = desk.task(stuck)
            assert undelivered is not None and undelivered.undelivered
            desk.session.parts.reception.route = lambda *given: None  # type: ignore[method-assign]
            self._drop(desk, "received.txt", "ok", State.RECEIVED, recipe="work")
            os._exit(0)

    # -- hands -------------------------------------------------------------------------------------------------

    @contextmanager
    def _working(self) -> Iterator[Inside]:
        self.clock.advance(3600)
        with inside(self.root) as desk:
            yield desk

    def _drop(self, desk: Inside, name: str, text: str, state: State, **options: object) -> str:
        self.clock.advance(60)
        key = desk.drop(f"{text}\n".encode(), name=name, **options)
        desk.until_state(key, state)
        return key

    def _answer(self, desk: Inside, key: str, ending: str) -> None:
        request = self.root / "queue/approvals" / f"{desk.session.parts.placement.identifier(key)}.json"
        desk.until(request.exists)
        before = len(desk.records(f"task.{ending}"))
        request.rename(f"{request}.{ending}")
        self._pass_until(desk, lambda: len(desk.records(f"task.{ending}")) > before)

    def _lose(self, desk: Inside, key: str) -> None:
        for path in (self.root / "queue/pending").glob(f"*{key[-6:]}*"):
            path.unlink()
        self._pass_until(desk, lambda: desk.engine.ledger.outcomes.get(key) == State.LOST)

    def _turn(self, desk: Inside) -> None:
        self.clock.advance(1)
        os.utime(self.root / "queue/approvals")
        desk.session.parts.gestures._seen = -1
        desk.engine.scan_everything()
        desk.engine.tick()

    def _pass_until(self, desk: Inside, condition: Callable[[], bool]) -> None:
        """Let time pass until *condition*."""

        def turned() -> bool:
            self._turn(desk)
            return condition()

        desk.until(turned)


def make(folder: Path) -> None:
    """Write ``desk.tar.gz``, the mirror beside it, and what there is to expect."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        place = Path(name).resolve()
        clock = FakeClock(START)
        patch.setenv("XDG_STATE_HOME", str(place / "state"))
        patch.setattr("deskhand.store.machine._SYSTEM_IDS", ())
        patch.setattr(assemble, "SystemClock", lambda: clock)
        patch.setattr(assemble, "Spawner", Scripted)
        os.umask(0o022)
        maker = Maker(place / "desk", clock)
        maker.furnish()
        maker.first_life()
        maker.tear()
        maker.second_life()
        shutil.rmtree(place / "state")
        init(maker.root, adopt=True)
        maker.bench.configure("approval:\n  expires_after: 3650d\n")
        code, said = in_child(maker.last_life)
        assert code == 0, said
        (maker.root / "stuck").unlink()
        folder.mkdir(parents=True)
        _pack(maker.root, folder / "desk.tar.gz")
        (mirror,) = (place / "state/deskhand").glob("*~*.json")
        shutil.copyfile(mirror, folder / "mirror.json")
        (folder / "expected.json").write_bytes(_expected(Desk(maker.root)))


def _expected(desk: Desk) -> bytes:
    found = verify(desk.audit)
    assert found.ok, found.errors
    tasks = invariants.project(invariants.read(desk))
    standing = {
        key: {"state": task.state, "attempt": task.attempt, "undelivered": task.undelivered, "seq": task.seq}
        for key, task in sorted(tasks.items())
    }
    assert {task.state for task in tasks.values()} == set(State), "every state"
    facts = {"format": FORMAT, "entries": found.entries, "head": found.head, "tasks": standing}
    return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


def _pack(root: Path, target: Path) -> None:
    """Every file and folder, owned by nobody, in one order, with one time; no sockets, no logs."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (entry.isfile() or entry.isdir()) or entry.name.startswith("desk/logs/"):
            return None
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = int(START)
        return entry

    with gzip.GzipFile(target, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(root, "desk", filter=plain)


if __name__ == "__main__":
    wanted = FIXTURES / f"format-{FORMAT}"
    if wanted.exists():
        sys.exit(f"{wanted} is there, and is never made anew: every later version has to open this one")
    make(wanted)
