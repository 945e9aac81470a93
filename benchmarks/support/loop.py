"""An ext4 with a journal on a loop device, for machines whose own disk has none.  Needs root."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def journaled(gigabytes: int) -> Iterator[Path]:
    """A fresh filesystem, mounted; unmounted and removed at the end.  CalledProcessError with what went wrong."""
    with tempfile.TemporaryDirectory(prefix="deskhand-loop-") as folder:
        image, mount = Path(folder, "image"), Path(folder, "disk")
        mount.mkdir()
        subprocess.run(["fallocate", "-l", f"{gigabytes}G", str(image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-i", "8192", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
        try:
            yield mount
        finally:
            subprocess.run(["umount", str(mount)], check=True)
