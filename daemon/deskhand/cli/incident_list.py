"""``deskhand health incident list``: which incidents are open, and with ``--all`` which there were."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("list", cls=Verb)
@click.option("--all", "everything", is_flag=True, help="Closed ones too; reads the whole log.")
@json_option
@pass_frame
def incident_list(frame: Frame, everything: bool, as_json: bool) -> None:
    """List incidents.

    Open ones, oldest first, with how soon each has to be looked at.
    """
    import msgspec

    from deskhand.cli.incident_facts import recorded
    from deskhand.cli.times import when
    from deskhand.core.incident import RESPONSE

    opened = frame.look().book.condition.incidents
    rows = recorded(frame) if everything else [(each, None) for each in opened.values()]
    if as_json:
        show.emit_json({"incidents": [{**msgspec.to_builtins(each), "closed": closed} for each, closed in rows]})
    elif not rows:
        click.echo("no incident is open" if not everything else "there was no incident")
    else:
        heads = ("INCIDENT", "SEVERITY", "OPENED", "CLOSED", "TITLE")
        cells = [
            (
                *(each.id, f"{each.severity} ({RESPONSE[each.severity]})", when(each.opened, frame.now)),
                "open" if closed is None else when(closed, frame.now),
                show.text(each.title),
            )
            for each, closed in rows
        ]
        click.echo(show.table(cells, heads))
