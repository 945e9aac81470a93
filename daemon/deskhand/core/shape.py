"""A YAML tree -> typed fields of a frozen struct, with every violation at once.

The struct's own annotations are the schema: unknown and missing keys, types, ranges and choices come from there, and
fields marked as durations or sizes in ``core.units`` may be written with a unit.  Text is text: a plain number or
date is taken as it was written, ``true`` and ``null`` are refused where text belongs.

What fields mean together is checked by the callers (``core.recipe_file``, ``core.settings_file``,
``core.front_matter``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import Any, Final, Literal

import msgspec
from msgspec import inspect

from deskhand.core import strict_yaml as y
from deskhand.core.units import parse_duration, parse_size, show_duration

Field = tuple[type[msgspec.Struct], str]


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""Stands for a value that could not be read; its violation is noted."""
Missing = Literal[_Missing.MISSING]


@cache
def struct_type(cls: type[msgspec.Struct]) -> inspect.StructType:
    """The fields of a struct as msgspec sees them."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info


def unwrap(info: inspect.Type) -> tuple[inspect.Type, str | None]:
    """The type without its metadata and its ``| None``, and its unit (``seconds``, ``bytes``) if it has one."""
    match info:
        case inspect.Metadata():
            return unwrap(info.type)[0], (info.extra or {}).get("unit")
        case inspect.UnionType():
            return unwrap(next(part for part in info.types if not isinstance(part, inspect.NoneType)))
        case _:
            return info, None


def optional(info: inspect.Type) -> bool:
    """Whether null is allowed."""
    return isinstance(info, inspect.UnionType) and any(isinstance(part, inspect.NoneType) for part in info.types)


def suggest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when something similar is known, else the empty string."""
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


class Shaper:
    """Reads nodes into fields and collects what is wrong with them.

    *custom* maps (struct, field) to the reader of a field that has a form of its own; a reader gets the node and its
    path, notes what is wrong with :meth:`wrong` and then returns ``MISSING``.  Without *reveal* no message repeats a
    value: for text that is not the owner's own and whose problems stand in the audit log.
    """

    def __init__(
        self, custom: Mapping[Field, Callable[[y.Node, str], Any]] | None = None, *, reveal: bool = True
    ) -> None:
        self.violations: list[y.Violation] = []
        self._custom = custom or {}
        self._reveal = reveal

    def wrong(self, span: y.Span, path: str, message: str) -> Missing:
        """Note a violation."""
        self.violations.append(y.Violation(span.line, span.column, path, message))
        return MISSING

    def fields(
        self, node: y.Node, cls: type[msgspec.Struct], path: str = "", *, hidden: frozenset[str] = frozenset()
    ) -> dict[str, Any] | Missing:
        """The fields that are there and right; *hidden* ones count as unknown.  MISSING when *node* is no mapping."""
        if not isinstance(node, y.Mapping):
            return self.wrong(node.span, path, f"must be a mapping of keys{self._not(node)}")
        known = {field.name: field for field in struct_type(cls).fields if field.name not in hidden}
        found: dict[str, Any] = {}
        for entry in node.entries:
            name = entry.key.text
            where = f"{path}.{name}" if path else name
            if name not in known:
                self.wrong(entry.key.span, where, f"no such key{suggest(name, known)}")
                continue
            reader = self._custom.get((cls, name))
            value = reader(entry.node, where) if reader else self.value(entry.node, known[name].type, where)
            if value is not MISSING:
                found[name] = value
        for name, field in known.items():
            if field.required and node.get(name) is None:
                self.wrong(node.span, f"{path}.{name}" if path else name, "is required")
        return found

    def struct(self, node: y.Node, cls: type[msgspec.Struct], path: str = "") -> Any:
        """A whole struct; MISSING when anything in it is wrong."""
        before = len(self.violations)
        found = self.fields(node, cls, path)
        if found is MISSING or len(self.violations) > before:
            return MISSING
        return cls(**found)

    def value(self, node: y.Node, info: inspect.Type, path: str) -> Any:
        """One value of the type *info*; MISSING when it is wrong."""
        if isinstance(node, y.Scalar) and node.value is None and optional(info):
            return None
        bare, unit = unwrap(info)
        match bare:
            case inspect.StructType():
                return self.struct(node, bare.cls, path)
            case inspect.VarTupleType():
                return self._list(node, bare.item_type, path)
            case inspect.DictType():
                return self._dict(node, bare.value_type, path)
            case _:
                return self._single(node, bare, unit, path)

    def _single(self, node: y.Node, info: inspect.Type, unit: str | None, path: str) -> Any:
        if not isinstance(node, y.Scalar):
            return self.wrong(node.span, path, f"must be a single value{self._not(node)}")
        try:
            return _scalar(node, info, unit)
        except ValueError as error:
            return self.wrong(node.span, path, str(error) if self._reveal else f"must be {_wanted(info)}")

    def _not(self, node: y.Node) -> str:
        return f", not {_kind(node)}" if self._reveal else ""

    def _list(self, node: y.Node, item: inspect.Type, path: str) -> Any:
        if not isinstance(node, y.Sequence):
            return self.wrong(node.span, path, f"must be a list, as in [a, b]{self._not(node)}")
        values = [self.value(part, item, f"{path}[{index}]") for index, part in enumerate(node.items)]
        return MISSING if any(value is MISSING for value in values) else tuple(values)

    def _dict(self, node: y.Node, item: inspect.Type, path: str) -> Any:
        if not isinstance(node, y.Mapping):
            return self.wrong(node.span, path, f"must be a mapping of keys{self._not(node)}")
        values = {entry.key.text: self.value(entry.node, item, f"{path}.{entry.key.text}") for entry in node.entries}
        return MISSING if any(value is MISSING for value in values.values()) else values


def _wanted(info: inspect.Type) -> str:
    match info:
        case inspect.LiteralType():
            return " or ".join(str(value) for value in info.values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case _:
            return "text, in quotes if it is true, false or null"


def _kind(node: y.Node) -> str:
    match node:
        case y.Sequence():
            return "a list"
        case y.Mapping():
            return "a mapping"
        case y.Scalar(value=None):
            return "nothing"
        case y.Scalar():
            return repr(node.text if len(node.text) <= 40 else f"{node.text[:40]}...")


def _scalar(node: y.Scalar, info: inspect.Type, unit: str | None) -> Any:
    """A single value; ValueError with the end of a sentence that begins with the key."""
    match info:
        case inspect.StrType():
            return _text(node)
        case inspect.BoolType():
            if not isinstance(node.value, bool):
                raise ValueError(f"must be true or false, not {_kind(node)}")
            return node.value
        case inspect.IntType():
            return _in_range(_integer(node, unit), info)
        case inspect.FloatType():
            return _in_range(_number(node, unit), info, unit)
        case inspect.LiteralType():
            return _choice(node, info)
        case _:
            raise TypeError(f"no reader for {info}")


def _text(node: y.Scalar) -> str:
    if node.value is None:
        raise ValueError("must be text, not nothing")
    if isinstance(node.value, bool):
        raise ValueError(f"must be text; put {node.text} in quotes")
    return node.text


def _integer(node: y.Scalar, unit: str | None) -> int:
    if unit == "bytes" and not isinstance(node.value, bool) and node.value is not None:
        return parse_size(node.text)
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        raise ValueError(f"must be a whole number, not {_kind(node)}")
    return node.value


def _number(node: y.Scalar, unit: str | None) -> float:
    if unit == "seconds" and isinstance(node.value, str):
        return parse_duration(node.text)
    if not isinstance(node.value, int | float) or isinstance(node.value, bool):
        raise ValueError(f"must be a number, not {_kind(node)}")
    return float(node.value)


def _in_range(value: int | float, info: inspect.IntType | inspect.FloatType, unit: str | None = None) -> int | float:
    if unit == "seconds" and info.le is not None and value > info.le:
        raise ValueError(f"must be at most {show_duration(info.le)}")
    if unit != "seconds" and info.ge is not None and info.le is not None and not info.ge <= value <= info.le:
        raise ValueError(f"must be from {info.ge} to {info.le}, not {value}")
    if (info.ge is not None and value < info.ge) or (info.gt is not None and value <= info.gt):
        raise ValueError(f"must be {'at least' if info.ge is not None else 'more than'} {info.ge or info.gt or 0}")
    if info.le is not None and value > info.le:
        raise ValueError(f"must be at most {info.le}")
    return value


def _choice(node: y.Scalar, info: inspect.LiteralType) -> Any:
    for value in info.values:
        if node.value == value and type(node.value) is type(value):
            return value
    words = [str(value) for value in info.values]
    raise ValueError(f"must be {' or '.join(words)}, not {_kind(node)}{suggest(node.text, words)}")
