"""``deskhand run``: the daemon in the foreground."""

from __future__ import annotations

import click

from deskhand.cli.frame import Frame, Verb, pass_frame


@click.command("run", cls=Verb)
@click.option("--until-idle", is_flag=True, help="End when nothing can run now: all is done, or waits.")
@pass_frame
def run(frame: Frame, until_idle: bool) -> int:
    """Run the daemon in the foreground.

    Ctrl-C (or SIGTERM) lets running attempts finish within `run.drain`, then stops; a second one stops at once.
    """
    from deskhand.host.foreground import run as run_daemon

    return int(run_daemon(frame.desk, until_idle=until_idle))
