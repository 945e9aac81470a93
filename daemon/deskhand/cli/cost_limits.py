"""``deskhand cost limits``: what may be spent."""

from __future__ import annotations

import click

from deskhand.cli import show
from deskhand.cli.frame import Frame, Verb, json_option, pass_frame
from deskhand.errors import UsageError

NONE = "none"


@click.command("limits", cls=Verb)
@click.option("--daily", metavar="AMOUNT", help="Most that a day may cost; none takes the limit away.")
@click.option("--per-run", metavar="AMOUNT", help="Most that one attempt may reserve; none takes the limit away.")
@click.option("--per-recipe", metavar="RECIPE=AMOUNT", multiple=True, help="Most that a recipe may cost on a day.")
@json_option
@pass_frame
def cost_limits(
    frame: Frame, daily: str | None, per_run: str | None, per_recipe: tuple[str, ...], as_json: bool
) -> None:
    """Show or set what may be spent.

    Limits are hard: what could exceed one is reserved before it begins or does not begin; its task is parked and says
    so. They hold at once, also in a running daemon, and what they held back is looked at again.
    """
    from deskhand.cli.cost_facts import limits, set_limits

    shares: dict[str, str | None] = {}
    for entry in per_recipe:
        recipe, found, value = entry.partition("=")
        if not found or not recipe:
            raise UsageError("deskhand cost limits", f"{entry!r} is not RECIPE=AMOUNT")
        shares[recipe] = None if value == NONE else _amount(value)
    set_limits(frame, _amount(daily), _amount(per_run), shares)
    facts = limits(frame)
    if as_json:
        show.emit_json(facts)
        return
    unit = facts["currency"]
    rows = [("a day", facts["daily"]), ("a run", facts["per_run"])]
    rows += [(f"a day, {recipe}", amount) for recipe, amount in facts["per_recipe"].items()]
    click.echo(show.table([(what, "no limit" if value is None else f"{value:.2f} {unit}") for what, value in rows]))


def _amount(text: str | None) -> str | None:
    """As deskhand.yaml has it; None when nothing was said."""
    if text is None:
        return None
    if text == NONE:
        return "null"
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:
        raise UsageError("deskhand cost limits", f"{text!r} is no amount", hint="such as 10 or 0.50, or none")
    return text
