"""Whether a backup is a whole desk: every byte, the chain of its audit log, and the folders against that log.

Three questions, each answered by itself so that all that is wrong is named: is every entry what the manifest says; is
the audit log in it unbroken up to the head that ``backup.json`` names; and, replaying that log to the head, do the
files of every unfinished task stand where it says, with the hashes on record, and does nothing else claim to be one.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.core.backup_facts import AUDIT, BackupFacts
from deskhand.core.names import OWN_PARTS, Part, key_of, member
from deskhand.core.standing import counts, fold
from deskhand.core.state import ASKING, LIVE_FOLDERS
from deskhand.core.task import InputFile, Task, TaskFile, manifest_sha256
from deskhand.errors import IntegrityError
from deskhand.store import audit_verify
from deskhand.store.archive_read import Archive, Damaged, open_archive
from deskhand.store.archive_unpack import write_entry
from deskhand.store.audit_replay import replay
from deskhand.store.files import Files
from deskhand.store.head import Head, read_head

PROBLEMS_MAX = 100
"""Problems that are listed; more are only counted."""
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Problem(Struct, frozen=True):
    """One thing that is wrong."""

    entry: str
    """Name in the archive; empty when it concerns the archive as a whole."""
    reason: str


class Verified(Struct, frozen=True):
    """What was found out about a backup."""

    ok: bool
    path: Path
    entries: int
    """Files that were read."""
    bytes: int
    """Bytes of them, unpacked."""
    records: int
    """Records of the audit log that were verified."""
    unfinished: int
    """Unfinished tasks at its head whose files were compared with the log."""
    problems: tuple[Problem, ...]
    more_problems: int = 0
    facts: BackupFacts | None = None
    """None when not even these could be read."""

    @property
    def reason(self) -> str | None:
        """The first problem in one sentence; None when there is none."""
        if not self.problems:
            return None
        first = self.problems[0]
        return f"{first.entry}: {first.reason}" if first.entry else first.reason


def verify_file(path: Path, progress: Progress | None = None) -> Verified:
    """Open and verify the archive at *path*; one that is refused is one with a problem.  StoreError when it cannot be
    read at all, UsageError when it is encrypted: then nothing is known about it."""
    try:
        archive = open_archive(path)
    except IntegrityError as error:
        return Verified(False, path, 0, 0, 0, 0, (Problem("", error.cause),))
    with archive:
        return verify(archive, progress)


def verify(archive: Archive, progress: Progress | None = None) -> Verified:
    """Verify everything in an archive.  Needs room in the system's temporary folder for the audit log in it."""
    files = Files()
    scratch = Path(tempfile.mkdtemp(prefix="deskhand-verify-"))
    try:
        return _Check(files, archive, scratch, progress).run()
    finally:
        files.remove_tree(scratch)


class _Check:
    def __init__(self, files: Files, archive: Archive, scratch: Path, progress: Progress | None) -> None:
        self._files = files
        self._archive = archive
        self._scratch = scratch
        self._progress = progress
        self._total = sum(entry.size for entry in archive.entries.values())
        self._done = 0
        self._problems: list[Problem] = []
        self._more = 0

    def run(self) -> Verified:
        facts = self._archive.facts
        self._read_everything()
        records = unfinished = 0
        if not any(problem.entry.startswith(AUDIT) for problem in self._problems):
            try:
                records, tasks = read_log(self._scratch, facts)
            except IntegrityError as error:
                self._problem(AUDIT, error.sentence)
            else:
                unfinished = len(tasks)
                said = {state: number for state, number in facts.counts.items() if number}
                if counts(tasks.values()) != said:
                    self._problem("backup.json", f"it counts {said}, and the log has {counts(tasks.values())}")
                if facts.only is None:
                    for problem in picture_problems(self._archive, tasks):
                        self._problem(problem.entry, problem.reason)
        return Verified(
            ok=not self._problems,
            path=self._archive.path,
            entries=len(self._archive.entries),
            bytes=self._done,
            records=records,
            unfinished=unfinished,
            problems=tuple(self._problems),
            more_problems=self._more,
            facts=facts,
        )

    def _problem(self, entry: str, reason: str) -> None:
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(Problem(entry, reason))
        else:
            self._more += 1

    def _count(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _read_everything(self) -> None:
        """Every byte of every entry; the audit log's go to the scratch folder."""
        for name in self._archive.entries:
            try:
                if name.startswith(AUDIT) and "/" not in name.removeprefix(AUDIT):
                    target = self._scratch / name.removeprefix(AUDIT)
                    write_entry(self._files, self._archive, name, target, mode=0o600, done=self._count)
                else:
                    for block in self._archive.blocks(name):
                        self._count(len(block))
            except Damaged as error:
                self._problem(name, str(error))


def read_log(folder: Path, facts: BackupFacts) -> tuple[int, dict[str, Task]]:
    """Verify the audit log in *folder* up to the head in *facts*: how many records it has, and the unfinished tasks.

    IntegrityError with the first thing that is wrong.
    """
    found, said = read_head(folder)[0], facts.head
    head = Head(said.seq, said.hash, said.file, said.offset)
    if found is not None and found != head:
        raise IntegrityError("its head", f"it is record {found.seq}, and backup.json says {said.seq}")
    result = audit_verify.verify(folder)
    if result.errors:
        first = result.errors[0]
        raise IntegrityError(f"{first.file}:{first.line}" if first.line else first.file, first.reason)
    if (result.last_seq, result.head, result.log_id) != (said.seq, said.hash, facts.log_id):
        cause = f"it ends with record {result.last_seq} ({result.head}), and backup.json says {said.seq} ({said.hash})"
        raise IntegrityError("its audit log", cause)
    if result.beyond_head or result.loose_bytes:
        raise IntegrityError("its audit log", "it goes on behind the head")
    try:
        return result.entries, fold(*replay(folder, head))
    except ValueError as error:
        raise IntegrityError("its audit log", f"it cannot be replayed: {error}") from error


def picture_problems(archive: Archive, tasks: Mapping[str, Task]) -> Iterator[Problem]:
    """Every difference between the folders in an archive and the log, of which *tasks* are unfinished."""
    picture = _Picture(archive)
    yield from picture.claims(tasks)
    for task in tasks.values():
        for name, reason in picture.faults(task):
            yield Problem(name, reason)


class _Picture:
    """The queue in an archive, by task."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._entry: dict[str, str] = {}
        """Path below queue/ -> name of the entry."""
        self._standing: dict[str, set[tuple[str, str]]] = defaultdict(set)
        """Key -> folder and name of what has a name of this task."""
        self._inside: dict[str, list[str]] = defaultdict(list)
        """Path of a folder that belongs to a task -> paths of the files in it."""
        for name in archive.entries:
            path = archive.real(name) if name.startswith("data/") else ""
            if not path.startswith("queue/"):
                continue
            path = path.removeprefix("queue/")
            self._entry[path] = name
            folder, _, rest = path.partition("/")
            top, slash, _ = rest.partition("/")
            part = member(top)
            if folder not in LIVE_FOLDERS or part is None:
                continue
            self._standing[key_of(part.id)].add((folder, top))
            if slash:
                self._inside[f"{folder}/{top}"].append(path)

    def claims(self, tasks: Mapping[str, Task]) -> Iterator[Problem]:
        """What stands in the folders of unfinished tasks and is of none that belongs there."""
        for key, places in self._standing.items():
            task = tasks.get(key)
            for folder, name in sorted(places):
                part = member(name)
                if part is None or part.part not in OWN_PARTS:
                    continue
                if task is None:
                    yield Problem(f"data/queue/{folder}/{name}", "the log knows of no unfinished task that it is of")
                elif folder != task.folder:
                    yield Problem(f"data/queue/{folder}/{name}", f"the log says {task.state}: it belongs elsewhere")

    def faults(self, task: Task) -> Iterator[tuple[str, str]]:
        """What is wrong with the files of one unfinished task."""
        described = f".{Part.TASK}"
        found = [name for folder, name in self._standing.get(task.key, ()) if folder == task.folder]
        own = next((name for name in sorted(found) if name.endswith(described)), None)
        if own is None:
            yield f"data/queue/{task.folder}/", f"the task file of {task.key} ({task.state}) is missing"
            return
        path = f"{task.folder}/{own}"
        entry = self._entry[path]
        if self._archive.manifest[entry] != task.task_sha256:
            yield entry, "it is not the task file on record"
            return
        try:
            task_file = msgspec.json.decode(self._archive.read(entry), type=TaskFile)
        except (msgspec.MsgspecError, Damaged) as error:
            yield entry, f"it cannot be read: {error}"
            return
        payload = f"{task.folder}/{task_file.input}"
        if manifest_sha256(self._input(payload)) != task.input_sha256:
            gone = payload not in self._entry and payload not in self._inside
            yield f"data/queue/{payload}", "the input is missing" if gone else "it is not the input on record"
        if task.state in ASKING and task.digest is not None and not self._asked(task_file.id, task):
            yield f"data/queue/approvals/{task_file.id}.json", "the request that waits for an answer is missing"

    def _input(self, path: str) -> tuple[InputFile, ...]:
        if path in self._entry:
            entry = self._entry[path]
            return (InputFile("", self._archive.manifest[entry], self._archive.entries[entry].size),)
        found = []
        for inner in sorted(self._inside.get(path, ())):
            entry = self._entry[inner]
            size = self._archive.entries[entry].size
            found.append(InputFile(inner.removeprefix(f"{path}/"), self._archive.manifest[entry], size))
        return tuple(found)

    def _asked(self, identifier: str, task: Task) -> bool:
        kept = f".requests/{identifier}.{str(task.digest)[:16]}.json"
        forms = (name for folder, name in self._standing.get(task.key, ()) if folder == "approvals")
        paths = (kept, *(f"approvals/{name}" for name in forms))
        return any(self._archive.manifest.get(self._entry.get(path, "")) == task.digest for path in paths)
