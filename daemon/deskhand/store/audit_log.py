"""The audit log: the authority on what happened, and the write-ahead log of everything that will.

``append`` gives a record its place and keeps it in memory; ``commit`` writes all of them at once and returns when they
are durable.  Rules: one thread, one process; what ``commit`` did not confirm does not count; a sync that failed ends
the use of this log.  What the records mean is ``core.replay``'s matter.
"""

from __future__ import annotations

import base64
import errno
import os
import secrets
from binascii import b2a_base64
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from deskhand.core.chain import START, Link
from deskhand.core.clock import Clock
from deskhand.core.compatibility import FORMAT
from deskhand.core.record import Draft, Record, Stamp, encode, line_hash
from deskhand.errors import IntegrityError, StoreError
from deskhand.store.audit_read import hash_at
from deskhand.store.audit_recovery import OPERATION, Recovered, examine, mend
from deskhand.store.audit_replay import replay
from deskhand.store.files import Files, FsyncError
from deskhand.store.head import HEAD_NAME, Head, HeadFile
from deskhand.store.mirror import Mirror
from deskhand.store.open_segment import OpenSegment, new_segment
from deskhand.store.segments import SNAPSHOT_NAME, batches, day_number, free_name, names

SNAPSHOTS_KEPT = 7
_DAY = 86_400
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class AuditLog:
    """The log of one desk, open for writing."""

    def __init__(
        self,
        files: Files,
        folder: Path,
        clock: Clock,
        log_id: str,
        run: str,
        segment: OpenSegment,
        link: Link,
        first_seq: int = 1,
    ) -> None:
        """Use :meth:`create` or :meth:`open`."""
        self.log_id = log_id
        self.run = run
        self.recovered: Recovered | None = None
        self.trouble: str | None = None
        """What went wrong beside the log itself (head, mirror, old snapshots) at the last commit or rotation."""
        self.last_ts = 0.0
        """Time of the last appended record, epoch seconds as they are read back."""
        self._files = files
        self._folder = folder
        self._clock = clock
        self._segment = segment
        self._link = link
        """The place of the last appended record."""
        self._durable = link
        """The place of the last committed one."""
        self._buffer: list[bytes] = []
        self._mirror: Mirror | None = None
        self._broken = False
        self._folder_unsynced = True
        self._day = day_number(segment.path.name)
        self._first_seq = first_seq
        self.head = Head(link.seq, link.hash, segment.path.name, segment.size)
        self._head_file: HeadFile | None = None

    # -- making and opening ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, files: Files, folder: Path, *, clock: Clock, origin: dict[str, str], desk: str, version: str
    ) -> AuditLog:
        """Begin a log; its genesis is durable when this returns.

        Raises IntegrityError when any part of a log is there, StoreError when the disk refuses.
        """
        _require_no_log(folder)
        log_id = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
        run = secrets.token_hex(8)
        fields = {
            "format": FORMAT,
            "log_id": log_id,
            "origin": dict(origin),
            "vkey": None,
            "desk": desk,
            "version": version,
        }
        line = encode(Draft("log.genesis", fields), _stamp(clock, run, START))
        try:
            files.make_folder(folder)
            _remove_leftovers(files, folder)
            segment = new_segment(files, folder, free_name(folder, clock.wall()), line)
        except FsyncError:
            raise
        except OSError as error:
            raise _store_error("begin the audit log", folder, error) from error
        log = cls(files, folder, clock, log_id, run, segment, Link(1, line_hash(line)))
        return log._begun()

    @classmethod
    def open(cls, files: Files, folder: Path, *, clock: Clock) -> AuditLog:
        """Go on with a log after whatever happened to it; what stays is durable when this returns.

        ``recovered`` says what was cut off.  Raises IntegrityError (file, line, what to do) when the log is damaged,
        StoreError when the disk refuses.
        """
        run = secrets.token_hex(8)
        try:
            found = examine(folder)
            _remove_leftovers(files, folder)
            log_id = found.segments[0].fact("log_id")
            if not isinstance(log_id, str):
                raise IntegrityError(OPERATION, "line 1: it names no log_id", path=found.segments[0].path)
            segment, link, recovered = mend(files, found, lambda draft, link: encode(draft, _stamp(clock, run, link)))
        except FsyncError:
            raise
        except OSError as error:
            raise _store_error(OPERATION, folder, error) from error
        log = cls(files, folder, clock, log_id, run, segment, link, found.newest.first_seq)
        log.recovered = recovered
        return log._begun()

    def attach(self, mirror: Mirror) -> None:
        """Keep *mirror* up to date from now on, beginning with the present head."""
        self._mirror = mirror
        self._write_mirror()

    # -- writing -----------------------------------------------------------------------------------------------

    @property
    def reserve_ok(self) -> bool:
        """False while the disk has no room for the reserve: take nothing new in, finish what is begun."""
        return self._segment.reserve_ok

    @property
    def reserve_supported(self) -> bool:
        """False where the filesystem cannot reserve space: a full disk will be noticed late."""
        return self._segment.reserve_supported

    def append(self, draft: Draft) -> int:
        """Give *draft* its place and return its sequence number; not durable before :meth:`commit`.

        Raises ValueError when it does not fit the registry or the size of a line; then nothing has changed.
        """
        self._require_sound()
        stamp = _stamp(self._clock, self.run, self._link)
        line = encode(draft, stamp)
        self.last_ts = round(stamp.ts, 6)
        self._buffer.append(line)
        self._link = Link(self._link.seq + 1, line_hash(line))
        return self._link.seq

    def commit(self) -> None:
        """Make everything appended durable with one write and one sync.

        Raises HeldError when somebody else touched the log, StoreError when the disk refuses (everything stays
        appended; call again), FsyncError when nothing can be known any more (stop; nothing counts as committed).
        """
        self._require_sound()
        if self._folder_unsynced or self.trouble is not None:
            self._settle()
        if not self._buffer:
            self._segment.ensure_reserve()
            return
        try:
            self._segment.append(b"".join(self._buffer))
        except FsyncError:
            self._broken = True
            raise
        self._buffer.clear()
        self._durable = self._link
        self._settle()

    def close(self) -> None:
        """Close the files; what is not committed is dropped."""
        self._segment.close()
        if self._head_file is not None:
            self._head_file.close()
            self._head_file = None
        if self._mirror is not None:
            self._mirror.close()

    # -- files -------------------------------------------------------------------------------------------------

    @property
    def records(self) -> int:
        """Records in the file that is being written: what a start has to replay."""
        return self._link.seq - self._first_seq + 1

    def rotation_due(self) -> bool:
        """Whether the UTC date is no longer the segment's."""
        return int(self._clock.wall() // _DAY) != self._day

    def rotate(self, snapshot: bytes, *, unfinished: int | None = None) -> None:
        """Commit, write *snapshot* durably, and begin a new segment that vouches for both it and the closed one.

        *unfinished* is the number of tasks in the snapshot, for the record.  Errors as in :meth:`commit`; on
        StoreError the log goes on where it stands and this can be called again.
        """
        self.commit()
        old = self._segment
        old.require_ours()
        snapshot_name = f"snapshot_{self.head.seq}.json"
        try:
            self._files.write_atomic(self._folder / snapshot_name, snapshot)
            name = free_name(self._folder, self._clock.wall())
            line = self._opening(name, snapshot_name, snapshot, unfinished)
            self._segment = new_segment(self._files, self._folder, name, line)
        except FsyncError:
            self._broken = True
            raise
        except OSError as error:
            raise _store_error("begin a new file of the audit log", self._folder, error) from error
        self._link = self._durable = Link(self._link.seq + 1, line_hash(line))
        self._day, self._first_seq = day_number(name), self._link.seq
        self._folder_unsynced = True
        try:
            self._settle()
        finally:
            self._retire(old)

    def _opening(self, name: str, snapshot_name: str, snapshot: bytes, unfinished: int | None) -> bytes:
        closed, total, lines = sha256(), 0, 0
        for batch in batches(self._segment.path, 0, self._segment.size):
            data = b"".join(batch)
            closed.update(data)
            total, lines = total + len(data), lines + len(batch)
        fields = {
            "log_id": self.log_id,
            "name": name,
            "previous": self._segment.path.name,
            "first_seq": self.head.seq - lines + 1,
            "last_seq": self.head.seq,
            "bytes": total,
            "sha256": closed.hexdigest(),
            "snapshot": snapshot_name,
            "snapshot_sha256": sha256(snapshot).hexdigest(),
        }
        if unfinished is not None:
            fields["unfinished"] = unfinished
        return encode(Draft("segment.open", fields), _stamp(self._clock, self.run, self._link))

    def _retire(self, old: OpenSegment) -> None:
        """Close the old day; what fails here costs disk space, nothing else."""
        try:
            old.release_reserve()
            snapshots = sorted(self._folder.glob("snapshot_*.json"), key=_snapshot_seq)
            for path in snapshots[:-SNAPSHOTS_KEPT]:
                self._files.unlink(path)
        except OSError as error:
            self.trouble = f"closing {old.path.name}: {error.strerror}"
        finally:
            old.close()

    # -- reading back ------------------------------------------------------------------------------------------

    def replay(self, having: bytes = b"") -> tuple[bytes | None, Iterator[Record]]:
        """The newest usable snapshot (None: there is none, and none is needed) and every record after it.

        Only committed records, and only those whose line has *having* in it.  Raises IntegrityError, now or while
        iterating, when the log cannot be trusted.
        """
        return replay(self._folder, self.head, having)

    def hash_at(self, seq: int) -> str | None:
        """Hash of the committed record *seq*; None when it is not in the files that are here."""
        return self.head.hash if seq == self.head.seq else hash_at(self._folder, seq)

    # -- inside ------------------------------------------------------------------------------------------------

    def _begun(self) -> AuditLog:
        try:
            self._settle()
        except BaseException:
            self.close()
            raise
        return self

    def _settle(self) -> None:
        """After a sync: new names become durable, the head moves, the reserve is filled up, the mirror follows."""
        self._sync_folder()
        self.head = Head(self._durable.seq, self._durable.hash, self._segment.path.name, self._segment.size)
        self.trouble = None
        try:
            if self._head_file is None:
                self._head_file = HeadFile(self._files, self._folder, self.head)
            else:
                self._head_file.write(self.head)
        except FsyncError:
            self._broken = True
            raise
        except OSError as error:
            self.trouble = f"writing the head: {error.strerror}"
        self._segment.ensure_reserve()
        self._write_mirror()

    def _write_mirror(self) -> None:
        if self._mirror is None:
            return
        try:
            self._mirror.write(self.log_id, self.head.link)
        except OSError as error:
            self.trouble = f"writing the head's mirror: {error.strerror}"

    def _sync_folder(self) -> None:
        if not self._folder_unsynced:
            return
        try:
            self._files.fsync_folder(self._folder)
        except FsyncError:
            self._broken = True
            raise
        except OSError as error:
            raise _store_error("sync the audit log's folder", self._folder, error) from error
        self._folder_unsynced = False

    def _require_sound(self) -> None:
        if self._broken:
            raise FsyncError(errno.EIO, "an earlier sync of the audit log failed; restart to recover")


def _stamp(clock: Clock, run: str, link: Link) -> Stamp:
    return Stamp(link.hash, link.seq + 1, clock.wall(), run, clock.monotonic_ns(), next(_salts))


def _random_salts() -> Iterator[str]:
    """16 random bytes each; the system is asked for 64 at a time."""
    while True:
        block = os.urandom(1024)
        for start in range(0, 1024, 16):
            yield b2a_base64(block[start : start + 16], newline=False).translate(_URL_SAFE, b"=").decode()


_salts = _random_salts()


def _store_error(operation: str, path: Path, error: OSError) -> StoreError:
    return StoreError(operation, error.strerror or str(error), path=path, hint="make room or check the disk")


def _snapshot_seq(path: Path) -> int:
    found = SNAPSHOT_NAME.match(path.name)
    return 0 if found is None else int(found[1])


def _require_no_log(folder: Path) -> None:
    there = names(folder) or [HEAD_NAME] * (folder / HEAD_NAME).exists()
    if there:
        raise IntegrityError(
            "begin the audit log", "there is a log already", path=folder / there[0], hint="use the desk as it is"
        )


def _remove_leftovers(files: Files, folder: Path) -> None:
    """Temporary files of a process that ended while writing one."""
    for path in folder.glob(".deskhand-*.tmp"):
        files.unlink(path)
