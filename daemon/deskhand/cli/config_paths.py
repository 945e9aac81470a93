"""``deskhand config paths``: where everything is."""

from __future__ import annotations

import os
from pathlib import Path

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("paths", cls=Verb)
@json_option
@pass_frame
def config_paths(frame: Frame, as_json: bool) -> None:
    """Show where everything of this desk is.

    Beside the desk's own folders: the inboxes as they are configured, and the folder outside the desk in which this
    machine remembers how far the log had come.
    """
    from deskhand.store.machine import state_folder

    desk = frame.desk
    paths: dict[str, Path] = {
        "desk": desk.root,
        "config": desk.config,
        **{f"inbox {inbox.name}": desk.root / Path(inbox.path).expanduser() for inbox in frame.settings.inboxes},
        "queue": desk.queue,
        "approvals": desk.approvals,
        "vault": desk.vault,
        "recipes": desk.recipes,
        "audit log": desk.audit,
        "logs": desk.logs,
        "socket": desk.socket,
        "state outside": state_folder(os.environ),
    }
    if as_json:
        show.emit_json({"paths": {name: show.path(path) for name, path in paths.items()}})
    else:
        click.echo(show.table([(f"{name}:", show.path(path)) for name, path in paths.items()]))
