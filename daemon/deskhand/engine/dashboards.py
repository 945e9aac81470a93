"""Two of the notes in ``vault/_deskhand/``: ``recipes.md`` and ``security.md``, written with each look at the desk.

What they say is taken on the deciding thread; rendering and writing is for another one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime

from deskhand.core.health import Check
from deskhand.engine.assemble import Session
from deskhand.operations import recipes_note, security_note
from deskhand.operations.recipes_note import RecipeFacts, RecipesFacts
from deskhand.operations.security_note import SecurityFacts
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.vault import Vault


def recipes(session: Session, since: float) -> RecipesFacts:
    """What ``recipes.md`` says, but for the drafts.  *since*: when the daemon started (epoch seconds)."""
    current, ended = session.parts.recipes.current, session.parts.ledger.ended_by_recipe
    by_id: dict[str, dict[str, int]] = {}
    for (recipe, state), number in ended.items():
        by_id.setdefault(recipe, {})[state] = number
    return RecipesFacts(
        since=since,
        recipes=tuple(
            RecipeFacts(each.id, each.version, each.kind, each.purpose, each.approval.mode, by_id.get(each.id, {}))
            for each in current.recipes
        ),
        broken=tuple((f"{each.pin.id} version {each.pin.version}", each.reason) for each in current.damaged),
        strangers=tuple(f"{each.path.parent.name}/{each.path.name}" for each in current.unblessed),
    )


def security(session: Session, since: float) -> SecurityFacts:
    """What ``security.md`` says beside the checks.  *since*: when the daemon started (epoch seconds)."""
    ledger, head = session.parts.ledger, session.audit.head
    return SecurityFacts(
        since=since,
        log_id=session.audit.log_id,
        seq=head.seq,
        hash=head.hash,
        written=dict(ledger.written_types),
        blessed=len(ledger.book.pins),
        adopted=ledger.book.adopted,
    )


def write(desk: Desk, said: RecipesFacts, trust: SecurityFacts, checks: Iterable[Check]) -> None:
    """Write both notes where they say something new.  StoreError when the disk refuses."""
    zone = datetime.now().astimezone().tzinfo or UTC
    vault = Vault(Files(), desk)
    vault.write_dashboard("recipes", recipes_note.render(_with_drafts(desk, said), zone))
    vault.write_dashboard("security", security_note.render(trust, {check.name: check for check in checks}, zone))


def _with_drafts(desk: Desk, said: RecipesFacts) -> RecipesFacts:
    try:
        names = sorted(name for name in os.listdir(desk.recipes / "drafts") if name.endswith(".yaml"))
    except OSError:
        names = []
    return RecipesFacts(said.since, said.recipes, said.broken, said.strangers, tuple(names))
