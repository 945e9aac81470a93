"""``audit verify``: read the whole log once and name everything that is wrong with it.

Streams in bounded memory and changes nothing, so it may run beside a live daemon: what stands behind the head is
checked as far as it goes and never counted as an error, because it is being written.  Two depths: the chain alone
(no JSON is read), or *strict*: every line against the whole specification, every task against its numbering and the
transition table, every closed file against its recorded size and hash.

It proves that the log is what its head says.  Whether that head is the one that was reached is known only outside the
desk (``at_least``, from the mirror).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from msgspec import Struct

from deskhand.core.chain import Link, claim, explain, follow, link_of
from deskhand.core.line_check import check_line
from deskhand.core.record import Record
from deskhand.core.task_story import TaskStories
from deskhand.errors import IntegrityError
from deskhand.store.audit_read import hash_at
from deskhand.store.audit_replay import read_snapshot
from deskhand.store.head import HEAD_NAME, Head, read_head
from deskhand.store.segments import OPENING_TYPES, Segment, batches, packed_path, scan

MAX_PROBLEMS = 1000
"""Problems that are listed; more are only counted."""
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Problem(Struct, frozen=True):
    """One thing that is wrong."""

    file: str
    line: int
    """From 1; 0 when it concerns the file as a whole."""
    reason: str


class Verified(Struct, frozen=True):
    """What was verified, and what was not."""

    ok: bool
    entries: int
    """Lines up to the head (all lines when there is no head)."""
    head: str | None
    """Hash of the last of them."""
    first_seq: int
    last_seq: int
    log_id: str | None
    strict: bool
    files: tuple[str, ...]
    """In order."""
    absent: tuple[str, ...]
    """Older files that are not here, as far as their names are known: not verified."""
    beyond_head: int
    """Complete lines behind the head that continue the chain; not yet vouched for by anything."""
    loose_bytes: int
    """Bytes behind those: being written, or left by a crash and cut off at the next start."""
    notes: tuple[str, ...]
    errors: tuple[Problem, ...]
    more_errors: int = 0
    """Problems beyond the first 1,000."""


def verify(
    folder: Path, *, strict: bool = True, progress: Progress | None = None, at_least: Link | None = None
) -> Verified:
    """Verify the log in *folder*.  *at_least*: a record known from outside the desk that must be in it.

    OSError when a file cannot be read.
    """
    return _Verifier(folder, strict, progress, at_least).run()


class _Verifier:
    def __init__(self, folder: Path, strict: bool, progress: Progress | None, at_least: Link | None) -> None:
        self._folder = folder
        self._strict = strict
        self._progress = progress
        self._at_least = at_least
        self._problems: list[Problem] = []
        self._more = 0
        self._notes: list[str] = []
        self._entries = self._beyond = self._loose = self._done = self._total = 0
        self._link = Link(0, "")
        self._stories = TaskStories(1)
        self._previous = ("", 0)
        """File and number of the line before the segment that is being read."""

    def run(self) -> Verified:
        head, no_head = read_head(self._folder)
        listing = scan(self._folder)
        segments = listing.segments
        for path, reason in listing.damaged:
            if not (head is not None and path.name > head.file and reason == "the file is empty"):
                self._problem(path.name, 1, reason)
        self._check_presence(segments, head, no_head)
        counted = _up_to(segments, head)
        self._total = sum(_end(segment, head) for segment in counted)
        if segments:
            self._link = segments[0].start
            self._stories = TaskStories(segments[0].first_seq)
        before: tuple[Segment, str] | None = None
        for segment, after in zip_longest(counted, counted[1:]):
            self._check_joint(before, segment)
            self._previous = (
                (segment.name, 1) if before is None else (before[0].name, segment.first_seq - before[0].first_seq)
            )
            before = (segment, self._check_lines(segment, _end(segment, head), _vouched(segment, after, head)))
        last = self._link
        if head is not None and counted and counted[-1].name == head.file:
            self._check_head(counted[-1], head)
            self._look_beyond(segments[len(counted) - 1 :], head)
        self._check_outside(last)
        return self._result(segments, counted, last)

    # -- files -------------------------------------------------------------------------------------------------

    def _check_presence(self, segments: tuple[Segment, ...], head: Head | None, no_head: str | None) -> None:
        if head is None:
            self._notes.append(f"the head was not used: {no_head}; lines cut off the end are not noticed without it")
        elif head.file not in {segment.name for segment in segments}:
            self._problem(head.file, 0, f"the file is missing; the head says that record {head.seq} is in it")
        if not segments:
            self._problem(HEAD_NAME if head else "audit_logs", 0, "there is no log")
            return
        first = segments[0]
        if first.opening is not None and first.opening.type not in OPENING_TYPES:
            self._problem(first.name, 1, "the log begins with neither log.genesis nor segment.open")
        if first.first_seq > 1:
            self._notes.append(
                f"records 1 to {first.first_seq - 1} are in older files that are not here and were not verified; "
                f"the last of them has the SHA-256 {first.prev} according to {first.name}"
            )

    def _check_joint(self, before: tuple[Segment, str] | None, segment: Segment) -> None:
        """The first line of *segment* against the file that it closed, as that was found."""
        if segment.start.seq > self._link.seq and before is not None:
            missing = str(segment.fact("previous"))
            name = missing if missing != before[0].name else segment.name
            numbers = f"records {self._link.seq + 1} to {segment.start.seq}"
            if not (before[0].packed and self._known(before[0].name)):  # they are in what could not be unpacked
                self._problem(name, 0, f"{numbers} are missing between {before[0].name} and {segment.name}")
            self._link = segment.start
        if before is None or segment.opening is None:
            return
        closed, digest = before
        found: dict[str, object] = {
            "previous": closed.name,
            "first_seq": closed.first_seq,
            "last_seq": self._link.seq,
            "bytes": closed.size,
        }
        if digest:
            found["sha256"] = digest
        for name, value in found.items():
            if segment.fact(name) != value and not self._known(closed.name):
                words = f"{name} is {value}, but {segment.name} recorded {segment.fact(name)} when it closed the file"
                self._problem(closed.name, 0, words)

    def _check_snapshot(self, segment: Segment) -> None:
        name = segment.fact("snapshot")
        if name is None or read_snapshot(segment) is not None:
            return
        if (self._folder / str(name)).exists():
            self._problem(str(name), 0, f"it is not the snapshot that {segment.name} recorded")
        else:
            self._notes.append(f"{name}, recorded in {segment.name}, is not here")

    # -- lines -------------------------------------------------------------------------------------------------

    def _check_lines(self, segment: Segment, end: int, vouched: str | None) -> str:
        """Every line of *segment* up to the byte *end*, the last of which should have the hash *vouched*.

        Returns the file's SHA-256 when strict, else nothing.
        """
        digest, number = sha256(), 0
        if self._strict:
            self._check_snapshot(segment)
        # A packed file is only known to be whole when its end was read.
        runs = batches(segment.path, 0, None if segment.packed and end == segment.size else end)
        for batch, following in _with_next(self._sound(segment, runs)):
            self._check_chain(segment, batch, number, following, vouched)
            if self._strict:
                digest.update(b"".join(batch))
                for index, line in enumerate(batch):
                    self._check_content(segment, line, number + index + 1)
            number += len(batch)
            self._entries += len(batch)
            self._done += sum(map(len, batch))
            if self._progress is not None:
                self._progress(self._done, self._total)
        return digest.hexdigest() if self._strict else ""

    def _check_chain(
        self, segment: Segment, batch: list[bytes], number: int, following: bytes | None, end: str | None
    ) -> None:
        self._link, at = follow(self._link, batch)
        while at < len(batch):
            bad = batch[at]
            after = batch[at + 1] if at + 1 < len(batch) else following
            fault = explain(self._link, bad, end if after is None else _prev(after))
            if fault.before and number + at == 0:
                self._problem(*self._previous, fault.reason)
            else:
                self._problem(segment.name, number + at + (0 if fault.before else 1), fault.reason)
            says = claim(bad)
            self._link = link_of(bad, self._link.seq + 1 if says is None else says.seq)
            at = self._skip_good(batch, at + 1)

    def _skip_good(self, batch: list[bytes], at: int) -> int:
        """The next line that breaks the chain, from *at* on; one by one, because where one is there are often more."""
        while at < len(batch):
            self._link, good = follow(self._link, batch[at : at + 1])
            if not good:
                break
            at += 1
        return at

    def _sound(self, segment: Segment, runs: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """*runs*, as far as the file that they are in can be unpacked."""
        try:
            yield from runs
        except IntegrityError as error:
            self._problem(segment.name, 0, error.cause)

    def _check_content(self, segment: Segment, line: bytes, number: int) -> None:
        try:
            record = check_line(line)
        except ValueError as error:
            self._problem(segment.name, number, str(error))
            return
        if record.type == "audit.compressed":
            self._check_packed(record)
        reason = self._place_fault(segment, record, number) or self._stories.feed(record)
        if reason is not None:
            self._problem(segment.name, number, reason)

    def _check_packed(self, record: Record) -> None:
        """What is in the packed file is verified with the others; here, whether it is still the one that was made."""
        name = str(record.fields.get("name"))
        path = packed_path(self._folder / Path(name).name)
        try:
            found = sha256(path.read_bytes()).hexdigest()
        except OSError:
            return  # archived or unpacked; that the records are there is another matter
        if found != record.fields.get("packed_sha256"):
            self._notes.append(f"{path.name} was packed again by somebody; what is in it was verified")

    def _place_fault(self, segment: Segment, record: Record, number: int) -> str | None:
        if record.type in OPENING_TYPES:
            if number != 1 or (record.type == "log.genesis") != (record.seq == 1):
                return f"{record.type} does not belong here"
            if record.type == "segment.open" and record.fields.get("name") != segment.name:
                return f"it was written as the beginning of {record.fields.get('name')}"
        elif number == 1:
            return "the file does not begin with log.genesis or segment.open"
        return None

    # -- the end -----------------------------------------------------------------------------------------------

    def _check_head(self, segment: Segment, head: Head) -> None:
        if segment.size < head.offset:
            words = f"it ends at byte {segment.size}, but the head says that it was durable up to byte {head.offset}"
            self._problem(segment.name, 0, words)
        elif self._link != head.link and not self._known(segment.name):
            line = self._link.seq - segment.first_seq + 1
            words = f"the head says that record {head.seq} with the SHA-256 {head.hash} ends at byte {head.offset}"
            self._problem(segment.name, line, f"{words}; found was record {self._link.seq} with {self._link.hash}")

    def _look_beyond(self, segments: tuple[Segment, ...], head: Head) -> None:
        link, intact = self._link, True
        for segment in segments:
            for batch in batches(segment.path, head.offset if segment.name == head.file else 0):
                good = 0
                if intact:
                    link, good = follow(link, batch)
                    self._beyond += good
                    intact = good == len(batch)
                self._loose += sum(map(len, batch[good:]))

    def _check_outside(self, last: Link) -> None:
        known = self._at_least
        if known is None:
            return
        if known.seq > last.seq + self._beyond:
            words = f"record {known.seq} was written according to the mirror outside the desk, but the log ends before"
            self._problem(HEAD_NAME, 0, words)
            return
        try:
            found = last.hash if known.seq == last.seq else hash_at(self._folder, known.seq)
        except IntegrityError:
            return  # the file it is in is named already
        if found is not None and found != known.hash:
            words = f"record {known.seq} is not the one that the mirror outside the desk remembers"
            self._problem(HEAD_NAME, 0, words)

    # -- results -----------------------------------------------------------------------------------------------

    def _problem(self, file: str, line: int, reason: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(file, line, reason))
        else:
            self._more += 1

    def _known(self, file: str) -> bool:
        """Whether *file* has a problem already: one damage is not reported in ever new words."""
        return self._more > 0 or any(problem.file == file for problem in self._problems)

    def _result(self, segments: tuple[Segment, ...], counted: tuple[Segment, ...], last: Link) -> Verified:
        first = segments[0] if segments else None
        log_id = None if first is None else first.fact("log_id")
        absent = () if first is None or first.first_seq == 1 else (str(first.fact("previous")),)
        return Verified(
            ok=not self._problems,
            entries=self._entries,
            head=last.hash if self._entries else None,
            first_seq=0 if first is None else first.first_seq,
            last_seq=last.seq if self._entries else 0,
            log_id=log_id if isinstance(log_id, str) else None,
            strict=self._strict,
            files=tuple(segment.name for segment in counted),
            absent=absent,
            beyond_head=self._beyond,
            loose_bytes=self._loose,
            notes=tuple(self._notes),
            errors=tuple(self._problems),
            more_errors=self._more,
        )


def _up_to(segments: tuple[Segment, ...], head: Head | None) -> tuple[Segment, ...]:
    """The segments that the head vouches for; all of them without one."""
    index = next((i for i, segment in enumerate(segments) if head is not None and segment.name == head.file), None)
    return segments if index is None else segments[: index + 1]


def _end(segment: Segment, head: Head | None) -> int:
    return min(segment.size, head.offset) if head is not None and segment.name == head.file else segment.size


def _vouched(segment: Segment, after: Segment | None, head: Head | None) -> str | None:
    """The hash of the last line of *segment* according to what follows it."""
    if head is not None and head.file == segment.name:
        return head.hash
    return None if after is None or after.fact("previous") != segment.name else after.prev


def _prev(line: bytes) -> str | None:
    says = claim(line)
    return None if says is None else says.prev


def _with_next(runs: Iterator[list[bytes]]) -> Iterator[tuple[list[bytes], bytes | None]]:
    """Each run with the first line of the next one."""
    current = next(runs, None)
    while current is not None:
        following = next(runs, None)
        yield current, None if following is None else following[0]
        current = following
