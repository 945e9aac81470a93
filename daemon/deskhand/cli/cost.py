"""``deskhand cost``: what runs cost, and what is held back for those under way."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame

BREAKDOWNS = ("recipe", "category", "day", "model")


@click.command("cost", cls=Verb)
@click.option("--date", metavar="DATE", default="today", help="The UTC day: today, yesterday, 2026-11-20.")
@click.option("--days", default=1, type=click.IntRange(1, 400), show_default=True, help="So many days up to it.")
@click.option("--breakdown", type=click.Choice(BREAKDOWNS), default="recipe", help="What to add up by.")
@json_option
@pass_frame
def cost(frame: Frame, date: str, days: int, breakdown: str, as_json: bool) -> None:
    """Show what runs cost.

    From the audit log. What a handler did not say counts with what was reserved for it, and is shown as such; runs of
    recipes without a price cost nothing. Days are UTC days, as providers bill them.
    """
    from deskhand.cli.cost_facts import gather
    from deskhand.cli.cost_text import lines

    facts = gather(frame, date, days, breakdown)
    if as_json:
        show.emit_json(facts)
    else:
        click.echo("\n".join(lines(facts)))
