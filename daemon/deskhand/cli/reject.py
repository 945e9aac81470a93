"""``deskhand reject``: say no."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.complete import asking_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("reject", cls=Verb)
@asking_task("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it goes on record.")
@json_option
@pass_frame
def reject(frame: Frame, ids: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Say no to what waits.

    The task ends as rejected; one in doubt ends as failed.  The reason goes on record and cannot be erased: leave
    personal details out of it.
    """
    from deskhand.cli.answering import answer
    from deskhand.cli.questions import waiting

    view = frame.look()
    questions = {question.task.key: question for question in waiting(view)}
    keys = [frame.key(text, view, among=questions, what="waiting task") for text in ids]
    done = []
    for key in dict.fromkeys(keys):
        reply = answer(frame, "reject", key, None, reason)
        done.append({"id": questions[key].id, **reply})
        if not as_json:
            click.echo(f"{questions[key].id}: {reply.get('state', 'rejected')}")
    if as_json:
        show.emit_json({"answered": done})
