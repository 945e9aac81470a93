"""The note that shows the recipes: which may run, how they did in this run of the daemon, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from msgspec import Struct

from deskhand.core.state import State
from deskhand.operations.markdown import cell, moment, table

_ASKS = {"required": "always", "never": "never", "when": "by a rule"}
_BAD = (State.FAILED, State.QUARANTINED, State.LOST)
_STOPPED = (State.REJECTED, State.EXPIRED, State.CANCELLED)


class RecipeFacts(Struct, frozen=True):
    """A recipe that may run."""

    id: str
    version: int
    kind: str
    purpose: str
    asks: str
    """`required`, `never` or `when`."""
    ended: Mapping[str, int]
    """Final state -> tasks that came to it since the daemon started."""


class RecipesFacts(Struct, frozen=True):
    """Everything the note says."""

    since: float
    """When the daemon started (epoch seconds)."""
    recipes: tuple[RecipeFacts, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    """What is not as blessed, and why."""
    strangers: tuple[str, ...] = ()
    """Files among the blessed ones that nobody blessed."""
    drafts: tuple[str, ...] = ()


def render(facts: RecipesFacts, zone: tzinfo) -> str:
    """The note as Markdown."""
    heads = ("Recipe", "Does", "Asks", "Completed", "Failed", "Stopped")
    rows = [
        (
            *(f"**{cell(each.id)}** {each.version} ({each.kind})", cell(each.purpose), _ASKS.get(each.asks, each.asks)),
            *(_sum(each, (State.COMPLETED,)), _sum(each, _BAD), _sum(each, _STOPPED)),
        )
        for each in facts.recipes
    ]
    counted = f"Numbers are tasks that ended since the daemon started, {moment(facts.since, zone)}."
    blocks = ["# Recipes", table(heads, rows) if rows else "No recipe may run.", counted]
    blocks += _listed(
        "Not as blessed: it does not run", [f"**{cell(name)}**: {cell(why)}" for name, why in facts.broken]
    )
    blocks += _listed("Nobody blessed these: they never run", [cell(name) for name in facts.strangers])
    blocks += _listed("Drafts", [f"{cell(name)}: `deskhand recipe check`, then `bless`" for name in facts.drafts])
    return "\n\n".join(blocks) + "\n"


def _sum(each: RecipeFacts, states: tuple[State, ...]) -> str:
    return str(sum(each.ended.get(state, 0) for state in states))


def _listed(title: str, lines: list[str]) -> list[str]:
    return ["\n".join([f"## {title}", "", *(f"- {line}" for line in lines)])] if lines else []
