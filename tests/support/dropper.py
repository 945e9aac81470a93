"""A person who drops files in every way there is, answers what is asked, and knows afterwards what has to be there.

What has to be there: every drop that was *accepted* has exactly one task with exactly its bytes.  Accepted is what is
on record (``task.received`` outlived every cut), and what the dropper made durable in the inbox: file and folder were
synced, or ``deskhand drop`` had returned.  A drop of which neither is true may be gone, or cut short, after a power
cut; it still is no more than one task.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deskhand.core.names import key_of
from deskhand.core.state import LIVE_FOLDERS, State
from deskhand.core.task import Options, Task, TaskFile
from deskhand.errors import DeskhandError
from deskhand.host.client import request
from deskhand.store.accept import BASE32
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from tests.support.fault_desk import FaultBench

RECIPES = {"kept": "kept", "asked": "asked", "job": "made", "once": "made"}
"""Recipe (and routing folder) -> the folder of the desk where its results go, each named after its task."""
ROUTES = frozenset({*RECIPES, "hand-over"})
"""What stands in the inbox and is no drop: routing folders, ours and those of a fresh desk."""
BLOCK = 64 * 1024
LIMIT = 1 << 30
_files = Files()


def furnish(bench: FaultBench) -> None:
    """Bless the recipes that drops are meant for; everything else becomes a note."""
    script = 'cat "$1" > "$2/result"'
    bench.bless("kept", "keep", deliver="kept/{id}", idempotent=True)
    bench.bless("asked", "keep", deliver="asked/{id}", idempotent=True, approval="required")
    bench.counting("job", script, deliver="made/{id}", idempotent=True, retry={"attempts": 9, "backoff": "100ms"})
    bench.counting("once", f"sleep 0.05; {script}", deliver="made/{id}", idempotent=False)


@dataclass(frozen=True)
class Drop:
    """One thing that is dropped."""

    name: str
    """Bytes that are no UTF-8 as surrogates."""
    route: str
    """A recipe of :data:`RECIPES`; empty: a note."""
    how: str
    """`moved`, `copied` (written in place, bit by bit), `command`, `linked` (it keeps a second name) or `folder`."""
    size: int
    """Bytes."""
    synced: bool
    """Whether the dropper makes it durable."""
    seed: int
    answer: str = "approved"
    """To a question: `approved`, `rejected` or `cancel`."""

    @property
    def data(self) -> bytes:
        """Content: hexadecimal digits."""
        return random.Random(self.seed).randbytes(self.size // 2).hex().encode()

    @property
    def content(self) -> dict[str, bytes]:
        """Path in the payload -> bytes; the path of a file is empty."""
        if self.how != "folder":
            return {"": self.data}
        return {"one.txt": self.data, "deep/two.txt": self.data[::-1]}

    @property
    def ends(self) -> frozenset[State]:
        """The states it may end in."""
        asked = {"approved": State.COMPLETED, "rejected": State.REJECTED, "cancel": State.CANCELLED}
        return frozenset({asked[self.answer]}) if self.route == "asked" else frozenset({State.COMPLETED})


class Dropper:
    """Drops on one desk, and keeps account."""

    def __init__(self, bench: FaultBench) -> None:
        self.bench = bench
        self.drops: dict[str, Drop] = {}
        """Name -> what was dropped, or begun to be."""
        self.durable: set[str] = set()
        """Names of the drops that no power cut can take back."""
        self.unsure: set[str] = set()
        """Names of the drops that failed half way: nobody can say what there is of them."""
        self.tolerated: frozenset[State] = frozenset()
        """How any drop may end beside as it should."""
        self.life = 0
        """Which life of the desk this is: how often the power was cut."""
        self._life_of: dict[str, int] = {}
        self._outside = bench.root.parent / "outside"
        self._outside.mkdir(exist_ok=True)

    # -- doing ---------------------------------------------------------------------------------------------------

    def drop(self, drop: Drop) -> None:
        """Do it; OSError or DeskhandError as the system says, and then it does not count as accepted."""
        self.drops[drop.name] = drop
        self._life_of[drop.name] = self.life
        self.unsure.add(drop.name)
        self._drop(drop)
        self.unsure.discard(drop.name)

    def _drop(self, drop: Drop) -> None:
        target = Path(self.bench.desk.inbox, drop.route, drop.name)
        if drop.how == "command":
            self._submit(drop)
        elif drop.how == "copied":
            self._write(target, drop.data, synced=drop.synced, slowly=True)
        else:
            source = self._outside / drop.name
            self._write_tree(source, drop.content, synced=drop.synced)
            if drop.how == "linked":
                os.link(source, target)
            else:
                source.rename(target)
        if drop.synced and drop.how != "command":
            _files.fsync_folders((target.parent, self._outside))
        if drop.synced:
            self.durable.add(drop.name)

    def _write_tree(self, path: Path, content: Mapping[str, bytes], *, synced: bool) -> None:
        for name, data in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            self._write(path / name, data, synced=synced)
        if synced and path.is_dir():
            _files.fsync_tree(path)

    @staticmethod
    def _write(path: Path, data: bytes, *, synced: bool, slowly: bool = False) -> None:
        with path.open("xb") as file:
            for start in range(0, len(data), BLOCK):
                file.write(data[start : start + BLOCK])
                if slowly:
                    file.flush()
                    time.sleep(0.001)  # somebody else's program writes it: the daemon sees it grow
            file.flush()
            if synced:
                os.fsync(file.fileno())

    def _submit(self, drop: Drop) -> None:
        """As ``deskhand drop`` does it: on return it is durable."""
        source = self._outside / drop.name
        self._write(source, drop.data, synced=False)
        suffix = "".join(random.Random(drop.seed).choices(BASE32, k=6))
        options = Options(recipe=drop.route or None)
        submit(_files, self.bench.desk, source, options, now=time.time(), suffix=suffix, limit=LIMIT)
        source.unlink()
        self.durable.add(drop.name)

    def answer(self) -> int:
        """Answer every question that stands in approvals/; how many."""
        answered = 0
        for path in self.bench.found("queue/approvals/*.json"):
            if path.name.endswith(".task.json"):
                continue
            about = described(path.with_name(path.name.removesuffix(".json") + ".task.json"))
            drop = self.drops.get("" if about is None else about.original_name)
            if about is not None and drop is not None:
                answered += self._answer(path, about, drop)
        return answered

    def _answer(self, path: Path, about: TaskFile, drop: Drop) -> int:
        try:
            if drop.route == "asked" and drop.answer == "cancel":
                arguments = {"key": key_of(about.id)}
                request(self.bench.desk, "cancel", arguments, need_daemon=True, timeout=2.0)
            else:
                verdict = drop.answer if drop.route == "asked" else "approved"
                path.rename(path.with_name(f"{path.name}.{verdict}"))
        except (OSError, DeskhandError):
            return 0  # it was answered already, or the daemon is gone
        return 1

    # -- seeing --------------------------------------------------------------------------------------------------

    def at_rest(self) -> bool:
        """Answers, and says whether nothing is left to do: all is over, delivered, and nothing is on its way in."""
        if self.answer() or self.on_the_way():
            return False
        return all(task.terminal and not task.undelivered for task in self.bench.tasks().values())

    def quiet(self) -> bool:
        """As :meth:`at_rest`, as far as the folders tell: no matter how long the log is."""
        left = [path for state in LIVE_FOLDERS for path in self.bench.found(f"queue/{state}/*.task.json")]
        return not (self.answer() or self.on_the_way() or left)

    def rest(self, timeout: float, *, quickly: bool = False) -> None:
        """Wait until nothing is left to do; *quickly*: as :meth:`quiet` tells."""
        end = time.monotonic() + timeout
        while not (self.quiet() if quickly else self.at_rest()):
            if time.monotonic() > end:
                tasks = [task for task in self.bench.tasks().values() if not task.terminal or task.undelivered]
                left = [f"{task.key} {task.state} {task.reason}" for task in tasks]
                raise AssertionError(f"not over in {timeout} s: {left}, {self.on_the_way()}; {self.bench.said()}")
            time.sleep(0.005)

    def on_the_way(self) -> list[Path]:
        """What lies in the inbox or in the staging area.

        Neither folders without a file in them, which are no drops, nor what a hand-over left that was cut off.
        """
        desk = self.bench.desk
        found = [path for path in _entries(desk.inbox) if path.name not in ROUTES and not path.name.startswith(".")]
        folders = (*(desk.inbox / route for route in RECIPES), desk.accepted, desk.dropped, *_entries(desk.claimed))
        found += [path for folder in folders for path in _entries(folder) if not path.name.endswith(".partial")]
        return [path for path in found if not path.is_dir() or any(names for _, _, names in os.walk(path))]

    # -- judging -------------------------------------------------------------------------------------------------

    def judge(
        self, tasks: Mapping[str, Task], on_record: Sequence[Collection[str]], runs: Mapping[str, int]
    ) -> list[str]:
        """Assert that every accepted drop came to its one end, whole; the names of those that may be gone, and are.

        *on_record*: for each life that was cut off, the keys of the tasks whose ``task.received`` outlived the cut.
        """
        known = self._by_name(tasks)
        lost = []
        for name, drop in self.drops.items():
            found = known.pop(name, [])
            assert len(found) <= 1, f"{drop} is {len(found)} tasks: {found}"
            if not found:
                assert name not in self.durable, f"{name!r} was durable in the inbox and is gone"
                lost.append(name)
                continue
            about, folder = found[0]
            task = tasks[key_of(about.id)]
            assert task.state in drop.ends | self.tolerated, f"{name!r} ({about.id}) is {task.state}: {task.reason}"
            life = self._life_of[name]
            whole = name in self.durable or life == len(on_record) or task.key in on_record[life]
            if whole and name not in self.unsure:
                payload = contents(folder / about.input)
                assert payload == drop.content, f"{drop} ({about}) has not the bytes that were dropped"
            self._delivered(drop, task, about, folder)
        assert not known, f"tasks that nobody dropped: {list(known)}"
        self._nothing_else_delivered(tasks)
        self._repeated(tasks, runs)
        return lost

    def _by_name(self, tasks: Mapping[str, Task]) -> dict[str, list[tuple[TaskFile, Path]]]:
        known: dict[str, list[tuple[TaskFile, Path]]] = {}
        for path in self.bench.found("queue/[!.]*/*.task.json"):
            about = described(path)
            assert about is not None, f"{path.name} is damaged"
            assert key_of(about.id) in tasks, f"{path.name} is unknown to the log"
            if about.retry_of is None:
                known.setdefault(about.original_name, []).append((about, path.parent))
        return known

    def _delivered(self, drop: Drop, task: Task, about: TaskFile, folder: Path) -> None:
        if drop.route in RECIPES and task.state is State.COMPLETED:
            made = contents(self.bench.root / RECIPES[drop.route] / about.id)
            assert made == contents(folder / about.input), f"{drop.name!r} ({about.id}) was not delivered whole"

    def _nothing_else_delivered(self, tasks: Mapping[str, Task]) -> None:
        completed = {task.key for task in tasks.values() if task.state is State.COMPLETED}
        for folder in set(RECIPES.values()):
            for path in self.bench.found(f"{folder}/*"):
                key = path.name[:15] + path.name[-7:]
                assert key in completed, f"{path} was delivered, and no task that is completed says so"

    def _repeated(self, tasks: Mapping[str, Task], runs: Mapping[str, int]) -> None:
        """What must not be repeated blindly ran once, and once more for each time a person said so."""
        again = [r.fields["task"] for r in self.bench.records("task.retry") if r.fields.get("via") == "answer"]
        for key, count in runs.items():
            pin = tasks[key].pin if key in tasks else None
            if pin is not None and pin.id == "once":
                assert count <= 1 + again.count(key), f"{key} ran {count} times, a person asked for {again.count(key)}"


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing when it is gone."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def described(path: Path) -> TaskFile | None:
    """The task file at *path*; None when it is gone or no task file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=TaskFile)
    except (OSError, msgspec.MsgspecError):
        return None


def contents(path: Path) -> dict[str, bytes]:
    """Path in a payload or result -> bytes, as in :attr:`Drop.content`; empty when nothing is there."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return {"": path.read_bytes()} if path.exists() else {}
