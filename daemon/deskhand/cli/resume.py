"""``deskhand resume``: end a pause."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("resume", cls=Verb)
@json_option
@pass_frame
def resume(frame: Frame, as_json: bool) -> None:
    """End a pause.

    Also confirms the clock after it jumped by more than a day: from then on requests expire again.
    """
    from deskhand.host.client import daemon_alive, request

    reply = request(frame.desk, "resume")
    alive = daemon_alive(frame.desk)
    if as_json:
        show.emit_json({"paused": reply.get("paused"), "daemon": alive})
    else:
        click.echo("resumed" if alive else "resumed; no daemon runs: start one with `deskhand run`")
