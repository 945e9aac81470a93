"""Checklists on an open desk: step by step, signed, cut off, blessed, by the clock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deskhand.core.record import Actor, Record
from deskhand.core.routine import OpenRun
from deskhand.engine.assemble import Session, open_desk
from deskhand.engine.bell import Bell
from deskhand.engine.commands import Command, Commands
from deskhand.errors import UsageError
from deskhand.host.found import init
from deskhand.store.audit_read import lines
from deskhand.store.desk import Desk
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog

PERSON = Actor(kind="person", via="command", uid=0)
DAY = 86_400.0
MONDAY = datetime(2027, 3, 1, 8, 0, tzinfo=UTC).timestamp()
CHECK = "{metric: tasks.parked, operator: '==', value: 0}"


class Desked:
    """An open desk with a clock of the test's."""

    def __init__(self, session: Session, bell: Bell, clock: FakeClock, log: MemoryLog) -> None:
        self.session = session
        self.engine = session.engine
        self.root = session.desk.root
        self.clock = clock
        self.log = log
        self.notices: list[str] = []
        self._bell = bell
        self._commands = Commands(session.engine)

    def tick(self) -> None:
        """One full tick, and as many as its chores ring for."""
        self.engine.scan_everything()
        self.engine.tick()
        for _ in range(400):
            if self.engine.idle:
                return
            self._bell.wait(min(5.0, self.engine.next_wake()))
            self.engine.tick()
        raise AssertionError("it does not come to rest")

    def do(self, verb: str, **arguments: Any) -> Any:
        """A command, and what follows from it."""
        reply = self._commands.carry_out(Command(verb, PERSON, arguments), self.clock.wall())
        self.tick()
        return reply

    def bless(self, name: str) -> None:
        data = (self.root / f"vault/checklists/{name}.yaml").read_bytes()
        self.do("checklist_bless", checklist=name, sha256=hashlib.sha256(data).hexdigest())

    def run(self, name: str) -> str:
        return str(self.do("checklist_run", checklist=name)["run_id"])

    def records(self, kind: str, **wanted: Any) -> list[Record]:
        found = [line.record for line in lines(self.session.desk.audit)]
        return [
            record
            for record in found
            if record is not None and record.type == kind and wanted.items() <= record.fields.items()
        ]

    def handled(self, schedule: str) -> list[tuple[str, str]]:
        """(result, local time of the occurrence) of everything that was handled."""
        found = self.records("schedule.handled", schedule=schedule)
        return [
            (record.fields["result"], f"{datetime.fromtimestamp(record.fields['occurrence'], UTC):%m-%d %H:%M}")
            for record in found
        ]

    def states(self, run_id: str) -> dict[str, str]:
        """Step -> its last state on record."""
        found = {r.fields["step"]: r.fields["state"] for r in self.records("checklist.step", run_id=run_id)}
        for record in self.records("checklist.signed", run_id=run_id):
            found[record.fields["step"]] = {"yes": "ok", "no": "fail"}[record.fields["answer"]]
        return found

    def reason(self, run_id: str, step: str) -> str:
        return str(self.records("checklist.step", run_id=run_id, step=step)[-1].fields.get("reason"))

    def finished(self, run_id: str) -> str | None:
        found = self.records("checklist.finished", run_id=run_id)
        assert len(found) <= 1, "once"
        return found[0].fields["state"] if found else None

    def open(self) -> list[OpenRun]:
        return list(self.engine.ledger.book.routine.runs.values())

    def note(self) -> Path:
        (path,) = (self.root / "vault/_deskhand/checklists").glob("*.md")
        return path


Opened = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh desk without the starter's checklists, in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    init(tmp_path / "desk")
    for path in (tmp_path / "desk/vault/checklists").iterdir():
        path.unlink()
    return tmp_path / "desk"


@contextmanager
def opened(root: Path, clock: FakeClock) -> Iterator[Desked]:
    """The desk, open."""
    bell, log = Bell(), MemoryLog()
    notices: list[str] = []
    try:
        with open_desk(
            Desk(root.resolve()), log, ring=bell.ring, watch=False, clock=clock,
            notify=lambda title, text: notices.append(title),
        ) as session:  # fmt: skip
            desk = Desked(session, bell, clock, log)
            desk.notices = notices
            yield desk
    finally:
        bell.close()


def write(root: Path, name: str, steps: str, **head: str) -> None:
    """A checklist; *steps* are flow mappings, one a line."""
    first = {"schema": "1", "title": name, "purpose": "a test", **head}
    text = "".join(f"{key}: {value}\n" for key, value in first.items())
    body = "".join(f"  - {line.strip()}\n" for line in steps.strip().splitlines())
    (root / "vault/checklists" / f"{name}.yaml").write_text(f"{text}steps:\n{body}")


def test_checks_are_judged_and_the_worst_is_the_result(root: Path) -> None:
    write(
        root,
        "round",
        f"""
        {{id: good, check: {CHECK}}}
        {{id: tight, check: {{metric: tasks.waiting, operator: "<=", value: 5, warn: -1}}}}
        {{id: bad, check: {{metric: desk.paused, operator: "==", value: all}}, needs: [good]}}
        {{id: after, check: {CHECK}, needs: [bad]}}
        {{id: dark, check: {{metric: backup.verified_age_s, operator: "<", value: 1d}}}}
        {{id: idle, if: "tasks.parked > 3", check: {CHECK}}}
        """,
    )
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        run = desk.run("round")
        expected = {
            "good": "ok", "tight": "warn", "bad": "fail", "after": "skipped", "dark": "unknown", "idle": "skipped"
        }  # fmt: skip
        assert desk.states(run) == expected
        assert desk.finished(run) == "fail"
        assert desk.reason(run, "dark") == "backup.verified_age_s is unknown: no verified backup is on record"
        assert desk.reason(run, "after") == "needs bad, which is fail"
        text = desk.note().read_text()
        assert "state: fail" in text and "desk.paused is no, not == all" in text.replace("\\", "")
        (record,) = desk.records("checklist.finished")
        assert record.fields["note_sha256"] == hashlib.sha256(desk.note().read_bytes()).hexdigest()


def test_unknown_is_never_ok(root: Path) -> None:
    write(root, "dark", "{id: dark, check: {metric: drill.good_age_s, operator: '<', value: 14d}}")
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        assert desk.finished(desk.run("dark")) == "unknown"


def test_a_program_runs_only_when_exactly_these_bytes_are_blessed(root: Path) -> None:
    target = root.parent / "made"
    write(root, "act", f"{{id: touch, run: [touch, {target}]}}")
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        first = desk.run("act")
        assert desk.states(first) == {"touch": "waiting"} and "not blessed" in desk.reason(first, "touch")
        assert not target.exists() and desk.finished(first) is None
        desk.bless("act")
        assert target.exists() and desk.finished(first) == "ok"
        target.unlink()
        write(root, "act", f"{{id: touch, run: [touch, {target}, {target}2]}}")
        second = desk.run("act")
        assert desk.states(second) == {"touch": "waiting"} and not target.exists()


def test_a_program_is_judged_by_status_and_output_and_tried_again(root: Path) -> None:
    counter = root.parent / "counter"
    write(
        root,
        "judge",
        f"""
        {{id: second, run: [sh, -c, "echo x >> {counter}; test $(wc -l < {counter}) -ge 2"], retry: 3}}
        {{id: status, run: [sh, -c, "exit 3"], expect: {{exit: 3}}}}
        {{id: output, run: [echo, all well], expect: {{output: "^all w"}}}}
        {{id: wrong, run: [echo, private words], expect: {{output: "fine"}}}}
        {{id: slow, run: [sleep, "60"], timeout: 100ms}}
        {{id: absent, run: [no-such-program-at-all]}}
        """,
    )
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        desk.bless("judge")
        run = desk.run("judge")
        assert desk.states(run) == {
            "second": "ok", "status": "ok", "output": "ok", "wrong": "fail", "slow": "fail", "absent": "fail"
        }  # fmt: skip
        assert desk.records("checklist.step", step="second", state="ok")[0].fields["attempts"] == 2
        assert desk.reason(run, "slow") == "took longer than 0.1 s"
        assert b"private words" not in b"".join(path.read_bytes() for path in (root / "audit_logs").iterdir())
        assert any("private words" in path.read_text() for path in (root / "logs/checklists").iterdir())


QUESTION = "{id: copied, manual: 'Is there a copy?', due: 2h, severity: P1, escalate: the boss}"


def tick_box(path: Path, mark: str = "x", evidence: str = "") -> None:
    """What a person does in Obsidian."""
    text = path.read_text().replace("- [ ]", f"- [{mark}]", 1).replace("- evidence: ", f"- evidence: {evidence}")
    path.write_text(text)


@pytest.mark.parametrize(("mark", "answer", "state"), [("x", "yes", "ok"), ("-", "no", "fail")])
def test_a_tick_in_the_note_signs_the_step(root: Path, mark: str, answer: str, state: str) -> None:
    write(root, "ask", f"{QUESTION}\n{{id: next, needs: [copied], check: {CHECK}}}")
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        run = desk.run("ask")
        assert desk.states(run) == {"copied": "waiting"} and desk.finished(run) is None
        assert "- [ ] Is there a copy? ⏫ 📅 2027-03-01 ^copied\n" in desk.note().read_text()
        tick_box(desk.note(), mark)
        desk.tick()
        assert desk.states(run) == {"copied": state, "next": "ok" if state == "ok" else "skipped"}
        assert desk.finished(run) == state
        (signed,) = desk.records("checklist.signed")
        assert signed.fields["actor"] == {"kind": "person", "via": "note", "uid": os.getuid()}
        assert signed.fields["answer"] == answer
        tick_box(desk.note(), "-")
        desk.tick()
        assert len(desk.records("checklist.signed")) == 1, "what is over is not signed again"


def test_evidence_is_asked_for_and_goes_on_record(root: Path) -> None:
    write(root, "ask", "{id: copied, manual: 'Is there a copy?', evidence: true}")
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        run = desk.run("ask")
        tick_box(desk.note())
        desk.tick()
        assert desk.finished(run) is None, "a tick alone is not enough"
        with pytest.raises(UsageError, match="evidence"):
            desk.do("checklist_sign", step="copied")
        desk.note().write_text(desk.note().read_text().replace("evidence: ", "evidence: disk 7"))
        desk.tick()
        assert desk.finished(run) == "ok"
        assert desk.records("checklist.signed")[0].fields["reason"] == "disk 7"


def test_a_command_signs_and_a_question_without_an_answer_is_missed(root: Path) -> None:
    write(root, "ask", QUESTION)
    clock = FakeClock(MONDAY)
    with opened(root, clock) as desk:
        desk.tick()
        first = desk.run("ask")
        assert desk.do("checklist_sign", step="copied", checklist="ask", reason="seen")["answer"] == "yes"
        assert desk.finished(first) == "ok"
        with pytest.raises(UsageError, match="nothing is asked"):
            desk.do("checklist_sign", step="copied")
        clock.advance(1.0)
        second = desk.run("ask")
        assert desk.engine.next_time() == pytest.approx(clock.wall() + 7200.0, abs=2.0)
        clock.advance(7201.0)
        desk.tick()
        assert desk.finished(second) == "missed" and "tell the boss" in desk.reason(second, "copied")


def test_the_next_run_ends_one_that_waits(root: Path) -> None:
    write(root, "ask", QUESTION)
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        first, second = desk.run("ask"), desk.run("ask")
        assert first != second
        assert desk.finished(first) == "missed" and desk.finished(second) is None


def cut_in_the_middle(root: Path, clock: FakeClock, step: str) -> str:
    """A daemon that dies right after it recorded that the step was begun; the run's id."""
    write(root, "long", f"{{id: before, check: {CHECK}}}\n{step}\n{{id: after, check: {CHECK}}}")
    with opened(root, clock) as desk:
        desk.tick()
        desk.bless("long")
        run_id = str(desk._commands.carry_out(Command("checklist_run", PERSON, {"checklist": "long"}), 0)["run_id"])  # type: ignore[index]
        while not desk.records("checklist.step", step="middle"):
            desk.engine.tick()
        desk.engine.ledger.commit()
    return run_id


def test_a_program_that_was_cut_off_is_shown_and_not_repeated(root: Path) -> None:
    clock = FakeClock(MONDAY)
    run = cut_in_the_middle(root, clock, f"{{id: middle, run: [sh, -c, 'echo x >> {root.parent}/runs; sleep 60']}}")
    with opened(root, clock) as desk:
        desk.tick()
        assert desk.states(run) == {"before": "ok", "middle": "fail", "after": "ok"}
        assert "cut off" in desk.reason(run, "middle") and desk.finished(run) == "fail"


def test_one_that_may_be_repeated_is_resumed_where_it_was(root: Path) -> None:
    clock, gate = FakeClock(MONDAY), root.parent / "gate"
    script = f"test -e {gate} || sleep 60"
    run = cut_in_the_middle(root, clock, f'{{id: middle, run: [sh, -c, "{script}"], retry: 1}}')
    gate.write_text("")
    with opened(root, clock) as desk:
        desk.tick()
        assert desk.finished(run) == "ok"
        assert len(desk.records("checklist.step", step="before")) == 1, "what is done is not done again"


def test_a_run_whose_checklist_changed_meanwhile_is_cut_off_never_ok(root: Path) -> None:
    clock = FakeClock(MONDAY)
    write(root, "ask", QUESTION)
    with opened(root, clock) as desk:
        desk.tick()
        run = desk.run("ask")
    write(root, "ask", f"{{id: other, check: {CHECK}}}")
    with opened(root, clock) as desk:
        desk.tick()
        assert desk.finished(run) == "fail" and desk.states(run) == {"copied": "missed"}
        assert not desk.open()


def test_a_failed_step_notifies_and_drops_a_task_once(root: Path) -> None:
    fail = "check: {metric: desk.paused, operator: '==', value: all}, on_fail: {notify: true, drop: {text: look}}"
    write(root, "bad", f"{{id: it, {fail}}}")
    with opened(root, FakeClock(MONDAY)) as desk:
        desk.tick()
        desk.run("bad")
        assert desk.notices == [] and not desk.records("task.received"), "not blessed: it may want nothing"
        desk.bless("bad")
        desk.clock.advance(1.0)
        desk.run("bad")
        desk.tick()
        assert desk.notices == ["bad: it is fail"]
        assert len(desk.records("task.received")) == 1


# -- by the clock ------------------------------------------------------------------------------------------------------


def daily(root: Path, **head: str) -> None:
    write(root, "daily", f"{{id: a, check: {CHECK}}}", **{"schedule": '"0 9 * * 1-5"', "grace": "2h", **head})


@pytest.fixture
def planned(root: Path) -> tuple[Path, FakeClock]:
    """A desk with a blessed checklist at nine, Monday to Friday; it is Monday, eight o'clock."""
    daily(root)
    clock = FakeClock(MONDAY)
    with opened(root, clock) as desk:
        desk.tick()
        desk.bless("daily")
    return root, clock


def test_it_runs_at_its_time_and_once(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        desk.tick()
        assert desk.engine.next_time() == MONDAY + 3600.0, "the clockwork is asked to ring then"
        clock.advance(3600.5)
        desk.tick()
        desk.tick()
        assert desk.handled("checklist:daily") == [("started", "03-01 09:00")]
        assert [record.fields["state"] for record in desk.records("checklist.finished")] == ["ok"]
    with opened(root, clock) as desk:
        desk.tick()
        assert len(desk.handled("checklist:daily")) == 1, "nor after a restart"


def test_monday_to_friday(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        for _ in range(8 * 24):
            desk.tick()
            clock.advance(3600.0)
        days = [day[:5] for _, day in desk.handled("checklist:daily")]
    assert days == ["03-01", "03-02", "03-03", "03-04", "03-05", "03-08"]


def test_off_past_its_grace_is_missed_and_on_record(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    clock.advance(4 * 3600.0)
    with opened(root, clock) as desk:
        desk.tick()
        assert desk.handled("checklist:daily") == [("missed", "03-01 09:00")]
        assert desk.notices == ["checklist:daily was missed"]
        assert not desk.records("checklist.started")


def test_a_sleep_over_its_time_is_made_up_for(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        desk.tick()
        clock.advance(1.5 * 3600.0)
        desk.tick()
        (record,) = desk.records("schedule.handled")
        assert record.fields["result"] == "started" and record.fields["late_s"] == pytest.approx(1800.0, abs=1)


def test_a_holiday_is_skipped(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    daily(root, holidays="skip")
    (root / "vault/holidays.yaml").write_text("schema: 1\ndays:\n  2027-03-01: Founders' Day\n")
    with opened(root, clock) as desk:
        desk.tick()
        desk.bless("daily")
        clock.advance(3700.0)
        desk.tick()
        (record,) = desk.records("schedule.handled")
        assert (record.fields["result"], record.fields["reason"]) == ("skipped", "Founders' Day")


def test_a_jump_forward_by_years_waits_for_a_person(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        desk.tick()
        clock.step(5 * 365 * DAY)
        desk.tick()
        assert desk.handled("checklist:daily") == [] and desk.engine.ledger.book.clock_unconfirmed
        clock.step(-5 * 365 * DAY)
        desk.tick()
        assert desk.handled("checklist:daily") == []
        desk.do("resume")
        clock.advance(3700.0)
        desk.tick()
        assert desk.handled("checklist:daily") == [("started", "03-01 09:00")], "nothing was lost by it"


def test_a_jump_back_by_years_is_counted_from_there(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        clock.advance(3700.0)
        desk.tick()
        clock.step(-364 * DAY)
        desk.tick()
        desk.do("resume")
        clock.advance(DAY)
        desk.tick()
        assert [result for result, _ in desk.handled("checklist:daily")] == ["started", "rebased", "started"]


def test_an_hour_back_repeats_nothing(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        desk.tick()
        clock.advance(3700.0)
        desk.tick()
        clock.step(-3600.0)
        desk.tick()
        clock.advance(3700.0)
        desk.tick()
        assert desk.handled("checklist:daily") == [("started", "03-01 09:00")]


def test_one_that_takes_longer_than_its_interval_is_run_again_when_it_is_over(root: Path) -> None:
    gate = root.parent / "gate"
    os.mkfifo(gate)
    write(root, "slow", f"{{id: a, run: [cat, {gate}]}}", schedule='"*/10 * * * *"')
    clock = FakeClock(MONDAY)
    with opened(root, clock) as desk:
        desk.tick()
        desk.bless("slow")
        clock.advance(600.5)
        desk.engine.tick()
        assert desk.engine.routines.checklists.busy("slow")
        for _ in range(3):
            clock.advance(600.0)
            desk.engine.tick()
        assert desk.handled("checklist:slow") == [("started", "03-01 08:10")], "one at a time"
        for _ in range(2):
            with gate.open("w"):
                pass
            while len(desk.records("checklist.finished")) < _ + 1:
                desk._bell.wait(1.0)
                desk.engine.tick()
        assert desk.handled("checklist:slow")[1:] == [("started", "03-01 08:40")]
        assert desk.records("schedule.handled")[1].fields["passed"] == 2


def test_what_is_not_blessed_is_not_scheduled(root: Path) -> None:
    daily(root)
    clock = FakeClock(MONDAY)
    with opened(root, clock) as desk:
        desk.tick()
        clock.advance(DAY)
        desk.tick()
        assert not desk.records("schedule.handled")
        assert "not blessed" in " ".join(desk.engine.routines.problems)


def test_paused_holds_checklists_and_says_afterwards_what_was_missed(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        desk.do("pause")
        clock.advance(DAY)
        desk.tick()
        assert desk.handled("checklist:daily") == []
        desk.do("resume")
        assert desk.handled("checklist:daily") == [("missed", "03-01 09:00")]


def test_a_chore_is_done_at_its_time_and_again_when_it_was_cut_off(root: Path) -> None:
    from deskhand.engine.cron import Cron

    clock, done = FakeClock(MONDAY), []

    def plan(desk: Desked, call: Callable[[], object]) -> None:
        desk.engine.routines.planner.add_chore("backup daily", Cron("0 9 * * *", UTC), call)

    with opened(root, clock) as desk:
        plan(desk, lambda: done.append(1))
        desk.tick()
        clock.advance(3601.0)
        desk.engine.tick()  # begun, and the daemon dies before it is heard
        desk.engine.routines.chores._over.qsize()
    with opened(root, clock) as desk:
        plan(desk, lambda: done.append(2))
        desk.tick()
        assert [result for result, _ in desk.handled("backup daily")] == [
            *("planned", "started", "cut_off", "started", "ok"),
        ]
        assert done[-1] == 2

        def broken() -> None:
            raise OSError(28, "No space left on device")

        plan(desk, broken)
        clock.advance(DAY)
        desk.tick()
        (last,) = desk.records("schedule.handled", result="failed")
        assert last.fields["reason"] == "No space left on device"


def test_a_retired_checklist_is_no_problem_and_not_scheduled(planned: tuple[Path, FakeClock]) -> None:
    root, clock = planned
    with opened(root, clock) as desk:
        (root / "vault/checklists/daily.yaml").unlink()
        desk.tick()
        assert any("daily" in problem for problem in desk.engine.routines.problems)
        desk.do("checklist_bless", checklist="daily")
        assert not any("daily" in problem for problem in desk.engine.routines.problems)
        clock.advance(DAY)
        desk.tick()
        assert desk.handled("checklist:daily") == []
