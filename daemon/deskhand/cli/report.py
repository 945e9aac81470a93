"""``deskhand report``: what was done, what went wrong, what waits, as a note."""

from __future__ import annotations

from pathlib import Path

import click

from deskhand.cli import show
from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import UsageError

KINDS = ("daily", "weekly", "monthly", "performance", "sla", "handoff", "failure")


@click.command("report", cls=Verb)
@click.argument("kind", type=click.Choice(KINDS))
@any_task("task_id", metavar="[ID]", required=False)
@click.option("--date", "--month", "date", metavar="DATE", default="today", help="About the time that has this in it.")
@click.option("--target", default=99.5, type=click.FloatRange(0, 100), show_default=True, help="Of `sla`, in percent.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there; - prints it.")
@json_option
@pass_frame
def report(
    frame: Frame, kind: str, task_id: str | None, date: str, target: float, output: Path | None, as_json: bool
) -> None:
    """Write a report about the desk.

    daily, weekly, monthly: what was done, what failed and how often in the same way, what waits, with pictures.
    performance: the week, recipe by recipe. sla: the month: availability, error budget, times to completion; what is
    not known is shown as unknown. handoff: what whoever takes over has to know. failure ID: one failed task. Reports
    go to `vault/_deskhand/reports/` unless --output says where.
    """
    from deskhand.cli.report_facts import make

    if (kind == "failure") != (task_id is not None):
        raise UsageError("deskhand report", f"{kind} takes {'an ID' if kind == 'failure' else 'no ID'}")
    made = make(frame, kind, task_id, date, target)
    if as_json:
        show.emit_json({"report": kind, **made.data})
    elif output is not None and str(output) == "-":
        click.echo(made.text, nl=False)
    else:
        click.echo(show.path(made.write(frame, output)))
