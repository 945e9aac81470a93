"""Rows 10 and 11 on a mount whose other side really fails, hangs and goes away (see ``tests.support.share``)."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deskhand.core.settings import Inbox, Settings
from deskhand.errors import ExitCode
from deskhand.store.desk import Desk
from deskhand.store.mounts import filesystem
from deskhand.testing.clock import FakeClock
from deskhand.testing.intake_bench import IntakeBench
from tests.support.fault_desk import FaultBench
from tests.support.share import Share, none_here, share

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts are Linux's"),
    pytest.mark.skipif(none_here(), reason="no share can be mounted here"),
]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Share]:
    with share(tmp_path / "far") as made:
        yield made


class Polled(IntakeBench):
    """An intake with its own inbox and one on a share, on a fake clock."""

    def __init__(self, desk: Desk, far: Share) -> None:
        self.fake = FakeClock()
        inboxes = (Inbox("main", "watch_inbox"), Inbox("share", str(far.point), poll=True))
        super().__init__(desk, settings=Settings(inboxes=inboxes), clock=self.fake)

    def minutes(self, count: int = 1) -> None:
        """Let time pass, poll by poll."""
        for _ in range(count * 6):
            self.fake.advance(10.1)
            self.finish()

    def names(self) -> list[str]:
        return sorted(accepted.task_file.name for accepted in self.accepted)

    def told(self) -> list[tuple[str, bool]]:
        return [(change.inbox, change.degraded) for change in self.changes]


@pytest.fixture
def bench(desk: Desk, far: Share) -> Iterator[Polled]:
    with Polled(desk, far) as made:
        (far.folder / "before.txt").write_text("before")
        made.minutes()
        assert made.names() == ["before.txt"] and os.listdir(far.folder) == []
        yield made


def goes_on(desk: Desk, bench: Polled, name: str) -> None:
    """The desk's own inbox does not care."""
    (desk.inbox / name).write_text(name)
    bench.finish({desk.inbox / name})
    assert name in bench.names()


@pytest.mark.parametrize(
    "code",
    [errno.EIO, errno.ENOENT, errno.EHOSTDOWN, errno.ESTALE, errno.ETIMEDOUT, errno.EACCES],
    ids=errno.errorcode.get,
)
def test_f10_a_share_that_fails_for_minutes_is_told_once_and_goes_on_by_itself(
    desk: Desk, far: Share, bench: Polled, code: int
) -> None:
    far.fail(code)
    with pytest.raises(OSError) as caught:
        os.listdir(far.point)
    assert caught.value.errno == code, "it is the kernel that says so"
    (far.folder / "meanwhile.txt").write_text("meanwhile")
    bench.minutes(10)
    goes_on(desk, bench, "ours.txt")
    assert bench.told() == [("share", True)], "once, for one inbox"
    far.fail(0)
    bench.minutes()
    assert bench.told() == [("share", True), ("share", False)]
    assert bench.names() == ["before.txt", "meanwhile.txt", "ours.txt"]
    assert os.listdir(far.folder) == []


def test_f10_the_other_side_dies_and_is_mounted_again(desk: Desk, far: Share, bench: Polled) -> None:
    far.kill()
    with pytest.raises(OSError, match="not connected"):
        os.listdir(far.point)
    bench.minutes(2)
    goes_on(desk, bench, "ours.txt")
    assert bench.told() == [("share", True)]
    far.unmount()
    bench.minutes(2)
    assert bench.names() == ["before.txt", "ours.txt"], "an empty folder where the share was is not an event"
    (far.folder / "late.txt").write_text("late")
    far.mount()
    bench.minutes()
    assert bench.names() == ["before.txt", "late.txt", "ours.txt"]
    assert bench.told()[-1] == ("share", False)


def test_f10_a_share_that_hangs_holds_up_nobody_else(
    desk: Desk, far: Share, bench: Polled, wait_for: Callable[..., object]
) -> None:
    (far.folder / "late.txt").write_text("late")
    far.server.send_signal(signal.SIGSTOP)
    try:
        bench.fake.advance(10.1)
        bench.turn()
        assert bench.intake.polling, "the poll is under way, and hangs"
        for number in range(5):
            path = desk.inbox / f"{number}.txt"
            path.write_text("x")
            wait_for(lambda path=path, name=path.name: bench.turn({path}) is not None and name in bench.names())
            bench.fake.advance(60)
        assert bench.intake.polling
    finally:
        far.server.send_signal(signal.SIGCONT)
    bench.minutes()
    assert "late.txt" in bench.names()


# -- 11 ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fault_bench(tmp_path: Path) -> Iterator[FaultBench]:
    made = FaultBench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "code"), [("fuse.sshfs", ExitCode.USAGE), ("fuse.rclone", ExitCode.USAGE)])
def test_f11_a_queue_that_really_is_on_a_network_filesystem_is_refused_by_name(
    fault_bench: FaultBench, kind: str, code: ExitCode, tmp_path: Path
) -> None:
    waiting = fault_bench.drop("first.txt")
    records = len(fault_bench.records())
    with share(tmp_path / "far", kind) as far:
        fault_bench.desk.queue.rename(far.folder / "queue-was-here")
        fault_bench.desk.queue.symlink_to(far.point)
        assert filesystem(fault_bench.desk.queue) == kind
        for verb in (["run", "--until-idle"], ["pause"]):
            done = fault_bench.command(*verb)
            assert done.returncode == code, done.stderr
            assert f"queue/ is on {kind}" in done.stderr and "keep the desk on a local disk" in done.stderr
    assert waiting.exists() and len(fault_bench.records()) == records
