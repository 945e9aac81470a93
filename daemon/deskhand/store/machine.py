"""Which machine this is, as a value that says nothing about it."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from deskhand.store.desk import Desk
from deskhand.store.files import Files

_SYSTEM_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where deskhand keeps what must not lie in a desk: outside every backup and copy of it."""
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA")
        return Path(base) / "deskhand" if base else Path.home() / "AppData" / "Local" / "deskhand"
    base = environ.get("XDG_STATE_HOME")
    return Path(base if base and os.path.isabs(base) else Path.home() / ".local" / "state") / "deskhand"


def process_mark(desk: Desk, log_id: str) -> str:
    """What the processes of this desk bear: its log, and which folder on this machine it stands in.

    A copy has the same log; what runs for the original is none of its business, whoever adopts it.
    """
    stands = os.stat(desk.queue)
    return f"{log_id}.{stands.st_dev:x}.{stands.st_ino:x}"


def machine_id(files: Files, state: Path) -> str:
    """32 hex digits that stay the same on this machine and differ on others.

    A hash of the system's own id; where there is none, of a random one that is kept in *state* (it then tells state
    folders apart, not machines).  OSError when that cannot be kept.
    """
    for path in _SYSTEM_IDS:
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) == 32:
            return _hashed(text)
    return _hashed(_made_up(files, state / "machine"))


def _made_up(files: Files, path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        files.make_folder(path.parent)
        files.write_atomic(path, f"{secrets.token_hex(16)}\n".encode())
        return path.read_text("ascii").strip()


def _hashed(text: str) -> str:
    return sha256(f"deskhand-machine-1 {text}".encode()).hexdigest()[:32]
