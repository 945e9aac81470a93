"""The note of a run: what it says, and that what is ticked in it is read back."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.checklist import Checklist, Manual, Program, Step
from deskhand.core.routine import OpenRun, StepResult
from deskhand.operations.checklist_note import Tick, render, ticks

QUESTIONS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=80)


def note(question: str, state: str = "waiting", *, evidence: bool = False) -> str:
    step = Step("ask-it", Manual(" ".join(question.split()) or "?", evidence), due=3600.0, severity="P1")
    checklist = Checklist("mine", "Mine", "why", (Step("run", Program(("ls",)), "List [it]"), step))
    run = OpenRun("mine", "r-mine", 1.8e9, "0" * 64, "n.md", 1.8e9 - 60)
    run.steps = {"run": StepResult("ok", "fine *so* far"), "ask-it": StepResult(state, None)}
    return render(checklist, run, UTC, state=None, trusted=True)


def test_it_is_a_task_of_the_tasks_plugin() -> None:
    assert "\n- [ ] Is it there? ⏫ 📅 2027-01-15 ^ask-it\n" in note("Is it there?")
    assert "- ✅ **List \\[it\\]** · ok: fine \\*so\\* far" in note("x")


@pytest.mark.parametrize(("mark", "answer"), [("x", "yes"), ("X", "yes"), ("-", "no")])
def test_a_tick_is_an_answer(mark: str, answer: str) -> None:
    assert ticks(note("Is it?")) == []
    text = note("Is it?").replace("- [ ]", f"- [{mark}]")
    assert ticks(text) == [Tick("ask-it", answer, None)]
    assert ticks(text.replace("\n", "\r\n")) == [Tick("ask-it", answer, None)]
    plugin = text.replace(" ^ask-it", " ✅ 2027-01-15 ^ask-it")
    assert ticks(plugin) == [Tick("ask-it", answer, None)]


def test_evidence_is_the_line_below() -> None:
    text = note("Is it?", evidence=True).replace("- [ ]", "- [x]")
    assert ticks(text) == [Tick("ask-it", "yes", None)]
    assert ticks(text.replace("evidence: ", "evidence: disk 7 ")) == [Tick("ask-it", "yes", "disk 7")]


@given(QUESTIONS)
def test_whatever_is_asked_makes_no_other_line_and_is_ticked_once(question: str) -> None:
    text = note(question)
    assert ticks(text) == []
    assert ticks(text.replace("- [ ]", "- [x]")) == [Tick("ask-it", "yes", None)]


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(tick.answer in ("yes", "no") for tick in ticks(text))
