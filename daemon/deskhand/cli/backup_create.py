"""``deskhand backup create``: make a backup while the desk goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import click

from deskhand.cli import show
from deskhand.cli.backing import carry, kind, progress
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ExitCode

if TYPE_CHECKING:
    from deskhand.engine.backing import Made

SHOWN = 5
"""How many of what is left out are named."""


@click.command("create", cls=Verb)
@click.option("--full", is_flag=True, help="With what was filed away in completed/YYYY-MM-DD/.")
@click.option("--only", type=click.Choice(["history"]), help="Only the audit log and deskhand's notes, no drops.")
@json_option
@pass_frame
def backup_create(frame: Frame, full: bool, only: Literal["history"] | None, as_json: bool) -> int:
    """Make a backup, verify it, and take it to the second targets.

    A zip file in backups/ that anybody can open; nothing stands still meanwhile.  It is what the audit log says at one
    record, is read back from the first byte to the last before it gets its name, and says in its README how the desk
    is put together again by hand.  Exit code 1 when a second target did not take it, 4 when files of unfinished tasks
    are not what the log says (the backup is made all the same and counts as unverified).
    """
    from deskhand.engine.backing import create
    from deskhand.store.files import Files

    with progress(shown=not as_json) as bar:
        made = create(Files(), frame.desk, frame.settings, carry(frame), full=full, only=only, progress=bar)
    if as_json:
        show.emit_json(_data(made))
    else:
        click.echo("\n".join(_lines(made)))
    if made.odd:
        return ExitCode.INTEGRITY
    return ExitCode.FAILED if any(copy.problem is not None for copy in made.copies) else ExitCode.OK


def _data(made: Made) -> dict[str, Any]:
    facts = made.facts
    return {
        "name": made.name,
        "path": show.path(made.path),
        "kind": kind(full=facts.full, only=facts.only),
        "bytes": made.bytes,
        "sha256": made.sha256,
        "files": facts.entries,
        "unpacked_bytes": facts.bytes,
        "head_seq": facts.head.seq,
        "unfinished": sum(facts.counts.values()),
        "verified": made.verified,
        "encrypted": made.encrypted,
        "seconds": round(made.seconds, 3),
        "left_out": facts.left_out,
        "odd": made.odd,
        "targets": [
            {"name": copy.target, "ok": copy.problem is None, "verified": copy.verified, "exit": copy.exit}
            | {"seconds": round(copy.seconds, 3), "problem": copy.problem}
            for copy in made.copies
        ],
    }


def _lines(made: Made) -> Iterator[str]:
    facts = made.facts
    what = kind(full=facts.full, only=facts.only)
    sizes = f"{show.count(facts.entries, 'file')}, {show.size(facts.bytes)} in {show.size(made.bytes)}"
    seal = ", encrypted" if made.encrypted else ""
    verdict = click.style("verified", fg="green") if made.verified else click.style("NOT verified", fg="red")
    yield f"{made.name}: {what}, {sizes}{seal}, {verdict}, {made.seconds:.1f} s"
    yield f"record {facts.head.seq} of the audit log; {show.count(sum(facts.counts.values()), 'unfinished task')}"
    for key, what in made.odd.items():
        yield f"{click.style(key, fg='red')}: the desk itself lacks {what}; deskhand task show {key[-6:]}"
    for line in facts.left_out[:SHOWN]:
        yield f"left out: {show.text(line)}"
    if len(facts.left_out) > SHOWN:
        yield f"left out: {len(facts.left_out) - SHOWN} more; backup.json in the archive names them"
    for copy in made.copies:
        if copy.problem is not None:
            yield f"{click.style(copy.target, fg='red')}: not there: {show.text(copy.problem)}"
        else:
            proof = "read back and the same" if copy.verified else "taken; nobody has verified it there"
            yield f"{copy.target}: {proof}, {copy.seconds:.1f} s"
