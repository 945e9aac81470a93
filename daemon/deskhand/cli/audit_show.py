"""``deskhand audit show``: records of the audit log, the newest last."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from deskhand.cli import record_text, show
from deskhand.cli.frame import Frame, Verb, pass_frame
from deskhand.cli.times import local, past
from deskhand.errors import UsageError

if TYPE_CHECKING:
    from deskhand.store.audit_read import Line

LOOK_AGAIN = 0.2
"""Seconds between two looks at a log that grows."""
_LEFT_OUT = frozenset({"tn", "tprev", "from", "to", "actor", "source", "task"})


@click.command("show", cls=Verb)
@click.option("-n", "--lines", "count", default=20, type=click.IntRange(min=0), show_default=True, help="How many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("-f", "--follow", is_flag=True, help="Go on while the log grows (Ctrl-C ends it).")
@click.option("--task", metavar="ID", help="Only records of this task.")
@click.option("--type", "kind", metavar="GLOB", help="Only this type, such as 'task.*'.")
@click.option("--since", metavar="TIME", help="Only from then on: 2h, 2026-11-20.")
@click.option("--actor", metavar="GLOB", help="Only what this user, uid or kind (person, daemon) did, or by this way.")
@click.option("--json", "as_json", is_flag=True, help="The raw lines, byte for byte.")
@pass_frame
def audit_show(
    frame: Frame,
    count: int,
    everything: bool,
    follow: bool,
    task: str | None,
    kind: str | None,
    since: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Show records of the audit log.

    The last ones, oldest first.  Nothing is verified here; `deskhand audit verify` does that.  With --json the raw
    lines are printed, so they can be hashed.
    """
    from deskhand.store.audit_read import Filter, last, lines
    from deskhand.store.audit_read import follow as follow_log

    wanted = Filter(
        since=None if since is None else past(since, frame.now),
        type=kind,
        task=None if task is None else _key(frame, task),
        actor=actor,
    )
    folder = frame.desk.audit
    newest = _newest(frame) if follow else None
    seen = 0
    for line in lines(folder, wanted) if everything else last(folder, count, wanted) if count else ():
        _print(line, as_json=as_json)
        seen = max(seen, _seq(line))
    if newest is None:
        return
    tick = threading.Event()
    try:
        for line in follow_log(folder, lambda: not tick.wait(LOOK_AGAIN), wanted, after=newest):
            if _seq(line) > seen:
                _print(line, as_json=as_json)
    except KeyboardInterrupt:
        return


def _newest(frame: Frame) -> Line:
    """The end of the log before anything is printed: nothing that comes after it is missed."""
    from deskhand.store.audit_read import last

    found = last(frame.desk.audit, 1)
    if not found:
        raise UsageError("reading the audit log", "there is no log yet", path=frame.desk.audit, hint="deskhand run")
    return found[0]


def _seq(line: Line) -> int:
    record = line.record
    return 0 if record is None else record.seq


def _key(frame: Frame, text: str) -> str:
    return frame.key(text, frame.look())


def _print(line: Line, *, as_json: bool) -> None:
    if as_json:
        click.echo(line.raw, nl=False)
        return
    record = line.record
    if record is None:
        click.echo(f"{line.file}:{line.number}: {click.style('no record', fg='red')}; deskhand audit verify")
        return
    actor = record.fields.get("actor")
    who = "" if not isinstance(actor, dict) else str(actor.get("user") or actor.get("uid") or actor.get("kind") or "")
    parts = [
        str(record.seq).rjust(6),
        local(record.ts),
        record.type.ljust(17),
        str(record.fields.get("task") or "-"),
        who,
    ]
    said = [
        f"{name}={record_text.value(name, value)}" for name, value in record.fields.items() if name not in _LEFT_OUT
    ]
    click.echo(show.text("  ".join(filter(None, [*parts, *said]))))
