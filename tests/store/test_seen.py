"""The index of completed inputs: found again, and built again from the log whenever it cannot be trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deskhand.core.record import Record
from deskhand.store.files import Files
from deskhand.store.seen import NAME, Seen

MANY = 2_000


def hash_of(number: int) -> str:
    """A hash of some input."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def record(kind: str, **fields: object) -> Record:
    """A line of the log, as far as the index looks at it."""
    return Record("", 1, 0.0, kind, dict(fields), "", 0)


HISTORY = [
    record("task.received", task="a", input_sha256=hash_of(1), input_bytes=3),
    record("task.received", task="b", input_sha256=hash_of(2), input_bytes=3),
    record("task.received", task="empty", input_sha256=hash_of(3), input_bytes=0),
    record("task.completed", task="a"),
    record("task.completed", task="empty"),
    record("task.failed", task="b"),
]


def test_what_was_completed_is_found_after_a_restart(tmp_path: Path) -> None:
    index = Seen.open(Files(), tmp_path, [])
    index.add([(hash_of(1), "first"), (hash_of(1), "second")])
    index.close()
    again = Seen.open(Files(), tmp_path, HISTORY)
    assert again.find([hash_of(1), hash_of(2)]) == {hash_of(1): "second"}
    again.close()


def test_a_missing_index_is_built_from_the_log(tmp_path: Path) -> None:
    index = Seen.open(Files(), tmp_path, HISTORY)
    assert index.find([hash_of(number) for number in (1, 2, 3)]) == {hash_of(1): "a"}
    index.close()


@pytest.mark.parametrize("damage", ["no database", "a page"])
def test_a_damaged_index_is_built_again(tmp_path: Path, damage: str) -> None:
    index = Seen.open(Files(), tmp_path, [])
    index.add((hash_of(number), f"old-{number}") for number in range(MANY))
    index.close()
    path = tmp_path / NAME
    data = bytearray(path.read_bytes())
    if damage == "no database":
        data[:16] = b"something else.."
    else:
        data[-4096:] = b"\xff" * 4096
    path.write_bytes(data)
    index = Seen.open(Files(), tmp_path, HISTORY)
    assert index.find([hash_of(1), hash_of(7)]) == {hash_of(1): "a"}
    index.close()
