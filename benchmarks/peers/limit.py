"""The limit of the design: see :mod:`peers.programs.limit_loop`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from peers.contender import PROGRAMS
from peers.dropped import TwoFolders


class Limit(TwoFolders):
    """The straight loop, with payloads made durable one by one or together."""

    ending = ".task.json"
    out = "completed"
    patience = 1.0  # it recovers nothing: what was claimed at a kill stays where it was

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form
        self.name = f"limit, payloads {'one by one' if form == 'each' else 'grouped'}"

    def command(self) -> Sequence[str]:
        """The loop."""
        return [sys.executable, str(PROGRAMS / "limit_loop.py"), str(self.folder), self._form, self.kind]
