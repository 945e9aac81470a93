"""``deskhand task forget``: erase a finished task."""

from __future__ import annotations

from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, interactive, json_option, pass_frame
from deskhand.errors import WaitingError

OPERATION = "forgetting a task"


@click.command("forget", cls=Verb)
@any_task("task_id", metavar="ID")
@click.option("--reason", metavar="TEXT", help="Why; it goes on record, so nothing personal belongs into it.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@json_option
@pass_frame
def task_forget(frame: Frame, task_id: str, reason: str | None, yes: bool, as_json: bool) -> None:
    """Erase a finished task: its files, its names, its salt.

    What was dropped, results, requests and working copies beside it, and its name in deskhand's own notes and
    operational log.  It cannot be undone.  The audit log keeps its records, which without the salt no longer say what
    it was called.  What was delivered is yours and stays; it is listed, as are backups that may still hold it.
    """
    from deskhand.host.client import request

    view = frame.look()
    key = frame.key(task_id, view)
    if not yes:
        if as_json or not interactive():
            hint = "say --yes; it cannot be undone"
            raise WaitingError(OPERATION, "a person has to confirm that", path=view.identifier(key), hint=hint)
        if not click.confirm(f"Erase {view.identifier(key)} for good?"):
            raise WaitingError(OPERATION, "not confirmed; nothing was erased")
    reply = request(frame.desk, "forget", {"key": key, **({"reason": reason} if reason else {})}, timeout=None)
    if as_json:
        show.emit_json(reply)
        return
    click.echo("\n".join(_lines(reply)))


def _lines(reply: dict[str, Any]) -> list[str]:
    lines = [f"{reply['key']}: forgotten; {show.count(reply['files'], 'file')} erased, {show.size(reply['bytes'])}"]
    lines += [f"delivered, and yours to remove: {show.text(path)}" for path in reply["deliveries"]]
    if reply["unknown_deliveries"]:
        number = show.count(reply["unknown_deliveries"], "delivery", "deliveries")
        lines.append(f"{number} besides, and nothing says where any more")
    lines += [f"the same input is in task {key} as well: deskhand task forget {key[-6:]}" for key in reply["related"]]
    lines += [f"made since then, so it may still be in it: backups/{show.text(name)}" for name in reply["backups"]]
    return lines
