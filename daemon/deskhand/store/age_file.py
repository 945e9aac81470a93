"""Encrypting a backup to age recipients (https://age-encryption.org), with ``pyrage``.

It is an extra: ``pip install 'deskhand[age]'``.  Only public recipients are ever here; what opens a backup again, the
identity, is kept elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deskhand.errors import ConfigError
from deskhand.store.files import Files

OPERATION = "encrypting a backup"


def recipients(texts: Sequence[str]) -> list[Any]:
    """The recipients in ``backup.encrypt_to``.  ConfigError when one is none, or ``pyrage`` is not there."""
    try:
        import pyrage
    except ImportError as error:
        hint = "pip install 'deskhand[age]', or take backup.encrypt_to out of deskhand.yaml"
        raise ConfigError(OPERATION, "the package pyrage is not installed", hint=hint) from error
    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            hint = "an age recipient begins with age1; `age-keygen` makes one"
            raise ConfigError(OPERATION, f"{text!r} is no age recipient: {error}", hint=hint) from error
    return found


def encrypt(files: Files, source: Path, target: Path, to: Sequence[Any]) -> None:
    """A new file that only the recipients can read; durable.  OSError as the system gave it."""
    import pyrage

    fd = files.open_new(target)
    try:
        with source.open("rb") as plain:
            pyrage.encrypt_io(plain, _Writer(files, fd), list(to))
        files.fsync(fd)
    except BaseException:
        os.close(fd)
        files.unlink(target)
        raise
    os.close(fd)


class _Writer:
    """What ``pyrage`` writes to."""

    def __init__(self, files: Files, fd: int) -> None:
        self._files = files
        self._fd = fd

    def write(self, data: bytes) -> int:
        """All of it."""
        self._files.write_all(self._fd, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""
