"""A card: what is known of a drop whose content cannot be shown as text, or of a dropped folder.

Name, type, size, SHA-256, and the reason why there is no text.  A folder gets a list of its files.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from deskhand.core.names import visible
from deskhand.handlers.note_markdown import cell, code, size, table
from deskhand.handlers.note_page import Page

FILES_MAX = 1000
BLOCK = 1 << 20


def card(name: str, kind: str, count: int, sha256: str, *, remarks: tuple[str, ...] = (), why: str = "none") -> Page:
    """The card of a file; *kind* in words, *count* in bytes, *why* one of ``Page.conversion``."""
    rows = [
        ["Name", code(visible(name)).replace("|", "\\|")],
        ["Type", cell(kind)],
        ["Size", size(count) if count < 1024 else f"{size(count)} ({count:,} bytes)"],
        ["SHA-256", f"`{sha256}`"],
    ]
    return Page(table(["Property", "Value"], rows), {}, remarks, why)


def folder(root: Path) -> Page:
    """The list of a dropped folder's files with size and SHA-256, in the order of their names.

    Links and devices are named and not opened.  OSError when a file cannot be read.
    """
    rows: list[list[str]] = []
    files = total = 0
    for path, info in _walk(root):
        files += 1
        regular = stat.S_ISREG(info.st_mode)
        total += info.st_size if regular else 0
        if files <= FILES_MAX:
            shown = cell(visible(path.relative_to(root).as_posix()))
            rows.append([shown, size(info.st_size), f"`{_sha256(path)}`"] if regular else [shown, "not a file", ""])
    remarks = (f"The first {FILES_MAX:,} of {files:,} files are listed.",) if files > FILES_MAX else ()
    body = f"{files:,} {'file' if files == 1 else 'files'}, {size(total)}.\n"
    if rows:
        body += f"\n{table(['File', 'Size', 'SHA-256'], rows)}"
    return Page(body, {"files": files}, remarks, "shortened" if remarks else "complete")


def _walk(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for where, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        for name in sorted([*names, *links]):
            path = Path(where, name)
            yield path, path.lstat()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(fd, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
