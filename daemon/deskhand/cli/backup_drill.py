"""``deskhand backup drill``: prove that the backups can be restored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from deskhand.cli import show, times
from deskhand.cli.backing import carry, progress
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import ExitCode

if TYPE_CHECKING:
    from deskhand.engine.drill import Drilled


@click.command("drill", cls=Verb)
@json_option
@pass_frame
def backup_drill(frame: Frame, as_json: bool) -> int:
    """Prove that the backups can be restored.

    The newest backup and a random older one, from the second target that is furthest away or else from backups/, are
    restored into a temporary folder (TMPDIR says where) and verified; a second engine is opened on each, which starts
    and sends nothing; and copies that are damaged on purpose must be found to be bad.  Says what would be lost now and
    how long it takes to have a desk again, leaves a note in vault/_deskhand/, and puts the result on record.  Exit code
    4 when a backup is not what it should be.
    """
    from deskhand.engine.drills import hold

    with progress(shown=not as_json) as bar:
        done = hold(frame.desk, frame.settings, carry(frame), progress=bar)
    if as_json:
        import msgspec

        show.emit_json(msgspec.to_builtins(done))
    else:
        click.echo("\n".join(_lines(done)))
    return ExitCode.OK if done.ok else ExitCode.INTEGRITY


def _lines(done: Drilled) -> Iterator[str]:
    for one in done.backups:
        if one.ok:
            task = f", {one.canary} found again" if one.canary else ", no finished task to look for"
            size = f"{show.count(one.records, 'record')}, {show.count(one.unfinished, 'unfinished task')}"
            yield f"{one.name}: {click.style('restored', fg='green')} in {one.seconds:.2f} s; {size}{task}"
        else:
            yield f"{one.name}: {click.style('FAILED', fg='red', bold=True)}: {show.text(str(one.reason))}"
    for damage in done.damaged:
        verdict = "noticed" if damage.found else click.style("NOT noticed", fg="red", bold=True)
        yield f"{damage.what}: {verdict}"
    if done.encrypted:
        yield f"{show.count(done.encrypted, 'encrypted backup')} not tried"
    rpo = "unknown" if done.rpo_s is None else times.span(done.rpo_s)
    rto = "unknown" if done.rto_s is None else f"{done.rto_s:.2f} s"
    yield f"from {done.place}: lost at worst what is newer than {rpo}; a desk again after {rto}"
    yield (
        click.style("ok", fg="green")
        if done.ok
        else f"{click.style('NOT ok', fg='red')}: {show.text(str(done.reason))}"
    )
