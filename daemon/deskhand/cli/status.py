"""``deskhand status``: how the desk stands, and what a person has to do."""

from __future__ import annotations

import sys
import threading

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, no_json_and, pass_frame
from deskhand.errors import UsageError

REFRESH = 1.0
"""Seconds between two looks with ``--watch``."""


@click.command("status", cls=Verb)
@click.option("--watch", is_flag=True, help="Refresh once a second until Ctrl-C.")
@json_option
@pass_frame
def status(frame: Frame, watch: bool, as_json: bool) -> None:
    """Show how the desk stands.

    Whether the daemon runs, how many tasks are in each state, what waits for you and how to answer, what is stalled,
    what failed in the last 24 hours, and how much disk is free.
    """
    from deskhand.cli.status_facts import gather
    from deskhand.cli.status_text import lines

    no_json_and("--watch", as_json=as_json, given=watch)
    if watch:
        _watch(frame)
    elif as_json:
        show.emit_json(gather(frame))
    else:
        click.echo("\n".join(lines(gather(frame), frame.now)))


def _watch(frame: Frame) -> None:
    if not sys.stdout.isatty():
        raise UsageError("deskhand status", "--watch needs a terminal", hint="deskhand status --json")
    from rich.live import Live
    from rich.text import Text

    from deskhand.cli.status_facts import gather
    from deskhand.cli.status_text import lines

    def text() -> Text:
        return Text.from_ansi("\n".join(lines(gather(frame), frame.now)))

    tick = threading.Event()
    try:
        with Live(text(), auto_refresh=False, screen=True) as live:
            while not tick.wait(REFRESH):
                live.update(text(), refresh=True)
    except KeyboardInterrupt:
        return
