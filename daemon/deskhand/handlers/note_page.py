"""A note in the making: its properties, its remarks, its text; and the one place that turns them into a file.

Properties are flat YAML between two ``---`` lines, one property per line, as Obsidian wants them.  Every string is
double-quoted and escaped, so that no name and no value can end the quotes, the line or the block; ``<%`` is written
with an escape, because template plugins look for it anywhere in a new note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deskhand.handlers.note_markdown import callout

Value = str | int | bool | tuple[str, ...]
VALUE_MAX = 1000
LIST_MAX = 100
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Page:
    """What a conversion makes of a drop."""

    body: str
    """Markdown."""
    properties: Mapping[str, Value] = field(default_factory=dict)
    """What the conversion found out (`rows`, `subject` ...)."""
    remarks: tuple[str, ...] = ()
    """What a person should know before trusting the text; shown above it."""
    conversion: str = "complete"
    """``complete``, ``shortened``, ``unreadable`` or ``none`` (nothing that could be shown as text)."""
    own_properties: str = ""
    """Lines of the drop's own front matter, to be kept as they are."""
    own_keys: frozenset[str] = frozenset()
    """The keys in them."""


def render(properties: Mapping[str, Value], page: Page) -> bytes:
    """The note as UTF-8 with LF.  Keys of the drop's own front matter win; ours then get the prefix ``deskhand_``."""
    lines = ["---"]
    if page.own_properties:
        lines.append(page.own_properties.rstrip("\n"))
    taken = {key.lower() for key in page.own_keys}
    for name, value in properties.items():
        key = name
        while key in taken:
            key = f"deskhand_{key}"
        taken.add(key)
        lines.append(f"{key}: {scalar(value)}")
    lines.append("---")
    remarks = "\n".join(callout(remark) for remark in page.remarks)
    text = "\n".join(["\n".join(lines) + "\n", *(part for part in (remarks, page.body) if part)])
    if not text.endswith("\n"):
        text += "\n"
    return text.encode("utf-8", "backslashreplace")


def scalar(value: Value) -> str:
    """*value* as a YAML flow scalar or list on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return quoted(value)
        case _:
            return _list(value)


def _list(values: Sequence[str]) -> str:
    shown = [quoted(value) for value in values[:LIST_MAX]]
    if len(values) > LIST_MAX:
        shown.append(quoted(f"… and {len(values) - LIST_MAX} more"))
    return f"[{', '.join(shown)}]"


def quoted(text: str) -> str:
    """*text* in double quotes (YAML 1.2, section 7.3.1), at most 1,000 characters."""
    shown = text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"
    return '"' + "".join(_escaped(char) for char in shown).replace("<%", "\\x3C%") + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    point = ord(char)
    if 0xD800 <= point <= 0xDFFF:
        return "�"
    return f"\\x{point:02X}" if point < 0x100 else f"\\u{point:04X}" if point < 0x10000 else f"\\U{point:08X}"
