"""``deskhand config set``: change one setting, and put that on record."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("set", cls=Verb, context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
@json_option
@pass_frame
def config_set(frame: Frame, key: str, value: str, as_json: bool) -> None:
    """Change one setting in deskhand.yaml.

    Comments and everything else in the file stay as they are.  Nothing is changed when the result would not load.  The
    change is put on record; it holds from the next start of the daemon on.
    """
    from deskhand.host.client import daemon_alive, request
    from deskhand.store.config_file import set_value
    from deskhand.store.files import Files
    from deskhand.store.segments import names

    change = set_value(Files(), frame.desk, key, value)
    changed = change.before_sha256 != change.after_sha256
    recorded = changed and bool(names(frame.desk.audit))
    if recorded:
        hashes = {"before_sha256": change.before_sha256, "after_sha256": change.after_sha256}
        request(frame.desk, "note", {"key": key, **hashes})
    if as_json:
        data = {"key": key, "before": change.before, "after": change.after, "changed": changed, "recorded": recorded}
        show.emit_json(data)
        return
    click.echo(f"{key}: {show.text(change.before)} -> {show.text(change.after)}" if changed else f"{key}: unchanged")
    if changed and daemon_alive(frame.desk):
        click.echo("the running daemon takes it up when it is started again", err=True)
