"""The file name of a note, made from the dropped name: safe on every filesystem and in every Obsidian link."""

from __future__ import annotations

import re
import unicodedata

BYTES_MAX = 200
"""Of the stem: room is left for `.md`, for ` (2)` and for what sync tools append."""
_UNSAFE = re.compile(r'[<>:"/\\|?*#^\[\]%]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|\Z)", re.IGNORECASE)


def note_name(name: str, *, folder: bool = False) -> str:
    """``Invoice 7.md`` for ``Invoice 7.pdf``; never empty, never hidden, at most 203 bytes of UTF-8.

    A folder keeps its whole name.  Characters that Windows or a wikilink cannot have become ``_``; invisible ones go.
    """
    head, dot, _ = name.rpartition(".")
    stem = head if dot and head.strip(".") and not folder else name
    # Composed last: what stood between a letter and its accent may just have gone.
    visible = unicodedata.normalize("NFC", "".join(_shown(char) for char in stem))
    plain = " ".join(_UNSAFE.sub("_", visible).split()).lstrip("-. ").rstrip(". ")
    if _DEVICE.match(plain):
        plain = f"_{plain}"
    plain = plain.encode()[:BYTES_MAX].decode("utf-8", "ignore").strip(". ")
    return f"{plain or 'note'}.md"


def _shown(char: str) -> str:
    if char.isspace():
        return " "
    return char if char.isprintable() and unicodedata.category(char) not in ("Cf", "Cs", "Co") else ""
