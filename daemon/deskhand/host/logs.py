"""The operational log: JSON lines in ``logs/deskhand.log``, and readable lines on a terminal.

Rules: writing a log line never stops a task: when the disk is full, or the terminal is gone or nobody reads it, lines
are dropped, and their number is in the first line that gets through again.  Control characters are escaped, long
values are cut, values of fields that are called like a secret are withheld, bytes are never shown.  Truth is the audit
log; this one may be lost.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

import msgspec
import structlog

from deskhand.core.log import Log
from deskhand.core.names import visible
from deskhand.core.settings import Logs
from deskhand.host.console import Console
from deskhand.store.files import Files

LOG_NAME = "deskhand.log"
VALUE_MAX = 2000
"""Characters of a value that are written."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET = re.compile(r"passw|secret|token|api_?key|private|credential|cookie|authoriz|payload|body", re.IGNORECASE)
_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}


class Sink(Protocol):
    """Takes finished events."""

    def write(self, event: Mapping[str, object]) -> None:
        """Write one event or drop it; never raises OSError."""


def configure(
    settings: Logs, folder: Path, *, console: bool, files: Files | None = None, stream: TextIO | None = None
) -> Log:
    """The daemon's log, written to *folder*/deskhand.log.

    With *console* every line is also shown, readably, on *stream* (the process's stderr by default).
    """
    sinks: list[Sink] = [FileSink(files or Files(), folder / LOG_NAME, settings)]
    if console:
        sinks.append(ConsoleSink(stream or sys.stderr))
    return bind(sinks, settings.level)


def bind(sinks: list[Sink], level: str) -> Log:
    """A log that hands every event of at least *level* to each of *sinks*."""
    logger = structlog.wrap_logger(
        _Fanout(sinks),
        processors=[_finished],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    return cast(Log, logger.bind())


class _Fanout:
    """What structlog calls last."""

    def __init__(self, sinks: list[Sink]) -> None:
        self._sinks = sinks

    def msg(self, event: Mapping[str, object]) -> None:
        for sink in self._sinks:
            sink.write(event)

    debug = info = warning = error = critical = msg


class FileSink:
    """A file that is rotated by size and by age: ``deskhand.log``, ``deskhand.log.1`` (newest) ... ``.<keep>``."""

    def __init__(self, files: Files, path: Path, settings: Logs, now: Callable[[], float] = time.time) -> None:
        self._files = files
        self._path = path
        self._max = settings.max_bytes
        self._max_age = settings.max_age
        self._now = now
        self._began = 0.0
        """Time of the first line, epoch seconds."""
        self._keep = settings.keep
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._size = 0
        self.dropped = 0
        """Events that could not be written since the last one that could."""

    def write(self, event: Mapping[str, object]) -> None:
        """Append the event as one JSON line; a disk that refuses costs this line and nothing else."""
        with self._lock:
            line = _encode({**event, "lines_lost": self.dropped} if self.dropped else event)
            try:
                self._append(line)
                self.dropped = 0
            except OSError:
                self.dropped += 1
                self._close()

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        with self._lock:
            self._close()

    def _append(self, line: bytes) -> None:
        descriptor = self._descriptor if self._descriptor is not None else self._open()
        if self._size and (self._size + len(line) > self._max or self._old()):
            self._close()
            self._rotate()
            descriptor = self._open()
        try:
            self._files.write_all(descriptor, line)
        except OSError:
            # Half a line would spoil the next one.
            self._files.truncate(descriptor, self._size)
            raise
        self._size += len(line)

    def _open(self) -> int:
        self._files.make_folder(self._path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._began = _first_moment(self._path) if self._size and self._max_age is not None else self._now()
        return self._descriptor

    def _old(self) -> bool:
        return self._max_age is not None and self._now() - self._began > self._max_age

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{LOG_NAME}.{n}") for n in range(1, self._keep + 1))]
        if self._keep == 0:
            self._files.unlink(self._path)
        for newer, older in reversed(list(pairwise(names))):
            if newer.exists():
                self._files.replace(newer, older)


class ConsoleSink:
    """Readable lines on a terminal or a pipe: ``14:03:22 warning  intake paused  reason='disk full'``."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(stream)
        self._colour = stream.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()

    def write(self, event: Mapping[str, object]) -> None:
        """Show the event; what nobody reads is dropped."""
        with self._lock:
            lost = self._console.lost
            line = readable({**event, "lines_lost": lost} if lost else event, colour=self._colour)
            self._console.write(line)


def _first_moment(path: Path) -> float:
    """Epoch seconds of the first line; those of the last change when it says nothing."""
    with path.open("rb") as stream:
        line = stream.readline(VALUE_MAX)
        try:
            return datetime.fromisoformat(line[7:31].decode()).timestamp()
        except ValueError:
            return os.fstat(stream.fileno()).st_mtime


def readable(event: Mapping[str, object], *, colour: bool) -> str:
    """One line for a person, with the time of day where the person is."""
    fields = dict(event)
    at = _time_of_day(str(fields.pop("ts"))[:19])
    level = str(fields.pop("level"))
    shown = f"{_COLOURS[level]}{level:<7}\x1b[0m" if colour else f"{level:<7}"
    rest = "".join(
        f"  {name}={_short(value)}" for name, value in fields.items() if name != "event" and value is not None
    )
    return f"{at} {shown} {fields['event']}{rest}\n"


@lru_cache(maxsize=2)
def _time_of_day(second: str) -> str:
    return f"{datetime.fromisoformat(second + 'Z').astimezone():%H:%M:%S}"


def _short(value: object) -> str:
    text = str(value)
    return repr(text) if not text or " " in text or "'" in text else text


def _finished(_: object, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any], dict[str, Any]]:
    """The event as the sinks get it: stamped, named, safe to show."""
    now = time.time()
    ts = f"{_second(int(now))}.{int(now % 1 * 1000):03}Z"
    clean: dict[str, Any] = {"ts": ts, "level": method, "event": _value("event", event.pop("event"))}
    for name, value in event.items():
        shown = name if name.isidentifier() else visible(name)
        clean[f"{shown}_" if shown in clean else shown] = _value(name, value)
    return (clean,), {}


@lru_cache(maxsize=2)
def _second(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat()[:19]


@lru_cache(maxsize=256)
def _secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _value(name: str, value: object, depth: int = 4) -> object:
    if _secret(name):
        return "(withheld)"
    if type(value) is str:
        return _text(value)
    if depth == 0:
        return f"({type(value).__name__})"
    match value:
        case bool() | float() | None:
            return value
        case int():
            return value if abs(value) < 1 << 63 else str(value)
        case bytes() | bytearray() | memoryview():
            return f"({len(value)} bytes)"
        case BaseException():
            return _text(f"{type(value).__name__}: {value}")
        case Mapping():
            return {visible(str(key)): _value(str(key), inner, depth - 1) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_value(name, inner, depth - 1) for inner in value]
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    # Cut first: escaping a huge text would be work for nothing.
    cut = text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}... ({len(text)} characters)"
    return visible(cut)


_encoder: Callable[[object], bytes] = msgspec.json.Encoder(enc_hook=str).encode


def _encode(event: Mapping[str, object]) -> bytes:
    return _encoder(event) + b"\n"
