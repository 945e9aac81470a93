"""The control socket's address, however deep the desk lies.

A Unix socket's path may have 107 bytes only; on Linux a longer one is reached through the folder's descriptor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deskhand.errors import ConfigError

LONGEST = 100


@contextmanager
def address(path: Path) -> Iterator[str]:
    """An address for bind or connect, valid inside the block.  ConfigError when there is none."""
    plain = os.fspath(path)
    if len(os.fsencode(plain)) <= LONGEST:
        yield plain
        return
    if sys.platform != "linux":
        raise ConfigError("opening the control socket", "the desk's path is too long for a socket", path=path)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
