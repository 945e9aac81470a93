"""``deskhand approvals``: what waits for an answer."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("approvals", cls=Verb)
@json_option
@pass_frame
def approvals(frame: Frame, as_json: bool) -> None:
    """List what waits for an answer, oldest first.

    `deskhand approve` goes through all of it; `deskhand task show ID` shows one request whole.
    """
    from deskhand.cli.questions import as_data, waiting

    found = waiting(frame.look())
    if as_json:
        show.emit_json({"approvals": [as_data(question) for question in found]})
        return
    click.echo(listing(frame) if found else "nothing waits for an answer")


def listing(frame: Frame) -> str:
    """Every question in a few lines each, and how to answer."""
    from deskhand.cli.questions import waiting
    from deskhand.cli.times import ago

    now = frame.now
    blocks = []
    for question in waiting(frame.look()):
        task = question.task
        expires = f", expires {ago(task.expires, now)}" if task.expires is not None else ""
        lines = [
            click.style(question.sentence, bold=True),
            f"  {question.id}  (asked {ago(task.since, now)}{expires})",
            f"  why: {question.why}",
            *(f"  warning: {warning}" for warning in question.warnings),
        ]
        if question.standing != "asked":
            lines.append(f"  its request file is {question.standing}")
        short = question.id[-6:]
        if question.in_doubt:
            lines.append(f"  again: deskhand task retry {short}    it happened: deskhand approve {short} --happened")
            lines.append(f"  give it up: deskhand reject {short} --reason ...")
        else:
            lines.append(f"  yes: deskhand approve {short}    no: deskhand reject {short} --reason ...")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
