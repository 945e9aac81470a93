"""A watchdog script that moves files: what people write themselves, see :mod:`peers.programs.mover`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from peers.contender import PROGRAMS
from peers.dropped import TwoFolders


class Mover(TwoFolders):
    """Forty lines."""

    name = "watchdog script, 40 lines"
    ending = ".txt"
    out = "done"

    def command(self) -> Sequence[str]:
        """The script."""
        return [sys.executable, str(PROGRAMS / "mover.py"), str(self.folder), self.kind]
