"""Namespaces of one's own: limits that may be lowered, and mounts that nobody else sees, without being root."""

from __future__ import annotations

import subprocess
from functools import cache

SPACE = ("unshare", "--user", "--map-root-user")
"""Put before a command (with `--mount` for mounts): it stays one process, with the same number."""


@cache
def no_namespaces() -> bool:
    """Whether none can be made here."""
    try:
        return subprocess.run([*SPACE, "--mount", "true"], capture_output=True, check=False).returncode != 0
    except OSError:
        return True
