"""``deskhand tasks``: a list of tasks, newest first."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.cli.times import past

UNFINISHED, WAITING = "unfinished", "waiting"
DAY = 86_400.0


def _states(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from deskhand.core.state import State

    return [CompletionItem(name) for name in (UNFINISHED, *State) if name.startswith(incomplete)]


@click.command("tasks", cls=Verb)
@click.option("--state", metavar="STATE", help="Only this state, or unfinished.", shell_complete=_states)
@click.option("--since", metavar="TIME", help="Finished ones from then on: 2h, 2026-11-20 (default: 24h).")
@click.option("--limit", default=50, type=click.IntRange(min=1), show_default=True, help="How many at most.")
@click.option("--stuck", is_flag=True, help="Only those that do not go on by themselves.")
@json_option
@pass_frame
def tasks(frame: Frame, state: str | None, since: str | None, limit: int, stuck: bool, as_json: bool) -> None:
    """List tasks.

    Unfinished tasks are listed whatever their age, finished ones of the last 24 hours; newest first.  STATE is
    unfinished, waiting (for a person, in doubt included) or any state that `deskhand tasks` shows.
    """
    from deskhand.cli.task_facts import HEADS, as_data, is_stuck, row

    wanted = _wanted(state)
    now = frame.now
    moment = past(since, now) if since else now - DAY
    view = frame.look(since=moment)
    found = [
        task
        for task in view.tasks()
        if (wanted is None or task.state in wanted)
        and (not task.terminal or task.undelivered or task.since >= moment)
        and (not stuck or is_stuck(task))
    ]
    submitted = view.submitted() if wanted is None and not stuck else []
    if as_json:
        data = {"tasks": [as_data(view, task) for task in found[:limit]], "more": max(0, len(found) - limit)}
        show.emit_json({**data, "submitted": submitted})
        return
    for identifier in submitted:
        click.echo(f"{identifier}  handed in, not yet taken: it is at the next `deskhand run`")
    if found:
        click.echo(show.table([row(view, task, now) for task in found[:limit]], HEADS))
    elif not submitted:
        click.echo("no task is like that")
    if len(found) > limit:
        click.echo(f"{len(found) - limit} more; --limit {len(found)} shows them all")


def _wanted(text: str | None) -> frozenset[str] | None:
    from deskhand.core.shape import suggest
    from deskhand.core.state import ASKING, TERMINAL, State

    if text is None:
        return None
    word = text.lower().replace("-", "_").replace(" ", "_")
    if word == UNFINISHED:
        return frozenset(State) - TERMINAL
    if word == WAITING:
        return frozenset(ASKING)
    words = [UNFINISHED, *map(str, State)]
    if word not in words:
        raise click.UsageError(f"there is no state {text!r}{suggest(word, words)}")
    return frozenset({word})
