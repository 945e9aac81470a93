"""The note that shows what the desk's trust rests on, and what was turned away in this run of the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from msgspec import Struct

from deskhand.core.health import Check
from deskhand.operations.markdown import cell, moment, table

TRUST = ("audit", "mirror", "recipes", "permissions", "clock", "configuration", "backup", "drill")
"""The checks that this note shows, in this order."""
_TOLD = {
    "drop.refused": "drops refused",
    "task.quarantined": "tasks quarantined",
    "task.lost": "tasks whose files vanished",
    "foreign.found": "files found that the log does not know",
    "foreign.restored": "files put back where the log says",
    "approval.ignored": "answers that had no effect",
    "task.in_doubt": "runs cut off that must not be repeated blindly",
    "task.approved": "answers: yes",
    "task.rejected": "answers: no",
    "task.expired": "questions nobody answered in time",
    "recipe.blessed": "recipes blessed",
    "config.changed": "settings changed",
    "log.clock_step": "times the clock was set",
}


class SecurityFacts(Struct, frozen=True):
    """Everything the note says beside the checks."""

    since: float
    """When the daemon started (epoch seconds)."""
    log_id: str
    seq: int
    hash: str
    """Of the last durable record."""
    written: Mapping[str, int]
    """Type -> records written since the daemon started."""
    blessed: int
    """Blessed recipe versions on record."""
    adopted: int = 0
    """Number of the record with which the desk was last adopted; 0 = never."""


def render(facts: SecurityFacts, checks: Mapping[str, Check], zone: tzinfo) -> str:
    """The note as Markdown.  *checks*: name -> what the last look found."""
    rows = [
        (name, f"**{check.verdict}**", cell(check.sentence), cell(check.fix or ""))
        for name in TRUST
        if (check := checks.get(name)) is not None
    ]
    counted = [f"- {number} {what}" for kind, what in _TOLD.items() if (number := facts.written.get(kind, 0))]
    adopted = f"adopted with record {facts.adopted}" if facts.adopted else "never adopted from elsewhere"
    proof = "Whoever keeps these two elsewhere can prove later that the log up to there is unchanged"
    blocks = [
        "# Security",
        f"Audit log `{facts.log_id}`, {adopted}; {facts.blessed} blessed recipe versions on record.",
        f"Record **{facts.seq}** has the SHA-256 `{facts.hash}`. {proof}: `deskhand audit show --json` has the line.",
        table(("Check", "", "Found", "What to do"), rows) if rows else "Nothing was looked at yet.",
        "\n".join(
            [
                f"## Since the daemon started, {moment(facts.since, zone)}",
                "",
                *(counted or ["- nothing was turned away, and nobody was asked"]),
            ]
        ),
    ]
    return "\n\n".join(blocks) + "\n"
