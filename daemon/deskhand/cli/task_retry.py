"""``deskhand task retry``: go on with a task that is held up, or do a finished one anew."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import UsageError

if TYPE_CHECKING:
    from deskhand.core.task import Options, Task, TaskFile
    from deskhand.engine.view import View


@click.command("retry", cls=Verb)
@any_task("task_id", metavar="ID")
@json_option
@pass_frame
def task_retry(frame: Frame, task_id: str, as_json: bool) -> None:
    """Look again at a task that is held up, or do a finished one anew.

    A parked or blocked task is looked at again, with the recipes as they are now; one in doubt is run again.  A
    finished one stays as it is: its input becomes a new task, linked to the old one.  The new one goes by the same
    rules as the old one, and when a person was asked about the old one, the new one asks again.
    """
    view = frame.look()
    key = frame.key(task_id, view)
    task = view.task(key)
    if task is None:
        raise UsageError("deskhand task retry", "it was handed in and not taken yet", hint="deskhand run")
    reply = _anew(frame, view, task) if task.terminal else _again(frame, view, key)
    if as_json:
        show.emit_json(reply)
    elif "retry_of" in reply:
        click.echo(f"{reply['id']}: a new task, as {reply['retry_of']} is over")
    else:
        reason = f": {show.text(reply['reason'])}" if reply.get("reason") else ""
        click.echo(f"{reply['id']}: {show.state(str(reply['state']))}{reason}")


def _again(frame: Frame, view: View, key: str) -> dict[str, Any]:
    from deskhand.host.client import request

    return {"id": view.identifier(key), **request(frame.desk, "retry", {"key": key})}


def _anew(frame: Frame, view: View, task: Task) -> dict[str, Any]:
    import base64

    from deskhand.cli.submitting import new_suffix, ring
    from deskhand.store.drop_file import submit
    from deskhand.store.files import Files

    key = task.key
    place, described = view.place(key), view.task_file(key)
    if place is None or described is None or not os.path.lexists(place.folder / described.input):
        hint = "drop the file again"
        raise UsageError("deskhand task retry", "its files are gone", path=view.identifier(key), hint=hint)
    if described.quarantine:
        hint = "look at it, and drop the file anew if it is what it should be"
        raise UsageError("deskhand task retry", "it was quarantined and is not run again", path=place.id, hint=hint)
    name = described.name if described.name_bytes is None else os.fsdecode(base64.b64decode(described.name_bytes))
    identifier = submit(
        Files(),
        frame.desk,
        place.folder / described.input,
        _options(task, described),
        now=frame.now,
        suffix=new_suffix(),
        limit=frame.settings.intake.max_size,
        name=name,
        retry_of=place.id,
        inbox="retry",
        route=described.route,
        origin=None if _lost_origin(described) else described.dropped_in,
    )
    return {"id": identifier, "retry_of": place.id, "daemon": ring(frame)}


def _options(task: Task, described: TaskFile) -> Options:
    """What the old task said of itself; stricter when somebody was asked, or when a rule might not see it rightly."""
    from msgspec.structs import replace

    asked = task.revision > 0 or task.strict or _lost_origin(described)
    return replace(described.options, approval="required") if asked else described.options


def _lost_origin(described: TaskFile) -> bool:
    """Whether it is itself a retry and does not say of what inbox: then no rule about inboxes can be relied on."""
    return described.dropped_in == "retry"
