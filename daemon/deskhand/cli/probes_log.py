"""``deskhand doctor``: the audit log's end, whether this desk is the one that acted last, recipes, and the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator

from deskhand.cli import show
from deskhand.cli.catalogue import recipes
from deskhand.cli.frame import Frame
from deskhand.cli.probe import Result, fail, ok, warn
from deskhand.cli.times import span
from deskhand.store.files import Files
from deskhand.store.head import read_head
from deskhand.store.log_end import FINE, fault, remembered
from deskhand.store.segments import scan

SLACK = 5.0
"""Seconds by which the newest record may be ahead of the clock."""
_VERIFY = "deskhand audit verify names everything that is wrong"


class LogProbes:
    """The checks of one desk's log."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._folder = frame.desk.audit

    def head(self) -> Iterator[Result]:
        """The log's last line, as far as it is vouched for.  Cheap: ``audit verify`` reads all of it."""
        listing = scan(self._folder)
        head, why = read_head(self._folder)
        if not listing.segments and head is None:
            yield warn("audit log", "there is none yet; it begins with the first start", "deskhand run")
        elif head is None:
            yield warn("audit log", f"its head was not used: {why}; the next start verifies everything", _VERIFY)
        elif (problem := fault(listing, head)) is not None:
            yield fail("audit log", problem, _VERIFY)
        else:
            size = f"{show.count(head.seq, 'record')} in {show.count(len(listing.segments), 'file')}"
            text = f"{size}, and the last one is what the head says"
            yield ok("audit log", text)

    def last_actor(self) -> Iterator[Result]:
        """Whether this desk is the one that acted last, as far as this machine remembers."""
        finding = remembered(Files(), self._frame.desk, os.environ)
        if finding is None:
            return
        if finding.verdict in FINE:
            yield ok("copy", finding.sentence)
        else:
            yield fail("copy", finding.sentence, "if this desk shall go on from here: deskhand init --adopt")

    def recipes(self) -> Iterator[Result]:
        """Whether the blessed recipes are what was blessed."""
        current = recipes(self._frame).current
        for item in current.damaged:
            newest = item.pin.id in current.unavailable
            text = f"{item.pin.id} version {item.pin.version}: {item.reason}"
            yield (fail if newest else warn)("recipes", text, "put the file back, or bless the recipe again")
        for stranger in current.unblessed:
            yield warn("recipes", f"{stranger.path.parent.name}/{stranger.path.name}: {stranger.reason}; it never runs")
        if not current.damaged:
            yield ok("recipes", f"{len(current.recipes)} blessed recipes are what was blessed")

    def clock(self) -> Iterator[Result]:
        """Whether time has gone back since the last record."""
        view = self._frame.look()
        if view.last_record is not None and view.last_record > self._frame.now + SLACK:
            ahead = span(view.last_record - self._frame.now)
            yield fail("clock", f"the newest record is {ahead} in the future: the clock was set back", "set the clock")
        elif view.book.clock_unconfirmed:
            yield warn(
                "clock", "it jumped by more than a day; nothing expires until that is confirmed", "deskhand resume"
            )
        else:
            yield ok("clock", "not before the newest record")
