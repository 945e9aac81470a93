"""Which inputs were completed before: the warning against paying an invoice twice.

A derived index, never the truth: it is built from the audit log when it is missing or damaged, and is not synced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from deskhand.core.record import Record
from deskhand.store.files import Files

NAME = ".seen.sqlite"
AT_ONCE = 500
"""Inputs that one query asks for."""


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

    def forget(self, key: str) -> None:
        """Forget what the task *key* completed; looks through all of them, 10 ms for 100,000."""
        try:
            with self._db:
                self._db.execute("DELETE FROM seen WHERE task = ?", (key,))
        except sqlite3.Error as error:
            self.trouble = str(error)

    def find(self, inputs: Collection[str]) -> dict[str, str]:
        """Of those *inputs* that were completed before: input hash -> key of the last task with it."""
        wanted = [bytes.fromhex(sha256) for sha256 in inputs]
        found: dict[str, str] = {}
        try:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                query = f"SELECT sha256, task FROM seen WHERE sha256 IN ({','.join('?' * len(some))})"
                found.update((sha256.hex(), key) for sha256, key in self._db.execute(query, some))
        except sqlite3.Error as error:
            self.trouble = str(error)
        return found

    def close(self) -> None:
        """Release the file."""
        self._db.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the desk's lock is ours: nobody else is to be asked
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA secure_delete = ON")
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
