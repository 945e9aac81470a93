"""``deskhand audit verify``: is the log unchanged, complete and in order?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ExitCode

if TYPE_CHECKING:
    from deskhand.store.audit_verify import Verified

LARGE = 20 * 1000 * 1000
"""Bytes of log from which on a progress bar is shown on a terminal."""
Progress = Callable[[int, int], None]


@click.command("verify", cls=Verb)
@click.option("--fast", is_flag=True, help="The hash chain only: every line's place, not its content.")
@json_option
@pass_frame
def audit_verify(frame: Frame, fast: bool, as_json: bool) -> int:
    """Verify the audit log and name everything that is wrong.

    Reads the whole log, up to the head while a daemon writes.  Each problem is named with file, line and reason; exit
    code 4 when there is one.  docs/audit-log-format.md says what this proves, docs/threat-model.md what it does not.
    """
    from deskhand.store.audit_verify import verify

    with verifying(frame, shown=not as_json) as progress:
        result = verify(frame.desk.audit, strict=not fast, progress=progress)
    if as_json:
        show.emit_json(_data(result))
    else:
        click.echo("\n".join(_lines(result)))
    return ExitCode.OK if result.ok else ExitCode.INTEGRITY


def _data(result: Verified) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "entries": result.entries,
        "head": result.head or "",
        "errors": result.errors,
        "more_errors": result.more_errors,
        "log_id": result.log_id,
        "first_seq": result.first_seq,
        "last_seq": result.last_seq,
        "strict": result.strict,
        "files": result.files,
        "absent": result.absent,
        "beyond_head": result.beyond_head,
        "loose_bytes": result.loose_bytes,
        "notes": result.notes,
    }


def _lines(result: Verified) -> Iterator[str]:
    for problem in result.errors:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        yield f"{click.style(show.text(place), fg='red')}: {show.text(problem.reason)}"
    if result.more_errors:
        yield f"and {result.more_errors} more problems"
    for note in result.notes:
        yield f"note: {show.text(note)}"
    what = "every line, task and closed file" if result.strict else "the hash chain only"
    if result.ok:
        size = f"{show.count(result.entries, 'record')} in {show.count(len(result.files), 'file')}"
        yield f"{click.style('ok', fg='green')}: {size}; checked {what}"
        yield f"head: {result.head}"
    else:
        count = len(result.errors) + result.more_errors
        verdict = click.style("NOT ok", fg="red", bold=True)
        yield f"{verdict}: {count} problem{'s'[: count != 1]} in {result.entries} records"


@contextmanager
def verifying(frame: Frame, *, shown: bool) -> Iterator[Progress | None]:
    """A progress bar for large logs on a terminal."""
    if not (shown and sys.stderr.isatty() and _bytes(frame) > LARGE):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bytes(frame: Frame) -> int:
    from deskhand.store.segments import scan

    return sum(segment.size for segment in scan(frame.desk.audit).segments)
