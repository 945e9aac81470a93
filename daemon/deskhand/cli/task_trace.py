"""``deskhand task trace``: every record of one task, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import record_text, show
from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import UsageError

if TYPE_CHECKING:
    from deskhand.core.record import Record

_LEFT_OUT = frozenset({"task", "tn", "tprev", "from", "to", "actor", "reason", "recipe", "source"})


@click.command("trace", cls=Verb)
@any_task("task_id", metavar="ID")
@json_option
@pass_frame
def task_trace(frame: Frame, task_id: str, as_json: bool) -> None:
    """Show every record of a task, with the time between them."""
    view = frame.look()
    key = frame.key(task_id, view)
    records = view.records(key)
    if not records:
        raise UsageError("deskhand task trace", "nothing is on record yet: it was handed in and not taken", path=key)
    if as_json:
        shown = [{"seq": r.seq, "ts": r.ts, "type": r.type, **r.fields} for r in records]
        show.emit_json({"id": view.identifier(key), "records": shown})
        return
    click.echo(view.identifier(key))
    click.echo(show.table([_row(before, record) for before, record in zip([None, *records], records, strict=False)]))


def _row(before: Record | None, record: Record) -> tuple[str, ...]:
    from deskhand.cli.times import local, span

    delta = "" if before is None else f"+{span(record.ts - before.ts)}"
    word = record.type.removeprefix("task.")
    return (
        str(record.seq),
        local(record.ts),
        delta,
        show.state(word),
        record_text.actor(record.fields),
        _said(record.fields),
    )


def _said(fields: dict[str, Any]) -> str:
    recipe = fields.get("recipe")
    said = [f"{recipe['id']} v{recipe['version']}"] if isinstance(recipe, dict) else []
    if fields.get("reason"):
        said.append(str(fields["reason"]))
    for name, value in fields.items():
        if name not in _LEFT_OUT and value not in (None, [], ""):
            said.append(f"{name} {record_text.value(name, value)}")
    return show.text("  ".join(said))
