"""``deskhand cleanup``: remove what is no longer needed, and say what that is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, interactive, json_option, pass_frame
from deskhand.errors import StoreError, UsageError, WaitingError

if TYPE_CHECKING:
    from deskhand.engine.cleaning import Part

OPERATION = "cleaning up"
OURS = ("temp", "logs")
FINISHED = ("completed", "failed", "rejected")
MANY = 2000
"""Files from which on a progress bar is shown on a terminal."""
WORDS = {
    "temp": "temporary files and unused working folders",
    "logs": "rotated files in logs/",
    "completed": "files of completed tasks",
    "failed": "files of failed tasks",
    "rejected": "files of rejected tasks",
    "task": "files of the task",
}


@click.command("cleanup", cls=Verb)
@click.option("--older-than", metavar="SPAN", default="7d", show_default=True, help="How old it has to be: 24h, 7d.")
@click.option("--temp", is_flag=True, help="Temporary files of ours and unused working folders.")
@click.option("--logs", is_flag=True, help="Rotated operational logs; and pack closed files of the audit log.")
@click.option("--completed", is_flag=True, help="Files of completed tasks, by the time of their end.")
@click.option("--failed", is_flag=True, help="Files of failed, quarantined and lost tasks.")
@click.option("--rejected", is_flag=True, help="Files of rejected, expired and cancelled tasks.")
@click.option("--task", "task_id", metavar="ID", help="Files of this finished task, however old it is.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; change nothing.")
@json_option
@pass_frame
def cleanup(
    frame: Frame, /, older_than: str, task_id: str | None, dry_run: bool, as_json: bool, **wanted: bool
) -> None:
    """Remove what is no longer needed, and pack old days of the log.

    Without a kind: --temp and --logs.  Unfinished tasks, the audit log and backups are never removed; the log still
    knows the tasks whose files are gone.  More than the settings cleanup.ask_files or cleanup.ask_bytes allow has to
    be confirmed on a terminal by typing the number of files.
    """
    from deskhand.engine import cleaning
    from deskhand.store.files import Files

    span = _span(older_than)
    kinds = [kind for kind in (*OURS, *FINISHED) if wanted[kind]]
    if not kinds and task_id is None:
        kinds = list(OURS)
    before = frame.now - span
    try:
        parts = _plan(frame, kinds, task_id, before)
        if not dry_run:
            _confirm(frame, parts, as_json=as_json)
            total = sum(part.files for part in parts)
            with _progress(total, shown=not as_json) as told:
                for _ in cleaning.carry_out(Files(), frame.desk, parts, told):
                    pass
    except OSError as error:
        hint = "give the command again; what was begun is ended first"
        raise StoreError(OPERATION, error.strerror or str(error), path=error.filename, hint=hint) from error
    packed = _pack(frame, before, dry_run=dry_run) if "logs" in kinds else []
    removed = [part for part in parts if part.files]
    if removed and not dry_run:
        _record(frame, removed, span)
    if as_json:
        kept = [_data(part) for part in parts]
        show.emit_json({"dry_run": dry_run, "older_than_s": span, "removed": kept, "packed": packed})
        return
    _tell(frame, parts, packed, dry_run=dry_run)


def _span(text: str) -> float:
    from deskhand.core.units import parse_duration

    try:
        return parse_duration(text.strip())
    except ValueError as error:
        raise UsageError(OPERATION, f"--older-than {error}", hint="write 24h or 7d") from error


def _plan(frame: Frame, kinds: list[str], task_id: str | None, before: float) -> list[Part]:
    from deskhand.engine import cleaning

    view = frame.look()
    if kinds and view.book.clock_unconfirmed:
        cause, hint = (
            "the clock jumped by more than a day, so no age can be relied on",
            "set it right, then: deskhand resume",
        )
        raise WaitingError(OPERATION, cause, hint=hint)
    parts = cleaning.plan(frame.desk, view, kinds, before, _running(frame))
    if task_id is not None:
        key = frame.key(task_id, view)
        task = view.task(key)
        if task is None or not task.terminal or task.undelivered:
            cause, hint = "its files stay: it is not finished", "deskhand task cancel"
            raise UsageError(OPERATION, cause, path=view.identifier(key), hint=hint)
        parts.append(cleaning.of_task(frame.desk, key))
    return parts


def _running(frame: Frame) -> frozenset[str]:
    """Keys of the tasks that a living daemon runs."""
    from deskhand.host.client import daemon_alive, request

    if not daemon_alive(frame.desk):
        return frozenset()
    return frozenset(request(frame.desk, "status", need_daemon=True)["running"])


def _confirm(frame: Frame, parts: list[Part], *, as_json: bool) -> None:
    """WaitingError unless it is little, or a person typed how much it is."""
    files, size = sum(part.files for part in parts), sum(part.bytes for part in parts)
    limits = frame.settings.cleanup
    if files <= limits.ask_files and size <= limits.ask_bytes:
        return
    much = f"{show.count(files, 'file')} with {show.size(size)}"
    if as_json or not interactive():
        hint = "run it on a terminal, or choose a smaller part; --dry-run shows what it is"
        raise WaitingError(OPERATION, f"{much} would be removed, and a person has to confirm that", hint=hint)
    click.echo("\n".join(_lines(parts, dry_run=True)))
    if click.prompt(f"Type {files} to remove them", default="", show_default=False).strip() != str(files):
        raise WaitingError(OPERATION, "not confirmed; nothing was removed")


def _pack(frame: Frame, before: float, *, dry_run: bool) -> list[dict[str, Any]]:
    """Pack closed files of the audit log; what was packed, or would be."""
    from deskhand.host.client import request
    from deskhand.store.audit_pack import candidates

    found = candidates(frame.desk.audit, before)
    if dry_run or not found:
        return [{"name": segment.name, "bytes": segment.size} for segment in found]
    reply = request(frame.desk, "pack", {"before": before}, timeout=None)
    if reply["problems"]:
        raise StoreError("packing the audit log", "; ".join(reply["problems"]), hint="deskhand audit verify")
    return list(reply["packed"])


def _record(frame: Frame, parts: list[Part], span: float) -> None:
    from deskhand.host.client import request

    what = [part.kind for part in parts]
    files, size = sum(part.files for part in parts), sum(part.bytes for part in parts)
    request(frame.desk, "cleaned", {"what": what, "files": files, "bytes": size, "older_than": span})


def _data(part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "files": part.files,
        "bytes": part.bytes,
        "tasks": [task.id for task in part.tasks],
        "unknown": part.unknown,
    }


def _tell(frame: Frame, parts: list[Part], packed: list[dict[str, Any]], *, dry_run: bool) -> None:
    click.echo("\n".join(_lines(parts, dry_run=dry_run)))
    for one in packed:
        small = "" if dry_run else f", {show.size(one['packed_bytes'])} packed"
        click.echo(f"{'would pack' if dry_run else 'packed'}: {one['name']}, {show.size(one['bytes'])}{small}")
    if dry_run:
        click.echo("nothing was changed")


def _lines(parts: list[Part], *, dry_run: bool) -> Iterator[str]:
    for part in parts:
        word = "would remove" if dry_run else "removed"
        much = f"{show.count(part.files, 'file')}, {show.size(part.bytes)}" if part.files else "nothing"
        tasks = f" ({show.count(len(part.tasks), 'task')})" if part.tasks and part.kind != "task" else ""
        yield f"{word}: {WORDS[part.kind]}: {much}{tasks}"
        if part.unknown:
            yield f"  {show.count(part.unknown, 'task')} stay: the log that is here does not say when they ended"


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar for much on a terminal."""
    if not (shown and sys.stderr.isatty() and total > MANY):
        yield lambda files: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("removing", total=total)
        yield lambda files: bar.advance(task, files)
