"""``deskhand pause``: take nothing new in and start nothing new; with ``--drain``, finish what is there first."""

from __future__ import annotations

import threading

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame

LOOK_AGAIN = 0.25
"""Seconds between two looks at whether the desk is drained."""


@click.command("pause", cls=Verb)
@click.option("--drain", is_flag=True, help="Take nothing new in, but finish what is there, and wait for that.")
@json_option
@pass_frame
def pause(frame: Frame, drain: bool, as_json: bool) -> None:
    """Take nothing new in and start nothing new.

    What runs goes on.  The pause is on record and lasts, also over a restart, until `deskhand resume`.  With --drain
    what was taken already is still done, and the command waits until nothing runs and nothing can be started.
    """
    from deskhand.host.client import daemon_alive, request

    reply = request(frame.desk, "pause", {"drain": drain})
    alive = daemon_alive(frame.desk)
    if drain and alive:
        _drained(frame, quiet=as_json)
    if as_json:
        show.emit_json({"paused": reply.get("paused"), "daemon": alive})
    elif not alive:
        click.echo("paused: no daemon runs now, so nothing is done until `deskhand resume` and `deskhand run`")
    elif drain:
        click.echo("drained: nothing runs, and nothing that is here can be started; `deskhand resume` ends the pause")
    else:
        click.echo("paused: nothing new is taken in or started; `deskhand resume` ends it")


def _drained(frame: Frame, *, quiet: bool) -> None:
    """Wait until nothing runs and nothing startable is left."""
    tick = threading.Event()
    said = ""
    while left := _left(frame):
        if not quiet and left != said:
            click.echo(f"waiting: {left}", err=True)
            said = left
        tick.wait(LOOK_AGAIN)


def _left(frame: Frame) -> str:
    """What is still to be done; empty when there is nothing."""
    from deskhand.core.state import STARTABLE, State
    from deskhand.host.client import request

    status = request(frame.desk, "status", need_daemon=True)
    states = status.get("states", {})
    running = len(status.get("running", ())) + states.get(State.STARTED, 0) * (not status.get("running"))
    if running:
        return f"{running} running"
    if not any(states.get(state) for state in (*STARTABLE, State.RECEIVED)):
        return ""
    now = frame.now
    due = [
        task
        for task in frame.look().unfinished.values()
        if task.state is State.RECEIVED or (task.state in STARTABLE and task.next_at <= now)
    ]
    return f"{len(due)} to be started" if due else ""
