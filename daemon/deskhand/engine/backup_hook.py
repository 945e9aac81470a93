"""Running a person's own program on a backup: restic, rclone, a script.

Not by a shell, without input, in a process group of its own that ends with the time limit.  What it prints is kept for
the message when it fails, and goes nowhere else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

TAIL = 2000
"""Bytes of output that are kept."""


class Ran(Struct, frozen=True):
    """How it ended."""

    exit: int | None
    """Exit status, negative for a signal; None when it could not be started."""
    seconds: float
    said: str
    """The end of what it printed, or why it could not be started."""


def run(argv: Sequence[str], file: Path, timeout: float) -> Ran:
    """Run *argv* with ``{file}`` and ``{name}`` filled in, at most *timeout* seconds."""
    line = [part.replace("{file}", os.fspath(file)).replace("{name}", file.name) for part in argv]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            return Ran(None, time.monotonic() - begun, f"{line[0]}: {error.strerror}")
        note = ""
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            note = f"it took longer than {timeout:g} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
        said = output.read().decode(errors="replace").strip()
    return Ran(process.returncode, time.monotonic() - begun, note or said)
