"""Taking a task's id and names out of what deskhand wrote for people: the operational log and the notes in the vault.

Rules: the log is overwritten in place, each line as long as it was, because the daemon goes on appending to it; a line
stays one JSON object.  A name counts where it stands by itself, not inside a longer word.  What is not ours (no
regular file) is left alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from deskhand.core.names import visible
from deskhand.store.files import Files

MASK = "***"
_KEPT = frozenset({"ts", "level", "event"})
"""Fields of a log line that are constant phrases."""
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Traces:
    """What is looked for."""

    def __init__(self, key: str, names: Iterable[str] = ()) -> None:
        """*key*: the task's; its id is found whatever its readable middle.  *names*: of what was dropped."""
        self._key = key
        self._names = tuple(sorted({form for name in names for form in (name, visible(name)) if form}, key=len))[::-1]
        self._identifier = re.compile(rf"{re.escape(key[:15])}-[a-z0-9_-]{{1,40}}{re.escape(key[15:])}(?![a-z0-9])")

    @cached_property
    def _name(self) -> re.Pattern[str] | None:
        """A name as it is, or with backslashes before what means something in Markdown."""
        forms = ("".join(c if c.isalnum() else rf"\\?{re.escape(c)}" for c in name) for name in self._names)
        joined = "|".join(forms)
        return re.compile(rf"(?<!\w)(?:{joined})(?!\w)") if joined else None

    @cached_property
    def _plain(self) -> tuple[bytes, ...]:
        return tuple(_encode(text)[1:-1] for text in (self._key[15:], *self._names))

    def may_be_in(self, line: bytes) -> bool:
        """Whether a JSON line can hold any of it."""
        return any(plain in line for plain in self._plain)

    def has_id(self, text: str) -> bool:
        """Whether *text* has the task's id in it."""
        return self._identifier.search(text) is not None

    def without(self, text: str) -> str:
        """*text* with the key in place of the id, and a mask in place of each name."""
        text = self._identifier.sub(self._key, text)
        return text if self._name is None else self._name.sub(lambda found: MASK[: len(found[0])], text)

    def without_in(self, value: Any) -> Any:
        """The same for every text in a JSON value."""
        match value:
            case str():
                return self.without(value)
            case list():
                return [self.without_in(inner) for inner in value]
            case dict():
                return {self.without(str(name)): self.without_in(inner) for name, inner in value.items()}
            case _:
                return value


def scrub_log(files: Files, path: Path, traces: Traces) -> int:
    """Overwrite what *path*, a file of JSON lines, says of the task; the number of lines.  OSError if impossible."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return 0
    changed = offset = 0
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return 0
        with open(fd, "rb", closefd=False) as stream:
            for line in stream:
                if traces.may_be_in(line):
                    other = _log_line(line, traces)
                    if other != line:
                        files.pwrite(fd, other, offset)
                        changed += 1
                offset += len(line)
        if changed:
            files.fdatasync(fd)
    finally:
        os.close(fd)
    return changed


def _log_line(line: bytes, traces: Traces) -> bytes:
    """*line* without the task, as long as before."""
    end = b"\n" if line.endswith(b"\n") else b""
    room = len(line) - len(end)
    try:
        event = _decode(line)
        other = _encode({name: value if name in _KEPT else traces.without_in(value) for name, value in event.items()})
    except (ValueError, RecursionError):
        other = b""
    return other.ljust(room) + end if other and len(other) <= room else b" " * room + end


def scrub_note(files: Files, path: Path, traces: Traces) -> bool:
    """Take every line about the task out of a note of ours, and its names; whether there was any.  OSError."""
    if path.is_symlink() or not path.is_file():
        return False
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    lines = text.splitlines(keepends=True)
    left = "".join(traces.without(line) for line in lines if not traces.has_id(line))
    if left == text:
        return False
    files.write_atomic(path, left.encode("utf-8", "surrogateescape"), mode=stat.S_IMODE(path.stat().st_mode))
    return True
