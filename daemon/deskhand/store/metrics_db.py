"""The metrics of a desk by minute, by hour and altogether: an index of the audit log, never the truth.

``logs/metrics.sqlite`` holds what the records up to a place in the log add up to.  Whoever wants to know first takes in
what came since, in one transaction, so nothing is counted twice or left out, with or without a daemon.  It is made anew
from the log when it is missing, damaged, or of another log.  Minutes are kept for two days and hours for 400, so it
does not grow for ever; it is not synced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.core.chain import claim
from deskhand.core.record import line_hash
from deskhand.core.tally import HOUR, MINUTE, Fold, Moments, Tally
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.head import read_head
from deskhand.store.segments import batches, scan

NAME = "metrics.sqlite"
VERSION = 2
"""Of the tables and of what is counted; another one is made anew."""
KEPT = {MINUTE: 2 * 86_400.0, HOUR: 400 * 86_400.0}
"""Seconds for which stretches of each length are kept."""
ALL = 0
"""Length under which everything is added up."""
PATIENCE = 10.0
"""Seconds to wait for another process that is taking records in."""
_TABLES = """
CREATE TABLE slot (length INTEGER, start INTEGER, tally BLOB NOT NULL, PRIMARY KEY (length, start)) WITHOUT ROWID;
CREATE TABLE open (task TEXT PRIMARY KEY, moments BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE place (one INTEGER PRIMARY KEY CHECK (one = 1), file TEXT, offset INTEGER, hash TEXT, seq INTEGER);
"""


class _Place(Struct, frozen=True):
    """Up to where the log is taken in."""

    file: str
    offset: int
    hash: str
    """Of the last line that is."""
    seq: int


class MetricsDb:
    """The index, open.  Close it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @classmethod
    def open(cls, files: Files, desk: Desk) -> MetricsDb:
        """Open it, or make it; in memory, for this once, where it cannot be written."""
        path = desk.logs / NAME
        try:
            return cls(_connect(path))
        except sqlite3.OperationalError:
            return cls(_connect(None))
        except sqlite3.DatabaseError:
            files.unlink(path)
            return cls(_connect(path))

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def catch_up(self, audit: Path, now: float) -> int:
        """Take in the records since the last time, up to the head of the log in folder *audit*; how many there were.

        *now* (epoch seconds) decides what is too old to be kept.  OSError when the log cannot be read, ValueError when
        a line of it is none.
        """
        head, _ = read_head(audit)
        if head is None:
            return 0
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            place = self._place()
            taken = None
            if place is None or place.seq <= head.seq:
                taken = self._take(audit, place, head.file, head.offset)
            if taken is None:
                for table in ("slot", "open", "place"):
                    self._db.execute(f"DELETE FROM {table}")
                taken = self._take(audit, None, head.file, head.offset)
            if taken is None:
                raise ValueError("its first line is no line of the log")
            for length, age in KEPT.items():
                self._db.execute("DELETE FROM slot WHERE length = ? AND start < ?", (length, int(now - age)))
        return taken

    def total(self) -> Tally:
        """Everything since the first record that was there."""
        return _Slots(self._db).slot(ALL, 0)

    def beginning(self) -> float | None:
        """Start of the first hour that something is known of (epoch seconds); None when there is none."""
        row = self._db.execute("SELECT min(start) FROM slot WHERE length = ?", (HOUR,)).fetchone()
        return None if row[0] is None else float(row[0])

    def between(self, since: float, until: float) -> Tally:
        """What happened from *since* to *until* (epoch seconds), to the minute or, where that is gone, to the hour."""
        whole = Tally()
        for _, tally in self.stretches(since, until, HOUR if until - since > KEPT[MINUTE] else MINUTE):
            whole.add(tally)
        return whole

    def stretches(self, since: float, until: float, length: int) -> Iterator[tuple[int, Tally]]:
        """Those of *length* (MINUTE or HOUR) in which something happened: start (epoch seconds) and tally."""
        query = "SELECT start, tally FROM slot WHERE length = ? AND start > ? AND start <= ? ORDER BY start"
        for start, blob in self._db.execute(query, (length, since - length, until)):
            yield start, _decode(blob)

    # -- taking in -----------------------------------------------------------------------------------------------

    def _place(self) -> _Place | None:
        row = self._db.execute("SELECT file, offset, hash, seq FROM place").fetchone()
        return None if row is None else _Place(*row)

    def _take(self, audit: Path, place: _Place | None, last: str, end: int) -> int | None:
        """Take in what is behind *place*, up to *end* in the file *last*.

        How many records there were; None when the log does not go on from there, and nothing was written.
        """
        segments = scan(audit).segments
        names = [segment.name for segment in segments]
        if place is not None and place.file not in names:
            return None
        slots, tasks = _Slots(self._db), _Open(self._db)
        fold = Fold(slots.around, tasks)
        taken = 0
        for segment in segments[0 if place is None else names.index(place.file) :]:
            offset = place.offset if place is not None and place.file == segment.name else 0
            for batch in batches(segment.path, offset, end if segment.name == last else segment.size):
                for raw in batch:
                    says = claim(raw)
                    if says is None or (place is not None and says.prev != place.hash):
                        if taken:
                            raise ValueError(f"{segment.name}: the line at byte {offset} does not continue the chain")
                        return None
                    fold.take(raw)
                    offset += len(raw)
                    place = _Place(segment.name, offset, line_hash(raw), says.seq)
                    taken += 1
            if segment.name == last:
                break
        slots.write()
        tasks.write()
        if place is not None:
            row = (place.file, place.offset, place.hash, place.seq)
            self._db.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?, ?, ?)", row)
        return taken


class _Slots:
    """The stretches that one taking-in touches."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._touched: dict[tuple[int, int], Tally] = {}

    def around(self, moment: float, _: str | None) -> tuple[Tally, ...]:
        """The minute and the hour that *moment* is in, and everything."""
        return (
            self.slot(MINUTE, int(moment // MINUTE) * MINUTE),
            self.slot(HOUR, int(moment // HOUR) * HOUR),
            self.slot(ALL, 0),
        )

    def slot(self, length: int, start: int) -> Tally:
        """One of them, as it is so far."""
        found = self._touched.get((length, start))
        if found is None:
            query = "SELECT tally FROM slot WHERE length = ? AND start = ?"
            row = self._db.execute(query, (length, start)).fetchone()
            found = self._touched[length, start] = Tally() if row is None else _decode(row[0])
        return found

    def write(self) -> None:
        rows = [(length, start, msgspec.json.encode(tally)) for (length, start), tally in self._touched.items()]
        self._db.executemany("INSERT OR REPLACE INTO slot VALUES (?, ?, ?)", rows)


class _Open(MutableMapping[str, Moments]):
    """The tasks that are not over; what changed is written at the end."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._changed: dict[str, Moments | None] = {}

    def __getitem__(self, key: str) -> Moments:
        found = self._changed.get(key)
        if found is None and key not in self._changed:
            row = self._db.execute("SELECT moments FROM open WHERE task = ?", (key,)).fetchone()
            found = None if row is None else msgspec.json.decode(row[0], type=Moments)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: str, moments: Moments) -> None:
        self._changed[key] = moments

    def __delitem__(self, key: str) -> None:
        self._changed[key] = None

    def __iter__(self) -> Iterator[str]:
        stored = {row[0] for row in self._db.execute("SELECT task FROM open")}
        return (key for key in stored | self._changed.keys() if self._changed.get(key, True) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def write(self) -> None:
        there = [(key, msgspec.json.encode(moments)) for key, moments in self._changed.items() if moments is not None]
        self._db.executemany("INSERT OR REPLACE INTO open VALUES (?, ?)", there)
        over = [(key,) for key, moments in self._changed.items() if moments is None]
        self._db.executemany("DELETE FROM open WHERE task = ?", over)


_decode = msgspec.json.Decoder(Tally).decode


def _connect(path: Path | None) -> sqlite3.Connection:
    """Open the file, or memory; OperationalError when that is not possible, DatabaseError when it is damaged."""
    db = sqlite3.connect(":memory:" if path is None else path, timeout=PATIENCE, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in filter(str.strip, _TABLES.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"it has version {version}")
        db.execute("COMMIT")
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
