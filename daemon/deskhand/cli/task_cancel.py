"""``deskhand task cancel``: stop a task, and wait until it has stopped."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.complete import unfinished_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ExitCode


@click.command("cancel", cls=Verb)
@unfinished_task("task_id", metavar="ID")
@click.option("--force", is_flag=True, help="Kill a running attempt at once instead of asking it to end.")
@click.option("--reason", metavar="TEXT", help="Why; it goes on record.")
@json_option
@pass_frame
def task_cancel(frame: Frame, task_id: str, force: bool, reason: str | None, as_json: bool) -> int:
    """Stop a task and wait until it has stopped.

    Its files go to queue/rejected/.  Exit code 1 when it ended in another way before it could be stopped.
    """
    from deskhand.core.state import State
    from deskhand.host.client import request

    view = frame.look()
    unfinished = [key for key, task in view.unfinished.items() if not task.terminal]
    key = frame.key(task_id, view, among=unfinished, what="unfinished task")
    arguments = {"key": key, "force": force, **({"reason": reason} if reason else {})}
    reply = request(frame.desk, "cancel", arguments, timeout=None)
    if as_json:
        show.emit_json({"id": view.identifier(key), **reply})
    else:
        click.echo(f"{view.identifier(key)}: {show.state(str(reply.get('state')))}")
    return ExitCode.OK if reply.get("state") == State.CANCELLED else ExitCode.FAILED
