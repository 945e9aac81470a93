"""``deskhand tasks``: a list of tasks, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.cli.times import past, span

if TYPE_CHECKING:
    from deskhand.core.stuck import Stuck
    from deskhand.engine.view import View

UNFINISHED, WAITING = "unfinished", "waiting"
DAY = 86_400.0


def _states(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from deskhand.core.state import State

    return [CompletionItem(name) for name in (UNFINISHED, *State) if name.startswith(incomplete)]


@click.command("tasks", cls=Verb)
@click.option("--state", metavar="STATE", help="Only this state, or unfinished.", shell_complete=_states)
@click.option("--since", metavar="TIME", help="Finished ones from then on: 2h, 2026-11-20 (default: 24h).")
@click.option("--limit", default=50, type=click.IntRange(min=1), show_default=True, help="How many at most.")
@click.option("--stuck", is_flag=True, help="Only those that do not go on although they should, and why.")
@json_option
@pass_frame
def tasks(frame: Frame, state: str | None, since: str | None, limit: int, stuck: bool, as_json: bool) -> None:
    """List tasks.

    Unfinished tasks are listed whatever their age, finished ones of the last 24 hours; newest first.  STATE is
    unfinished, waiting (for a person, in doubt included) or any state that `deskhand tasks` shows.  --stuck says of
    each why, and what to do: started for longer than it may take, due and not started, parked, waiting for what never
    comes, unanswered for half its time, results that cannot be delivered; and drops that are never finished.
    """
    from deskhand.cli.task_facts import HEADS, as_data, row

    wanted = _wanted(state)
    now = frame.now
    moment = past(since, now) if since else now - DAY
    view = frame.look(since=moment)
    said = _said(frame) if stuck else None
    verdicts = _stuck(frame, view, said) if stuck else {}
    found = [
        task
        for task in view.tasks()
        if (wanted is None or task.state in wanted)
        and (not task.terminal or task.undelivered or task.since >= moment)
        and (not stuck or task.key in verdicts)
    ]
    submitted = view.submitted() if wanted is None and not stuck else []
    # Only a living daemon knows; without one it is unknown, which is not none.
    stalled = None if said is None else said.get("stalled_drops")
    if as_json:
        listed = [as_data(view, task) for task in found[:limit]]
        data: dict[str, Any] = {"tasks": listed, "more": max(0, len(found) - limit), "submitted": submitted}
        if stuck:
            for one, task in zip(listed, found, strict=False):
                one["stuck"] = {"why": verdicts[task.key].why, "advice": verdicts[task.key].advice}
            data["stalled"] = stalled
        show.emit_json(data)
        return
    for identifier in submitted:
        click.echo(f"{identifier}  handed in, not yet taken: it is at the next `deskhand run`")
    if found:
        click.echo(show.table([row(view, task, now) for task in found[:limit]], HEADS))
        for task in found[:limit] if stuck else ():
            click.echo(f"\n{view.identifier(task.key)}\n  {show.text(verdicts[task.key].why)}")
            click.echo(f"  to do: {show.text(verdicts[task.key].advice)}")
    elif not submitted and not stalled:
        click.echo("no task is like that")
    for drop in (stalled or ()) if stuck else ():
        click.echo(f"still being written for {span(now - drop['since'])}: {show.text(drop['name'])} in {drop['inbox']}")
    if len(found) > limit:
        click.echo(f"{len(found) - limit} more; --limit {len(found)} shows them all")


def _said(frame: Frame) -> dict[str, Any] | None:
    """What the living daemon says of itself; None when none runs."""
    from deskhand.host.client import daemon_alive, request

    return request(frame.desk, "status", need_daemon=True) if daemon_alive(frame.desk) else None


def _stuck(frame: Frame, view: View, said: dict[str, Any] | None) -> dict[str, Stuck]:
    from deskhand.engine.stuck_tasks import stuck_tasks

    return stuck_tasks(view, frame.settings, said, frame.now)


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
