"""Rows 45, 46, 47 and 48, mixed: anything people do, in any order, with any call of the disk as the last or a bad one.

The stories are ``tests/support/stories.py``'s, and so is the oracle.  That it can see anything is shown, too: every one
of the changes in the table below spoils the product, and has to be found within as many stories as a few runs have.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import Phase

from tests.support import campaign, checks, stories
from tests.support.crash import Table
from tests.support.forks import in_child
from tests.support.scenarios import furnish

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
    pytest.mark.timeout(campaign.patience(300)),
]
Text = tuple[str, str, str, str]
"""File, function, what it says, and what it says instead."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A desk that is put back to its beginning for every story."""
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("stories"), furnish, patch)


def test_f47_anything_people_do_and_any_fault_at_any_call(table: Table) -> None:
    examples = 50 * stories.EXAMPLES if campaign.WHOLE else stories.EXAMPLES
    told = stories.tell(table, campaign.SEED, examples, (Phase.generate, Phase.shrink))
    assert told.struck.total(), "no fault ended a life: nothing was tried"
    campaign.tried("anything, with any fault", f"{told.done} stories, {dict(told.struck)} ended a life")


SPOILED: dict[str, tuple[Text, ...]] = {
    "effects come before their records": (
        ("engine/ledger.py", "Ledger.commit", "if self._dirty:", "if self._dirty and not self._changes:"),
    ),
    "the log is not synced": (
        ("store/open_segment.py", "OpenSegment.append", "self._files.fdatasync(self._fd)", "pass"),
    ),
    "the head is ahead of the log": (
        (
            "store/audit_log.py",
            "AuditLog.commit",
            '            self._segment.append(b"".join(self._buffer))',
            (
                '            data = b"".join(self._buffer)\n'
                "            end = self._segment.size + len(data)\n"
                "            link, name = self._link, self._segment.path.name\n"
                "            self._head_file.write(Head(link.seq, link.hash, name, end))\n"
                "            self._segment.append(data)"
            ),
        ),
    ),
    "a batch is not synced before it is on record": (
        ("store/together.py", "Together.sync_everything", "self._files.sync_filesystem(self._fd)", "pass"),
    ),
    "every attempt is made twice": (
        (
            "engine/effects.py",
            "Effects._set_off",
            "self._runs.start(task, self._placement.identifier(task.key))",
            "[self._runs.start(task, self._placement.identifier(task.key)) for _ in (1, 2)]",
        ),
    ),
    "what was cut off is simply run again": (
        ("engine/outcomes.py", "Outcomes._over", "recipe.idempotent or recipe.kind", "True or recipe.kind"),
    ),
    "an attempt that the daemon's end cut off is forgotten": (
        ("engine/recovery.py", "Recovery._cut_off", "list(self._ledger.tasks.having({State.STARTED}))", "[]"),
    ),
    "a retry is forgotten": (
        (
            "engine/dispatcher.py",
            "Dispatcher.add",
            "task.state in STARTABLE",
            "task.state in STARTABLE - {State.RETRY}",
        ),
    ),
    "a drop that was claimed is forgotten at the start": (
        ("engine/intake.py", "Intake.recover", "self._strays.extend(found.claimed)", "pass"),
    ),
    "an input on record that was not placed is taken for a drop": (
        ("store/recover.py", "reunite", "if path is not None:", "if False:"),
    ),
    "a copied drop is taken again after a crash": (
        ("engine/intake.py", "Intake._leftover", "if not self.on_record.any:", "if True:"),
    ),
    "what was copied is never removed": (("engine/intake.py", "Intake._remove", "if path is None:", "if True:"),),
    "a no is ignored": (("engine/gestures.py", "Gestures._of_task", "if Part.REJECTED in answers:", "if False:"),),
    "a no is a yes": (("core/step.py", "_answer", 'f"task.{event.verdict}"', '"task.approved"'),),
    "an edited request is approved": (
        (
            "engine/gestures.py",
            "Gestures._yes",
            "data is not None and hashlib.sha256(data).hexdigest() == task.digest",
            "data is not None",
        ),
    ),
    "nobody has to be asked": (
        ("engine/reception.py", "Reception.ask", "if not verdict.asks:", "if True:"),
        (
            "engine/starting.py",
            "Starting._wants_approval",
            "if recipe.approval.mode ==",
            "if True or recipe.approval.mode ==",
        ),
        ("core/step.py", "_start", "event.needs_approval and", "False and"),
    ),
    "questions expire at once": (
        ("core/step.py", "_expire", "task.expires is None or now < task.expires", "task.expires is None"),
        (
            "engine/dispatcher.py",
            "Dispatcher.add",
            "Entry(task.expires, task.seq, task.key)",
            "Entry(0.0, task.seq, task.key)",
        ),
    ),
    "an answered request is left standing": (
        ("engine/placement.py", "Placement._put_away", "self._requests.take_away(identifier, gestures, yes)", "pass"),
    ),
    "files of what ended in a crash are not moved": (
        ("engine/recovery.py", "Recovery._finish_moves", "list(self._ledger.ended.items())", "[]"),
    ),
    "a delivery that was cut off is forgotten": (
        ("engine/engine.py", "Engine.go_on_delivering", "self.ledger.tasks.keys_in({State.COMPLETED})", "()"),
    ),
    "a delivery replaces what is there": (
        ("store/deliver.py", "_Delivery.to", "if os.path.lexists(name):", "if False:"),
        (
            "store/deliver.py",
            "_Delivery.to",
            "self._files.rename(temporary, name)",
            "self._files.replace(temporary, name)",
        ),
    ),
    "a delivery that was cut off is made once more": (
        ("store/deliver.py", "_Delivery.to", "if self._is_there(name, sha256, size):", "if False:"),
    ),
    "what an attempt left is never tidied away": (
        ("engine/recovery.py", "Recovery.run", "self._attempts.discard_all()", "()"),
    ),
}
"""What is spoiled -> how."""
DICE = range(12)
"""Always the same stories, as many as in twelve usual runs; the first one that tells ends it, nearly always in the
first three.  What threads do is not always batched alike, so that a story may tell in one run and not in the next."""


@pytest.mark.parametrize("name", SPOILED)
def test_f47_it_is_noticed_when_something_is_spoiled(table: Table, name: str) -> None:
    def spoiled() -> None:
        checks.change_all(SPOILED[name])
        bad = (stories.first_bad(table, number, stories.EXAMPLES) for number in DICE)
        (table.root / "found").write_text(next(filter(None, bad), ""))

    code, said = in_child(spoiled)
    assert code == 0, said
    found = (table.root / "found").read_text()
    assert found, f"{name}: nothing was noticed"
    print(found)
