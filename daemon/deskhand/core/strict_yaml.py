"""Bytes of YAML -> a tree of values that know their line, or what is wrong with them.

The only importer of the YAML library, of which only the parser's events are used: the tree is built here, without
recursion, so that depth, aliases and duplicate keys are stopped while reading and not afterwards.

Rules: UTF-8 (a byte order mark is tolerated and noted); one document; no anchors, aliases, merge keys or tags; no key
twice; at most 20 levels and 256 KiB.  A plain scalar is null, true/false, a decimal integer, a decimal number, or
text: dates, ``yes``/``no``, ``0x1F`` and ``012`` stay the text that was written.  NaN and infinity are refused.

What the values *mean* is not decided here; see ``core.shape``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from deskhand.core.yaml_nodes import (
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Span,
    Violation,
    lines,
    locate,
    plain,
    position,
)

__all__ = [
    "Document",
    "Entry",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "Span",
    "Violation",
    "lines",
    "locate",
    "plain",
    "position",
    "read",
    "resolve",
]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_DIGITS = 18
"""Digits of an integer; fits 64 bits."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)\Z", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """What was read.  *root* is None when the text is no YAML at all; *violations* are in the order of the file."""

    root: Node | None
    violations: tuple[Violation, ...]
    text: str = ""
    """The decoded text, which spans refer to; without the byte order mark."""
    bom: bool = False


def read(data: bytes) -> Document:
    """Read one document.  Never raises for any bytes."""
    bom = data.startswith(b"\xef\xbb\xbf")
    refused = _refused_bytes(data)
    if refused is not None:
        return Document(None, (refused,), bom=bom)
    text = data.decode("utf-8-sig")
    if (found := _UNPRINTABLE.search(text)) is not None:
        line, column = position(text, found.start())
        message = f"the control character U+{ord(found[0]):04X} is not allowed"
        return Document(None, (Violation(line, column, "", message),), text, bom)
    builder = _Builder()
    root = builder.build(text)
    return Document(root, tuple(sorted(builder.violations)), text, bom)


def _refused_bytes(data: bytes) -> Violation | None:
    if len(data) > MAX_BYTES:
        return Violation(0, 0, "", f"larger than {MAX_BYTES // 1024} KiB")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        return Violation(0, 0, "", "is UTF-16 or binary; save it as UTF-8 text")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = position(data[: error.start].decode("utf-8"), error.start)
        return Violation(line, column, "", f"is not UTF-8: the byte {data[error.start]:#04x} does not belong here")
    return None


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read."""

    mapping: bool
    flow: bool
    start: Any
    path: str
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    """The key whose value comes next; None = a key comes next."""
    duplicate: bool = False
    """The value of *key* is read and thrown away."""

    def child_path(self) -> str:
        if not self.mapping:
            return f"{self.path}[{len(self.items)}]"
        name = self.key.text if self.key else ""
        return f"{self.path}.{name}" if self.path else name


class _Stop(Exception):
    """Reading on makes no sense."""


class _Builder:
    """Events -> nodes."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._frames: list[_Frame] = []
        self._root: Node | None = None

    def build(self, text: str) -> Node | None:
        loader = _Loader(text)
        try:
            for event in _events(loader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._syntax_error(error)
            return None
        except _Stop:
            return None
        finally:
            loader.dispose()
        return self._root if self._root is not None else Scalar(None, "", "", Span(1, 1, 0, 0))

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = error.problem or "is not YAML"
        if "alias" in (error.context or "") or "anchor" in (error.context or ""):
            message = "text that begins with * or & needs quotes"
        elif "cannot start any token" in message:
            message = "this character cannot stand here; indent with spaces, and quote text that begins with it"
        self.violations.append(Violation(line, column, "", message))

    def _wrong(self, event: Any, message: str, path: str | None = None) -> None:
        mark = event.start_mark
        self.violations.append(
            Violation(mark.line + 1, mark.column + 1, self._path() if path is None else path, message)
        )

    def _path(self) -> str:
        return self._frames[-1].child_path() if self._frames else ""

    def _take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._open(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close(event)
            case yaml.AliasEvent():
                self._wrong(event, "anchors and aliases (&x, *x) are not allowed; quote text that begins with *")
                self._place(Scalar(None, "", "*", _span(event)))
            case yaml.DocumentStartEvent() if self._root is not None:
                self._wrong(event, "a second document begins here; one is allowed")
                raise _Stop

    def _open(self, event: Any) -> None:
        self._refuse_decoration(event)
        if len(self._frames) >= MAX_DEPTH:
            self._wrong(event, f"nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        if self._frames and self._frames[-1].mapping and self._frames[-1].key is None:
            self._wrong(event, "a key must be plain text; quote text that begins with { or [")
            raise _Stop
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._frames.append(_Frame(mapping, bool(event.flow_style), event.start_mark, self._path()))

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        span = _span(event, frame.start)
        if frame.mapping:
            self._place(Mapping(tuple(frame.entries.values()), frame.flow, span))
        else:
            self._place(Sequence(tuple(frame.items), frame.flow, span))

    def _refuse_decoration(self, event: Any) -> None:
        if event.anchor is not None:
            self._wrong(event, "anchors and aliases (&x, *x) are not allowed; quote text that begins with &")
        if event.tag is not None:
            self._wrong(event, "tags (!x) are not allowed; quote text that begins with !")

    def _scalar(self, event: Any) -> None:
        self._refuse_decoration(event)
        value: bool | int | float | str | None = event.value
        if not event.style and event.tag is None and not self._expects_key():
            try:
                value = resolve(event.value)
            except ValueError as error:
                self._wrong(event, str(error))
        self._place(Scalar(value, event.value, event.style or "", _span(event)), event)

    def _expects_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].mapping and self._frames[-1].key is None

    def _place(self, node: Node, event: Any = None) -> None:
        """Put a finished node where it belongs: the root, a list, a mapping's key or its value."""
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        if not frame.mapping:
            frame.items.append(node)
        elif frame.key is None:
            self._key(frame, node)
        else:
            if not frame.duplicate:
                frame.entries[frame.key.text] = Entry(frame.key, node)
            frame.key, frame.duplicate = None, False

    def _key(self, frame: _Frame, node: Node) -> None:
        key = node if isinstance(node, Scalar) else Scalar("", "", "", node.span)
        frame.key = key
        first = frame.entries.get(key.text)
        frame.duplicate = first is not None
        message = None
        if first is not None:
            message = f"is written twice; the first is in line {first.key.span.line}"
        elif key.text == "<<" and not key.style:
            message = "merge keys (<<) are not allowed"
        elif not key.text:
            message = "a key must not be empty"
        if message is not None:
            self.violations.append(Violation(key.span.line, key.span.column, frame.child_path(), message))


def resolve(text: str) -> bool | int | float | str | None:
    """What a plain scalar means; ValueError for numbers that are not finite or too long."""
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.match(text):
        raise ValueError("must be a finite number")
    if _INTEGER.match(text):
        if len(text.lstrip("+-")) > MAX_DIGITS:
            raise ValueError(f"has more than {MAX_DIGITS} digits; put it in quotes if it is text")
        return int(text)
    if _NUMBER.match(text) and any(char.isdigit() for char in re.split("[eE]", text, maxsplit=1)[0]):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value
    return text


def _events(loader: Any) -> Iterator[Any]:
    while loader.check_event():
        yield loader.get_event()


def _span(event: Any, start: Any = None) -> Span:
    begin = start or event.start_mark
    return Span(begin.line + 1, begin.column + 1, begin.index, event.end_mark.index)
