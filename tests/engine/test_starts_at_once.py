"""What can be started is begun in the tick that receives it; its end is heard by the next one, which comes at once."""

from __future__ import annotations

from pathlib import Path

from deskhand.core.state import State
from deskhand.engine.assemble import open_desk
from deskhand.engine.bell import Bell
from deskhand.testing.clock import FakeClock
from deskhand.testing.log import MemoryLog
from tests.support.fault_desk import FaultBench


def test_nobody_has_to_ring_for_a_task_that_was_begun_and_is_over(tmp_path: Path) -> None:
    desk = FaultBench(tmp_path).desk
    (desk.inbox / "archive").mkdir()
    (desk.inbox / "archive" / "plan.txt").write_bytes(b"a plan\n")
    clock, bell = FakeClock(), Bell()
    with open_desk(desk, MemoryLog(), ring=bell.ring, watch=False, clock=clock) as session:
        engine = session.engine

        def states() -> list[State]:
            return [task.state for task in engine.ledger.tasks.values()]

        for _ in range(50):
            engine.tick()
            if states():
                break
            if not bell.wait(0.05):
                clock.advance(0.3)
                engine.scan_everything()
        assert states() == [State.STARTED]
        assert engine.next_wake() == 0.0
        engine.tick()
        assert states() in ([], [State.COMPLETED])
        for _ in range(200):  # until a thread has delivered it
            if not states():
                break
            bell.wait(0.05)
            engine.tick()
        assert states() == []
        assert engine.next_wake() > 0.0
    bell.close()
