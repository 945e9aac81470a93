"""What a checklist is: the typed form of ``vault/checklists/<name>.yaml``.

Only types.  Reading YAML and reporting violations is ``core.checklist_file``; how a run goes on is
``core.checklist_run``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from deskhand.core.comparison import Comparison
from deskhand.core.due import Policy
from deskhand.core.units import PositiveSeconds

Severity = Literal["P0", "P1", "P2", "P3"]
"""Critical, high, medium, low."""
DAY = 86_400.0


class Drop(Struct, frozen=True, forbid_unknown_fields=True):
    """A task that is dropped when a step fails."""

    text: str
    """What the task says."""
    recipe: str | None = None
    """Recipe that handles it; None = as for any drop."""


class OnFail(Struct, frozen=True, forbid_unknown_fields=True):
    """What follows when a step fails, is missed or unknown."""

    notify: bool = False
    """A notice on the desktop."""
    drop: Drop | None = None


class Expect(Struct, frozen=True, forbid_unknown_fields=True):
    """When a program counts as having succeeded."""

    exit: Annotated[int, Meta(ge=0, le=255)] = 0
    """Its exit status."""
    output: str | None = None
    """Regular expression that has to be found in its output."""


class Check(Struct, frozen=True):
    """A fact that has to be as it should be."""

    good: Comparison
    """Not so: the step fails."""
    warn: Comparison | None = None
    """Not so, while `good` is: the step warns."""


class Manual(Struct, frozen=True):
    """A question to a person."""

    question: str
    evidence: bool = False
    """Whether something has to be written beside the answer."""


class Program(Struct, frozen=True):
    """A program that is run."""

    argv: tuple[str, ...]
    """The program and its arguments, no shell.  `deskhand` is this very deskhand."""


class Step(Struct, frozen=True):
    """One line of a checklist."""

    id: str
    what: Program | Check | Manual
    title: str = ""
    needs: tuple[str, ...] = ()
    """Earlier steps that have to be ok or warn; else this one is skipped."""
    condition: Comparison | None = None
    """Under which it is done at all."""
    timeout: PositiveSeconds = 300.0
    """Seconds that a program may take."""
    retry: Annotated[int, Meta(ge=0, le=10)] = 0
    """More attempts of a program; also says that it may be repeated after it was cut off."""
    expect: Expect = field(default_factory=Expect)
    severity: Severity = "P2"
    on_fail: OnFail = field(default_factory=OnFail)
    role: str = "owner"
    """Whom a question is for."""
    due: PositiveSeconds = DAY
    """Seconds after the run began in which a question is to be answered."""
    escalate: str | None = None
    """Whom to tell when nobody answered."""


class Checklist(Struct, frozen=True):
    """A checklist as it was read.  ``name`` and ``sha256`` come from where the bytes were found."""

    name: str
    title: str
    purpose: str
    steps: tuple[Step, ...]
    schedule: str | None = None
    """Cron expression; None = only when somebody asks for it."""
    zone: str | None = None
    """Time zone of the schedule; None = the desk's."""
    catch_up: Policy = "once"
    grace: PositiveSeconds = 12 * 3600.0
    """Seconds of lateness after which a scheduled time is missed."""
    holidays: Literal["run", "skip"] = "run"
    sha256: str = ""
    """Of the file's bytes (hex)."""

    def step(self, identifier: str) -> Step | None:
        """The step with this id."""
        return next((step for step in self.steps if step.id == identifier), None)
