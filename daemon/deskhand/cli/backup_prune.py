"""``deskhand backup prune``: delete the backups that no rule keeps."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.backing import carry
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("prune", cls=Verb)
@click.option("--dry-run", is_flag=True, help="Delete nothing; say what would be kept, and why.")
@json_option
@pass_frame
def backup_prune(frame: Frame, dry_run: bool, as_json: bool) -> None:
    """Delete the backups that no rule keeps.

    The rules are `backup.keep_*` in deskhand.yaml, in restic's words; daily, full and history backups are counted each
    by themselves.  Only verified backups are deleted, and only when a newer one is there that was verified and still
    has its recorded hash.  Nothing is deleted when the newest is suspiciously small or the clock cannot be trusted.
    """
    from deskhand.engine.pruning import prune
    from deskhand.store.files import Files

    plan = prune(Files(), frame.desk, frame.settings.backup, carry(frame), now=frame.now, dry_run=dry_run)
    gone = plan.given_up
    if as_json:
        fates = [{"name": fate.name, "keep": fate.keep, "reasons": fate.reasons} for fate in plan.fates]
        show.emit_json({"dry_run": dry_run, "suspended": plan.suspended, "deleted": len(gone), "backups": fates})
        return
    rows = [
        [fate.name, "keep" if fate.keep else click.style("delete", fg="red"), ", ".join(fate.reasons)]
        for fate in plan.fates
        if dry_run or not fate.keep
    ]
    if rows:
        click.echo(show.table(rows))
    if plan.suspended is not None:
        click.echo(click.style(f"nothing is deleted: {plan.suspended}", fg="yellow"))
    what = "would be deleted" if dry_run else "deleted"
    click.echo(f"{show.count(len(gone), 'backup')} {what}, {len(plan.fates) - len(gone)} kept")
