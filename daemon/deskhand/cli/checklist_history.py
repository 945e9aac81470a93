"""``deskhand checklist history``: how checklists went."""

from __future__ import annotations

from datetime import datetime

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame

DAY = 86_400.0


@click.command("history", cls=Verb)
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How far back.")
@json_option
@pass_frame
def checklist_history(frame: Frame, name: str | None, days: int, as_json: bool) -> None:
    """Show how checklists went.

    Finished runs, and scheduled times that were missed or skipped.
    """
    from deskhand.cli.checklist_past import past

    found = past(frame, name, frame.now - days * DAY)
    if as_json:
        show.emit_json({"runs": found})
        return
    for each in found:
        when = datetime.fromtimestamp(each["at"]).astimezone()
        bad = [
            f"{step} is {one['state']}" for step, one in each["steps"].items() if one["state"] not in ("ok", "skipped")
        ]
        why = f": {show.text(each['reason'])}" if each["reason"] else f": {', '.join(bad)}" if bad else ""
        click.echo(f"{when:%Y-%m-%d %H:%M}  {each['state']:8} {each['checklist']}{why}")
    if not found:
        click.echo(f"no checklist was finished in the last {show.count(days, 'day')}")
