"""One line of the audit log, held against the whole specification.

The chain (``core.chain``) proves that a line was not changed later; this proves that it was well-formed to begin with:
UTF-8, no spaces outside strings, no key twice, a known type with only its own fields.  A line that passes means the
same to every reader.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from deskhand.core.chain import claim
from deskhand.core.record import MAX_LINE, Draft, Record, check, parse, record_of

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
_SALT = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_encode = msgspec.json.Encoder().encode


def check_line(line: bytes) -> Record:
    """The record in *line* (LF included); ValueError with the first rule that it breaks."""
    if not line.endswith(b"\n"):
        raise ValueError("no line feed at its end")
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    if claim(line) is None:
        raise ValueError('does not begin with {"prev":"<64 hex>","seq":<number>,')
    data = parse(line)
    if _encode(data) + b"\n" != line:
        _check_spelling(line)
    ts, salt = data.get("ts"), data.get("salt")
    record = record_of(data)
    if record.mono < 0:
        raise ValueError("mono is negative")
    _check_text("ts", _TS, ts)
    _check_text("salt", _SALT, salt)
    check(Draft(record.type, record.fields))
    return record


def _check_text(name: str, pattern: re.Pattern[str], value: object) -> None:
    if not isinstance(value, str) or pattern.match(value) is None:
        raise ValueError(f"{name} is not written as specified")


def _check_spelling(line: bytes) -> None:
    """What a JSON reader forgives and the format does not; another writer's escapes and numbers are no fault."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason}") from error
    if re.search(rb"\s", _STRING.sub(b"", line[:-1])):
        raise ValueError("spaces outside strings")
    json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"the key {twice!r} stands twice")
    return dict(pairs)
