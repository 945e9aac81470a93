"""``deskhand cost import``: what a provider billed, beside what the log says."""

from __future__ import annotations

from pathlib import Path

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame


@click.command("import", cls=Verb)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--date-column", metavar="NAME", help="Heading of the column with the day; else it is recognised.")
@click.option("--amount-column", metavar="NAME", help="Heading of the column with the amount; else it is recognised.")
@click.option("--dry-run", is_flag=True, help="Compare, and put nothing on record.")
@json_option
@pass_frame
def cost_import(
    frame: Frame, file: Path, date_column: str | None, amount_column: str | None, dry_run: bool, as_json: bool
) -> None:
    """Compare a provider's bill (CSV) with the log, day by day.

    What was billed is put on record, and counts from then on: for the limits of a day the greater of the bill and of
    what the log says. A later bill for the same days takes its place. Amounts must be in the desk's currency.
    """
    from deskhand.cli.cost_bill import compare
    from deskhand.core.money import shown

    facts = compare(frame, file, date_column, amount_column, record=not dry_run)
    if as_json:
        show.emit_json(facts)
        return
    rows = [
        (
            day["day"],
            shown(day["ours"]),
            shown(day["billed"]),
            f"{'-' if day['difference'] < 0 else '+'}{shown(abs(day['difference']))}",
        )
        for day in facts["days"]
    ]
    click.echo(show.table(rows, ("DAY", "OURS", "BILLED", f"DIFFERENCE, {facts['currency']}")))
    click.echo("nothing was put on record" if dry_run else f"{show.count(len(rows), 'day')} put on record")
