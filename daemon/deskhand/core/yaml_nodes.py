"""The tree that ``core.strict_yaml`` reads: values that know where they stand, and what can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One thing that is wrong, and where.  *line* and *column* count from 1; 0 = the file as a whole."""

    line: int
    column: int
    path: str
    """The key, as ``retry.attempts`` or ``argv[0]``; empty for the whole document."""
    message: str

    def at(self, file: str) -> str:
        """``<file>:<line>:<column>: <path>: <message>``, what an editor can jump to."""
        place = f"{file}:{self.line}:{self.column}" if self.line else file
        return ": ".join(part for part in (place, self.path, self.message) if part)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands: from *start* to *end*, offsets in characters after a byte order mark."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value, and the text it was written as."""

    value: bool | int | float | str | None
    text: str
    """As written, without quotes."""
    style: str
    """Empty for a plain one, else ``'``, ``"``, ``|`` or ``>``."""
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    flow: bool
    """Written as ``[a, b]``."""
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    key: Scalar
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; of keys written twice the first stands here."""

    entries: tuple[Entry, ...]
    flow: bool
    """Written as ``{a: b}``."""
    span: Span

    def get(self, key: str) -> Node | None:
        """The value of *key*; None when it is not there."""
        return next((entry.node for entry in self.entries if entry.key.text == key), None)

    def without(self, key: str) -> Mapping:
        """The same mapping with *key* left out."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.key.text != key))


Node: TypeAlias = Scalar | Sequence | Mapping


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column (from 1) of a character offset."""
    before = text[:offset].splitlines(keepends=True)
    if not before:
        return 1, 1
    if before[-1].splitlines()[0] != before[-1]:
        return len(before) + 1, 1
    return len(before), len(before[-1]) + 1


def plain(node: Node) -> Any:
    """The same data as dicts, lists and values.  Recursive, but never deeper than ``MAX_DEPTH``."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {entry.key.text: plain(entry.node) for entry in node.entries}


def locate(root: Node | None, path: str) -> Span:
    """Where the node at *path* (``retry.attempts``, ``argv[0]``) stands, or its nearest ancestor that exists."""
    node, span = root, root.span if root is not None else Span(0, 0, 0, 0)
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(node, Mapping):
            node = node.get(step)
        elif isinstance(node, Sequence) and step.isdigit() and int(step) < len(node.items):
            node = node.items[int(step)]
        else:
            node = None
        if node is None:
            break
        span = node.span
    return span


def lines(violations: Iterable[Violation], file: str) -> str:
    """One line per violation, as :meth:`Violation.at` writes it."""
    return "\n".join(violation.at(file) for violation in violations)
