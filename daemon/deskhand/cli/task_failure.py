"""``deskhand task failure``: why a task failed, and how often that happened."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("failure", cls=Verb)
@any_task("task_id", metavar="ID")
@json_option
@pass_frame
def task_failure(frame: Frame, task_id: str, as_json: bool) -> None:
    """Show why a task failed.

    Its records in order, the end of what it printed, and how often something failed in the same way: the same recipe
    and the same reason, names and numbers aside. `deskhand report failure ID` writes it to a file.
    """
    from deskhand.cli.report_facts import failure

    made = failure(frame, task_id)
    if as_json:
        show.emit_json(made.data)
    else:
        click.echo(made.text, nl=False)
