"""``deskhand checklist sign``: answer a question of a checklist."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("sign", cls=Verb)
@click.argument("step", metavar="STEP")
@click.option("--no", "denied", is_flag=True, help="Answer no: the step fails.")
@click.option("--evidence", metavar="TEXT", help="What shows it; it goes on record.")
@json_option
@pass_frame
def checklist_sign(frame: Frame, step: str, denied: bool, evidence: str | None, as_json: bool) -> None:
    """Answer yes to a question of a checklist that is open.

    STEP is the name of the step, or CHECKLIST/STEP when several ask under that name.  Ticking it in the run's note does
    the same.
    """
    from deskhand.host.client import request

    name, slash, last = step.rpartition("/")
    arguments = {"step": last, "answer": "no" if denied else "yes"}
    if slash:
        arguments["checklist"] = name
    if evidence:
        arguments["reason"] = evidence
    reply = request(frame.desk, "checklist_sign", arguments)
    if as_json:
        show.emit_json(reply)
    else:
        click.echo(f"{reply['checklist']}/{reply['step']} is signed: {reply['answer']}")
