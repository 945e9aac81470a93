"""``deskhand task show``: everything that is known about one task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import record_text, show
from deskhand.cli.complete import any_task
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame

if TYPE_CHECKING:
    from deskhand.core.record import Record
    from deskhand.core.task import Task, TaskFile
    from deskhand.engine.view import View

LABEL = 11
"""Columns of the labels."""


@click.command("show", cls=Verb)
@any_task("task_id", metavar="ID")
@json_option
@pass_frame
def task_show(frame: Frame, task_id: str, as_json: bool) -> None:
    """Show everything that is known about a task.

    Where it stands and why, its recipe, inputs and parameters, where its files are, and the request if it waits for
    an answer.  What is in its files is shown as found; `deskhand audit verify` proves the log.
    """
    from deskhand.cli.questions import as_data as question_data
    from deskhand.cli.questions import full_text, waiting
    from deskhand.cli.task_facts import as_data

    view = frame.look()
    key = frame.key(task_id, view)
    task = view.task(key)
    if task is None:
        _submitted(view, key, as_json=as_json)
        return
    question = next((each for each in waiting(view) if each.task.key == key), None)
    if as_json:
        described = view.task_file(key)
        data = {**as_data(view, task), "input_sha256": task.input_sha256, **_described(described)}
        files = [show.path(path, below=view.desk.root) for path in _files(view, key)]
        request = None if question is None else question_data(question)
        gone = None if (said := _forgotten(view, key)) is None else {"at": said.ts, **said.fields}
        show.emit_json({"task": {**data, "files": files, "request": request, "forgotten": gone}})
        return
    rows = [(click.style(f"{label}:", bold=True) if label else "", text) for label, text in _lines(frame, view, task)]
    click.echo("\n".join("  ".join((show.pad(label, LABEL), text)) for label, text in rows))
    if question is not None:
        click.echo(f"\n{full_text(question)}")


def _submitted(view: View, key: str, *, as_json: bool) -> None:
    identifier = next(each for each in view.submitted() if each.endswith(key[-6:]))
    if as_json:
        show.emit_json({"task": {"id": identifier, "key": key, "state": None, "submitted": True}})
    else:
        click.echo(f"{identifier}: handed in, not yet taken; it is at the next `deskhand run`")


def _described(task_file: TaskFile | None) -> dict[str, Any]:
    if task_file is None:
        return {"inputs": None, "params": None, "route": None, "retry_of": None, "problem": None}
    return {
        "inputs": task_file.files,
        "params": task_file.options.params,
        "route": task_file.route,
        "retry_of": task_file.retry_of,
        "problem": task_file.problem,
    }


def _lines(frame: Frame, view: View, task: Task) -> list[tuple[str, str]]:
    from deskhand.cli.times import when
    from deskhand.core.state import State

    now = frame.now
    described = view.task_file(task.key)
    name = "unknown: its files are gone" if described is None else show.text(described.name)
    gone = _forgotten(view, task.key)
    if gone is not None:
        actor, reason = record_text.actor(gone.fields), gone.fields.get("reason")
        name = f"forgotten {when(gone.ts, now)}, {actor}{f': {show.text(str(reason))}' if reason else ''}"
    lines = [
        ("id", view.identifier(task.key)),
        ("key", task.key),
        ("name", name),
        ("state", f"{show.state(task.state)} since {when(task.since, now)}"),
        ("why", show.text(view.reason(task) or "-")),
        ("received", f"{when(task.received, now)} in {task.inbox or 'unknown'}"),
        ("recipe", "none" if task.pin is None else f"{task.pin.id} version {task.pin.version}"),
        ("attempts", str(task.attempt)),
        ("priority", str(task.priority)),
    ]
    if task.next_at > now:
        lines.append(("not before", when(task.next_at, now)))
    if task.expires is not None and task.state is State.WAITING:
        lines.append(("expires", when(task.expires, now)))
    if task.duplicate_of is not None:
        lines.append(("warning", f"the same bytes were completed before, as {view.identifier(task.duplicate_of)}"))
    if task.undelivered:
        lines.append(("warning", "its results are not delivered yet"))
    lines += _file_lines(described)
    folder = view.place(task.key)
    lines.append(("files", "none left" if folder is None else show.path(folder.folder, below=view.desk.root)))
    lines += [("", path.name) for path in _files(view, task.key)]
    return lines


def _forgotten(view: View, key: str) -> Record | None:
    """The record that says that it was forgotten."""
    if view.place(key) is not None and key not in view.forgotten:
        return None
    return view.forgotten.get(key) or next((r for r in view.records(key)[::-1] if r.type == "task.forgotten"), None)


def _file_lines(described: TaskFile | None) -> list[tuple[str, str]]:
    if described is None:
        return []
    lines = [
        ("input", f"{show.text(entry.path or described.name)}  {show.size(entry.bytes)}  sha256 {entry.sha256}")
        for entry in described.files[:20]
    ]
    if len(described.files) > 20:
        lines.append(("", f"and {len(described.files) - 20} more files"))
    lines += [("parameter", f"{show.text(k)} = {show.text(v)}") for k, v in described.options.params.items()]
    if described.options.after:
        lines.append(("after", ", ".join(map(show.text, described.options.after))))
    if described.retry_of:
        lines.append(("again", f"of {described.retry_of}"))
    return lines


def _files(view: View, key: str) -> list[Any]:
    place = view.place(key)
    return [] if place is None else [place.folder / name for name in place.names]
