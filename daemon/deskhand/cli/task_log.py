"""``deskhand task log``: what a task's attempts printed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, pass_frame

if TYPE_CHECKING:
    from deskhand.engine.view import View

BLOCK = 1 << 16
LOOK_AGAIN = 0.2
"""Seconds between two looks at a log that is being written."""


@click.command("log", cls=Verb)
@any_task("task_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the task is over (Ctrl-C ends it).")
@pass_frame
def task_log(frame: Frame, task_id: str, follow: bool) -> None:
    """Show what a task's attempts printed.

    Output of the attempt that runs is shown too.  Control characters are escaped.
    """
    view = frame.look()
    key = frame.key(task_id, view)
    kept = _kept(view, key)
    running = _running(view, key)
    shown = sum(_print(path, 0) for path in (kept, running) if path is not None)
    if follow:
        try:
            _follow(frame, key, running)
        except KeyboardInterrupt:
            return
    elif not shown:
        click.echo("no attempt has printed anything", err=True)


def _kept(view: View, key: str) -> Path | None:
    """The log of the attempts that are over."""
    place = view.place(key)
    path = None if place is None else place.folder / f"{place.id}.log"
    return path if path is not None and path.is_file() and not path.is_symlink() else None


def _running(view: View, key: str) -> Path | None:
    """The output of the attempt that runs."""
    task = view.unfinished.get(key)
    path = None if task is None else view.desk.work / f"{key}-{task.attempt}" / "log"
    return path if path is not None and path.is_file() else None


def _print(path: Path, offset: int) -> int:
    """Print a file from *offset* on; the bytes that were read.  One that is gone meanwhile has nothing to say."""
    from deskhand.core.names import visible

    done = 0
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            while block := stream.read(BLOCK):
                done += len(block)
                text = block.decode("utf-8", "replace")
                click.echo("".join(c if c in "\n\t" else visible(c) for c in text), nl=False)
    except FileNotFoundError:
        return done
    return done


def _follow(frame: Frame, key: str, running: Path | None) -> None:
    """Print what the running attempt, and those after it, write."""
    tick = threading.Event()
    offset = 0 if running is None else running.stat().st_size
    while True:
        view = frame.look()
        current = _running(view, key)
        if current != running:
            running, offset = current, 0
        if running is not None:
            offset += _print(running, offset)
        task = view.task(key)
        if task is None or task.terminal:
            return
        tick.wait(LOOK_AGAIN)
