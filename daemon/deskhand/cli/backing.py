"""What the verbs about backups share: asking the daemon, progress bars, and names for kinds of backups."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deskhand.cli.frame import Frame
from deskhand.host.client import request

PATIENCE = 120.0
"""Seconds that a busy daemon gets to answer."""
Progress = Callable[[str, int, int], None]


def carry(frame: Frame) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """Has commands carried out: by the daemon, or here, with the lock taken for a moment, when none runs."""
    desk = frame.desk
    return lambda verb, arguments: request(desk, verb, arguments, timeout=PATIENCE)


@contextmanager
def progress(*, shown: bool) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not (shown and sys.stderr.isatty()):
        yield lambda doing, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task, last = bar.add_task(""), ""

        def show(doing: str, done: int, total: int) -> None:
            nonlocal last
            if doing != last:
                last = doing
                bar.reset(task, description=doing, total=total)
            bar.update(task, completed=done, total=total)

        yield show


def kind(*, full: bool, only: object) -> str:
    """`full`, `daily` or `history`."""
    return "history" if only is not None else "full" if full else "daily"
