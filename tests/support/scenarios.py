"""The scenarios of the campaigns, and the desk that they happen on."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.engine.assemble import Session
from deskhand.store.desk import Desk
from tests.support.fault_desk import FaultBench
from tests.support.scenario import Scenario

S = State
DONE = frozenset({S.COMPLETED})
RESULT = b"the result\n"
MIDNIGHT = (time.time() // 86_400 + 1) * 86_400


def edit(session: Session, task: Task, request: Path) -> None:
    """A person changes what a request says, and then says yes to it."""
    request.write_bytes(request.read_bytes().replace(b"letter", b"LETTER"))
    request.rename(f"{request}.approved")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "keep",
            {"archive/plan.txt": b"a plan\n"},
            {"plan.txt": DONE},
            {"archive/*/*/plan*": (b"a plan\n", 1, 1)},
        ),
        Scenario(
            "copy",
            {"archive/plan.txt": b"a plan\n"},
            {"plan.txt": DONE},
            {"archive/*/*/plan*": (b"a plan\n", 1, 1)},
            linked=True,
            since="/partial/",
        ),
        Scenario(
            "folder",
            {"archive/trip/a.txt": b"a", "archive/trip/deep/b.txt": b"b"},
            {"trip": DONE},
            {"archive/*/*/trip*/a.txt": (b"a", 1, 1), "archive/*/*/trip*/deep/b.txt": (b"b", 1, 1)},
            since="/claimed/",
        ),
        Scenario(
            "copied folder",
            {"archive/trip/a.txt": b"a", "archive/trip/deep/b.txt": b"b"},
            {"trip": DONE},
            {"archive/*/*/trip*/a.txt": (b"a", 1, 1), "archive/*/*/trip*/deep/b.txt": (b"b", 1, 1)},
            linked=True,
            since="/partial/",
        ),
        Scenario(
            "approve",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": DONE},
            {"outbox/letter*": (b"dear you\n", 1, 1)},
            {S.WAITING: "approved"},
            since="/.requests/",
        ),
        Scenario(
            "reject",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.REJECTED})},
            {"outbox/*": (b"", 0, 0)},
            {S.WAITING: "rejected"},
            since="unlink",
        ),
        Scenario(
            "cancel",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.CANCELLED})},
            {"outbox/*": (b"", 0, 0)},
            {S.WAITING: "cancel"},
            since="unlink",
        ),
        Scenario(
            "retry",
            {"work/job.txt": b"a job\n"},
            {"job.txt": DONE},
            {"made/result*": (RESULT, 1, 1)},
            plan=("failed", "ok"),
            since="/.work/",
        ),
        Scenario(
            "in doubt, run again",
            {"once/pay.txt": b"pay\n"},
            {"pay.txt": DONE},
            {"paid/result*": (RESULT, 1, 1)},
            {S.IN_DOUBT: "approved"},
            plan=("cut", "ok"),
            since="/.work/",
        ),
        Scenario(
            "in doubt, it happened",
            {"once/pay.txt": b"pay\n"},
            {"pay.txt": DONE},
            {"paid/*": (b"", 0, 0)},
            {S.IN_DOUBT: "happened"},
            plan=("cut",),
            since="/.requests/",
        ),
        Scenario(
            "midnight",
            {"archive/early.txt": b"early\n", "hand-over/asked.txt": b"asked\n"},
            {"early.txt": DONE, "asked.txt": frozenset({S.WAITING}), "late.txt": DONE},
            {"archive/*/*/early*": (b"early\n", 1, 1), "archive/*/*/late*": (b"late\n", 1, 1)},
            start=MIDNIGHT - 2,
            late={"archive/late.txt": b"late\n"},
            late_at=10,
            since="/.requests/",
        ),
        Scenario(
            "several at once",
            {"archive/one.txt": b"one\n", "work/two.txt": b"two\n", "hand-over/three.txt": b"three\n"},
            {"one.txt": DONE, "two.txt": DONE, "three.txt": DONE},
            {
                "archive/*/*/one*": (b"one\n", 1, 1),
                "made/result*": (RESULT, 1, 1),
                "outbox/three*": (b"three\n", 1, 1),
            },
            {S.WAITING: "approved"},
            since="/claimed/",
        ),
        Scenario(
            "edited, asked again, approved",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": DONE},
            {"outbox/letter*": (b"dear you\n", 1, 1)},
            {S.WAITING: "approved"},
            meddles=edit,
            since="/.requests/",
        ),
        Scenario(
            "expired",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.EXPIRED})},
            {"outbox/*": (b"", 0, 0)},
            since="/.requests/",
        ),
        Scenario(
            "handed in",
            {"archive/plan.txt": b"a plan\n"},
            {"plan.txt": DONE},
            {"archive/*/*/plan*": (b"a plan\n", 1, 1)},
            handed=True,
            since="/dropped/",
        ),
    )
}

SCENARIOS |= {
    f"{name}, one by one": replace(SCENARIOS[name], name=f"{name}, one by one", since="/claimed/", together=False)
    for name in ("keep", "copy", "folder")
}


def furnish(desk: Desk) -> None:
    """A desk with a recipe that may be repeated, one that may not, and one that asks.

    Without checklists: their times would come or not, by the hour at which a campaign runs.
    """
    bench = FaultBench(desk.root.parent)
    retry = {"attempts": 9, "backoff": "1s"}
    bench.bless("work", "command", argv=["work"], idempotent=True, retry=retry, deliver="made/{name}")
    bench.bless("once", "command", argv=["once"], idempotent=False, deliver="paid/{name}")
    bench.bless("asked", "command", argv=["asked"], idempotent=True, approval="required")
    for path in (desk.vault / "checklists").iterdir():
        path.unlink()
