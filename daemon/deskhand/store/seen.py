"""Which inputs were completed before: the warning against paying an invoice twice.

A derived index, never the truth: it is built from the audit log when it is missing or damaged, and is not synced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from deskhand.core.record import Record
from deskhand.store.files import Files

NAME = ".seen.sqlite"


class Seen:
    """SHA-256 of a completed input -> key of the last task that completed it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.trouble: str | None = None
        """Why the index did not work at the last attempt: a warning may be missing, nothing else."""

    @classmethod
    def open(cls, files: Files, folder: Path, records: Iterable[Record]) -> Seen:
        """Open the index in *folder*; *records* (all of the log, read only if needed) rebuild it."""
        path = folder / NAME
        fresh = not path.exists()
        try:
            index = cls(_connect(path))
        except sqlite3.DatabaseError:
            files.unlink(path)
            fresh = True
            index = cls(_connect(path))
        if fresh:
            index._rebuild(records)
        return index

    def _rebuild(self, records: Iterable[Record]) -> None:
        inputs: dict[str, str] = {}
        for record in records:
            if record.type == "task.received" and record.fields.get("input_bytes"):
                inputs[record.fields["task"]] = record.fields["input_sha256"]
            elif record.type == "task.completed" and record.fields["task"] in inputs:
                self.add([(inputs[record.fields["task"]], record.fields["task"])])

    def add(self, completed: Iterable[tuple[str, str]]) -> None:
        """Remember (input hash, task key) pairs."""
        rows = [(bytes.fromhex(sha256), key) for sha256, key in completed]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            self.trouble = str(error)

    def find(self, sha256: str) -> str | None:
        """Key of the last completed task with this input."""
        try:
            row = self._db.execute("SELECT task FROM seen WHERE sha256 = ?", (bytes.fromhex(sha256),)).fetchone()
        except sqlite3.Error as error:
            self.trouble = str(error)
            return None
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Release the file."""
        self._db.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS seen (sha256 BLOB PRIMARY KEY, task TEXT NOT NULL) WITHOUT ROWID"
        )
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
