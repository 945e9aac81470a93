"""The notes of unfinished runs: drawn when something changed, read back for what a person ticked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

from deskhand.core.checklist import Checklist, Manual, Step
from deskhand.core.log import Log
from deskhand.core.record import Actor
from deskhand.core.routine import OpenRun
from deskhand.errors import StoreError
from deskhand.operations.checklist_note import Tick, render, ticks
from deskhand.store.checklist_files import ChecklistFiles

Sign = Callable[[OpenRun, Step, Actor, str, str | None], None]
"""Run, step, who, answer, evidence."""


class ChecklistNotes:
    """Used by the deciding thread."""

    def __init__(self, files: ChecklistFiles, zone: tzinfo, log: Log) -> None:
        self._files = files
        self._zone = zone
        self._log = log
        self._pictures: dict[str, tuple[str, str]] = {}
        """Run id -> its note and what that has to say."""
        self._seen: dict[str, tuple[int, ...]] = {}
        """Note -> its identity when it was last read or written."""

    def draw(self, checklist: Checklist, run: OpenRun, *, state: str | None, trusted: bool) -> str:
        """Have the note say how the run stands; what it will say."""
        text = render(checklist, run, self._zone, state=state, trusted=trusted)
        self._pictures[run.run_id] = run.note, text
        return text

    @property
    def drawn(self) -> list[str]:
        """Run ids whose notes are to be written."""
        return list(self._pictures)

    def write(self, run_id: str) -> None:
        """Write what was drawn."""
        note, text = self._pictures.pop(run_id)
        try:
            self._files.write_note(note, text)
        except StoreError as error:
            self._log.warning("a checklist's note cannot be written", cause=error.sentence)
        self._seen[note] = self._files.note_identity(note)

    def forget(self, note: str) -> None:
        """The run is over: what is ticked now means nothing any more."""
        self._seen.pop(note, None)

    def read_ticks(self, checklist: Checklist, run: OpenRun, sign: Sign) -> bool:
        """Hand the answers that stand in the note to *sign*; whether there were any."""
        identity = self._files.note_identity(run.note)
        if not identity or self._seen.get(run.note) == identity:
            return False
        self._seen[run.note] = identity
        written = self._files.read_note(run.note)
        signed = False
        for tick in () if written is None else ticks(written.text):
            step = self._asked(checklist, run, tick)
            if step is not None and written is not None:
                sign(run, step, Actor(kind="person", via="note", uid=written.uid), tick.answer, tick.evidence)
                signed = True
        return signed

    def _asked(self, checklist: Checklist, run: OpenRun, tick: Tick) -> Step | None:
        """The step that is answered; None when nothing is asked there, or what it asks for is missing."""
        step, result = checklist.step(tick.step), run.steps.get(tick.step)
        if step is None or not isinstance(step.what, Manual) or result is None or result.state != "waiting":
            return None
        if step.what.evidence and tick.answer == "yes" and tick.evidence is None:
            self._log.warning("a ticked step asks for evidence", run=run.run_id, step=step.id)
            return None
        return step
