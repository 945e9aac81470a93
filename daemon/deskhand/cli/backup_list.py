"""``deskhand backup list``: which backups there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.cli.times import local

if TYPE_CHECKING:
    from deskhand.engine.backups import Known


@click.command("list", cls=Verb)
@json_option
@pass_frame
def backup_list(frame: Frame, as_json: bool) -> None:
    """List the backups and what is known about them.

    What stands in backups/, newest first, with what the audit log says of it: what kind it is, how far it reaches, when
    it was last verified, and at which second targets it is.  Nothing is read or verified here.
    """
    from deskhand.engine.backups import known

    found = known(frame.desk)
    if as_json:
        show.emit_json({"backups": [as_data(one) for one in found]})
    elif not found:
        click.echo("no backup yet; deskhand backup create")
    else:
        rows = [
            [one.name, one.kind or "unknown", show.size(one.bytes), _verdict(one), ", ".join(_targets(one))]
            for one in found
        ]
        click.echo(show.table(rows, ["NAME", "KIND", "SIZE", "VERIFIED", "ALSO AT"]))


def as_data(one: Known) -> dict[str, Any]:
    """A backup for programs; None where nothing is known."""
    return {
        "name": one.name,
        "created": one.created,
        "kind": one.kind,
        "bytes": one.bytes,
        "files": one.files,
        "sha256": one.sha256,
        "head_seq": one.head_seq,
        "encrypted": one.encrypted,
        "verified": one.verified,
        "verified_at": one.verified_at,
        "on_record": one.on_record,
        "targets": one.targets,
        "failed_targets": one.failed_targets,
    }


def _verdict(one: Known) -> str:
    if not one.on_record:
        return click.style("not on record", fg="yellow")
    if one.verified is None or one.verified_at is None:
        return click.style("never", fg="yellow")
    if one.verified:
        return click.style(local(one.verified_at), fg="green")
    return click.style(f"BAD ({local(one.verified_at)})", fg="red")


def _targets(one: Known) -> list[str]:
    there = [name if verified else f"{name} (unverified)" for name, verified in one.targets.items()]
    return [*there, *(f"{name} (failed)" for name in one.failed_targets if name not in one.targets)]
