"""``deskhand health incident close``: put the end of an incident on record and complete its note."""

from __future__ import annotations

from functools import partial

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("close", cls=Verb)
@click.argument("incident", metavar="ID")
@click.option("--reason", metavar="TEXT", help="How it ended, in a sentence; goes on record.")
@json_option
@pass_frame
def incident_close(frame: Frame, incident: str, reason: str | None, as_json: bool) -> None:
    """Close an incident and complete its timeline.

    ID may be shortened to any unique beginning or end; @last is the one opened last.  In the note only the timeline and
    the status at the top are written; everything else in it is yours.
    """
    from deskhand.cli import ids
    from deskhand.cli.incident_facts import BEFORE, happened, zone
    from deskhand.host.client import request
    from deskhand.operations.incident_note import closed
    from deskhand.store.files import Files
    from deskhand.store.incident_notes import IncidentNotes

    known = frame.look().book.condition.incidents
    key = ids.resolve(incident, {each: each for each in known}, last=next(reversed(known), None), what="incident")
    reply = request(frame.desk, "incident_close", {"incident": key, "reason": reason})
    told = happened(frame, known[key].opened - BEFORE)
    path = IncidentNotes(Files(), frame.desk).revise(key, partial(closed, happened=told, zone=zone()))
    note = None if path is None else show.path(path, below=frame.desk.root)
    if as_json:
        show.emit_json({"incident": reply, "note": note})
    else:
        click.echo(f"{key}: closed")
        click.echo(note or "its note is gone; the record stands")
