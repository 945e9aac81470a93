"""``deskhand health incident open``: put an incident on record and write the note to work through."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("open", cls=Verb)
@click.argument("severity", type=click.Choice(["P0", "P1", "P2", "P3"], case_sensitive=False))
@click.argument("title")
@click.option("--since", metavar="TIME", default="6h", show_default=True, help="Where the timeline begins.")
@json_option
@pass_frame
def incident_open(frame: Frame, severity: str, title: str, since: str, as_json: bool) -> None:
    """Open an incident: a note to work through, with what happened filled in.

    SEVERITY is P0 (nothing is worked on), P1 (some work fails), P2 (something is wrong and the work goes on) or P3 (a
    blemish).  The note is vault/_deskhand/incidents/ID.md; the opening and the TITLE go on record.
    """
    import msgspec

    from deskhand.cli.health_looks import looks
    from deskhand.cli.incident_facts import happened, zone
    from deskhand.cli.times import past
    from deskhand.core.health import Verdict
    from deskhand.core.incident import RESPONSE, Incident
    from deskhand.host.client import request
    from deskhand.operations.incident_note import render
    from deskhand.store.files import Files
    from deskhand.store.incident_notes import IncidentNotes

    begin = past(since, frame.now)
    found = list(looks(frame, full=False, canary=False, post_recovery=False, quiet=True))
    reply = request(frame.desk, "incident_open", {"severity": severity.upper(), "title": title})
    incident = msgspec.convert(reply, Incident)
    bad = [check for check in found if check.verdict is not Verdict.OK]
    text = render(incident, bad, happened(frame, begin), zone())
    note = show.path(IncidentNotes(Files(), frame.desk).write(incident.id, text), below=frame.desk.root)
    if as_json:
        show.emit_json({"incident": reply, "response": RESPONSE[incident.severity], "note": note})
    else:
        click.echo(f"{incident.id}: somebody has to look at it {RESPONSE[incident.severity]}")
        click.echo(note)
