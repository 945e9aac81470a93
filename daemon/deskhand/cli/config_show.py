"""``deskhand config show``: every setting, its value, and where that comes from."""

from __future__ import annotations

import os

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("show", cls=Verb)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@json_option
@pass_frame
def config_show(frame: Frame, keys: tuple[str, ...], as_json: bool) -> None:
    """Show every setting, its value, and where that comes from.

    With KEYs, only these settings or sections.  The source is a line of deskhand.yaml, an environment variable, or
    the default.
    """
    from deskhand.core.shape import suggest
    from deskhand.store.config_file import load

    every = load(frame.desk, os.environ).effective
    wanted = [
        item
        for item in every
        if not keys or any(item.key == key or item.key.startswith((f"{key}.", f"{key}[")) for key in keys)
    ]
    for key in keys:
        if not any(item.key == key or item.key.startswith((f"{key}.", f"{key}[")) for item in wanted):
            names = [item.key for item in every]
            raise click.UsageError(f"there is no setting {key!r}{suggest(key, names)}")
    if as_json:
        data = [{"key": i.key, "value": i.value, "shown": i.shown, "source": i.source} for i in wanted]
        show.emit_json({"settings": data})
    else:
        rows = [(item.key, show.text(item.shown), show.text(item.source)) for item in wanted]
        click.echo(show.table(rows, ("KEY", "VALUE", "SOURCE")))
