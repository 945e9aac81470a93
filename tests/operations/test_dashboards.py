"""The notes about recipes and security."""

from __future__ import annotations

from datetime import UTC

from deskhand.core.health import Check, Verdict
from deskhand.core.state import State
from deskhand.operations import recipes_note, security_note
from deskhand.operations.recipes_note import RecipeFacts, RecipesFacts
from deskhand.operations.security_note import SecurityFacts

T = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


def test_recipes() -> None:
    ended: dict[str, int] = {State.COMPLETED: 7, State.FAILED: 2, State.LOST: 1, State.EXPIRED: 4}
    text = recipes_note.render(
        RecipesFacts(
            since=T,
            recipes=(RecipeFacts("scan", 3, "command", "Reads | writes", "when", ended),),
            broken=(("note version 2", "v0002.yaml is not what was blessed"),),
            strangers=("scan/v0009.yaml",),
            drafts=("new.yaml",),
        ),
        UTC,
    )
    assert "| **scan** 3 (command) | Reads \\| writes | by a rule | 7 | 3 | 4 |" in text
    assert "since the daemon started, 2026-09-21 14:13." in text
    assert "- **note version 2**: v0002.yaml is not what was blessed" in text
    assert "never run\n\n- scan/v0009.yaml" in text and "- new.yaml: `deskhand recipe check`" in text
    assert recipes_note.render(RecipesFacts(since=T), UTC).count("#") == 1


def test_security() -> None:
    facts = SecurityFacts(T, "thelog", 12, "ab" * 32, {"drop.refused": 3, "task.completed": 9}, 4, adopted=7)
    checks = {
        "audit": Check("audit", Verdict.OK, "the chain is whole"),
        "queue": Check("queue", Verdict.DOWN, "not about trust"),
        "mirror": Check("mirror", Verdict.DOWN, "it does not agree", "look", detail="the original is elsewhere"),
    }
    text = security_note.render(facts, checks, UTC)
    assert f"Record **12** has the SHA-256 `{'ab' * 32}`" in text and "adopted with record 7" in text
    assert "| mirror | **down** | it does not agree: the original is elsewhere | look |" in text
    assert "not about trust" not in text
    assert "- 3 drops refused" in text and "9 " not in text.split("## ")[1]
    quiet = security_note.render(SecurityFacts(T, "thelog", 1, "", {}, 0), {}, UTC)
    assert "Nothing was looked at yet." in quiet and "nothing was turned away" in quiet and "never adopted" in quiet
