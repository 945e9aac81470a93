"""``deskhand approve``: say yes to exactly what is shown."""

from __future__ import annotations

from typing import Any

import click

from deskhand.cli import show
from deskhand.cli.complete import asking_task
from deskhand.cli.frame import Frame, Verb, interactive, json_option, pass_frame
from deskhand.errors import ExitCode, UsageError

TAKEN = frozenset({"approved", "retry", "completed"})
"""States that a yes leads to; a request that ran out of time becomes expired instead."""


@click.command("approve", cls=Verb)
@asking_task("ids", nargs=-1, metavar="[ID]...")
@click.option("--happened", is_flag=True, help="For a task in doubt: the run did its work.")
@click.option("--yes", is_flag=True, help="Do not ask again on a terminal.")
@json_option
@pass_frame
def approve(frame: Frame, ids: tuple[str, ...], happened: bool, yes: bool, as_json: bool) -> int:
    """Say yes to what waits; without an ID, go through all of it.

    The walk shows each request whole and asks what to do.  With IDs: each request is shown
    and approved (on a terminal, after one more question).  What is approved is exactly the text that was shown; a
    request that was edited meanwhile is not approved.  For a task in doubt, yes means: run it again; --happened
    means: it did its work.
    """
    if not ids:
        if happened or yes or as_json:
            raise UsageError("deskhand approve", "--happened, --yes and --json need an ID", hint="deskhand approvals")
        return _without_id(frame)
    from deskhand.cli.answering import answer
    from deskhand.cli.questions import full_text, waiting

    view = frame.look()
    questions = {question.task.key: question for question in waiting(view)}
    keys = [frame.key(text, view, among=questions, what="waiting task") for text in ids]
    done: list[dict[str, Any]] = []
    for key in dict.fromkeys(keys):
        question = questions[key]
        digest = question.require_asked()
        if not as_json:
            click.echo(full_text(question))
            if not yes and interactive() and not click.confirm(_confirmation(question.in_doubt, happened)):
                click.echo("not answered")
                continue
        verb = "happened" if happened else "approve"
        done.append({"id": question.id, **answer(frame, verb, key, digest)})
        if not as_json:
            click.echo(f"{question.id}: {done[-1]['state']}")
    if as_json:
        show.emit_json({"answered": done})
    if any(reply["state"] not in TAKEN for reply in done):
        return ExitCode.FAILED
    return ExitCode.OK if len(done) == len(dict.fromkeys(keys)) else ExitCode.WAITING


def _confirmation(in_doubt: bool, happened: bool) -> str:
    if happened:
        return "It happened?"
    return "Run it again?" if in_doubt else "Approve this?"


def _without_id(frame: Frame) -> int:
    from deskhand.cli.questions import waiting

    if not waiting(frame.look()):
        click.echo("nothing waits for an answer")
        return ExitCode.OK
    if not interactive():
        from deskhand.cli.approvals import listing

        click.echo(listing(frame))
        return ExitCode.WAITING
    from deskhand.cli.answering import walk

    return walk(frame)
