"""A keeper runs one attempt after the other: nothing of one is there in the next, and a dead keeper harms none."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from deskhand.core.recipe import Limits
from deskhand.handlers import mark, spawner_link
from deskhand.handlers.attempt import Ended

if TYPE_CHECKING:
    from tests.handlers.conftest import Runner

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
SELF = (sys.executable, "-I", "-S", "-c")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]


def keepers(runner: Runner) -> list[psutil.Process]:
    """The keepers that the spawner has now."""
    return psutil.Process(runner.spawner.pid).children()


def works(process: psutil.Process) -> bool:
    """Whether it is more than an entry that somebody has yet to remove."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def only_keeper(runner: Runner) -> psutil.Process:
    """The one keeper that is there after attempts one by one."""
    (keeper,) = keepers(runner)
    return keeper


def said(runner: Runner, *argv: str, **options: object) -> str:
    """What a program that went well printed."""
    runner.log.unlink(missing_ok=True)
    assert runner.run(*argv, **options).ok
    return runner.log.read_text()


def test_attempts_one_by_one_have_the_same_keeper(runner: Runner) -> None:
    first = said(runner, "sh", "-c", "echo $PPID")
    assert {said(runner, "sh", "-c", "echo $PPID") for _ in range(5)} == {first}
    assert only_keeper(runner).pid == int(first)


def test_as_many_keepers_as_attempts_at_once(runner: Runner) -> None:
    for _ in range(2):
        ends = [runner.submit("sleep", "0.1")[1] for _ in range(3)]
        assert all(end.get(timeout=20).ok for end in ends)
        assert len(keepers(runner)) == 3


def test_descendant_of_one_attempt_is_gone_in_the_next(runner: Runner) -> None:
    leaver = "env -i setsid sh -c 'echo $$ > leaver; exec sleep 300'"
    assert runner.run("sh", "-c", f"({leaver} > /dev/null 2>&1 &) & while ! [ -s leaver ]; do :; done").ok
    left = (runner.folder / "leaver").read_text().strip()
    seen = "import os, sys; print(os.path.exists(f'/proc/{sys.argv[1]}'), open(f'/proc/{os.getppid()}/task/'"
    seen += "f'{os.getppid()}/children').read().split() == [str(os.getpid())])"
    assert said(runner, *SELF, seen, left) == "False True\n", "and the keeper has no other child"


def test_limits_of_one_attempt_do_not_bind_the_next(runner: Runner) -> None:
    show = "import resource as r; print(r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CPU))"
    before = said(runner, *SELF, show)
    assert before == "(-1, -1) (-1, -1)\n"
    assert said(runner, *SELF, show, limits=Limits(memory=1 << 30, cpu=5)) == f"({1 << 30}, {1 << 30}) (5, 6)\n"
    assert said(runner, *SELF, show) == before


def test_folder_umask_environment_and_signals_do_not_leak(runner: Runner) -> None:
    changing = "import os, signal; os.umask(0); os.chdir('/usr'); os.environ['LEFT'] = '1'; os.nice(5);"
    changing += "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pthread_sigmask(0, {1, 2, 10});"
    changing += "print(open('/proc/self/status').read().split('SigQ')[0] != '')"
    show = "import os; print(os.getcwd(), oct(os.umask(0)), sorted(os.environ), os.nice(0));"
    show += "print([line for line in open('/proc/self/status') if line.startswith(('SigBlk', 'SigIgn'))])"
    before = said(runner, *SELF, show)
    said(runner, *SELF, changing, env={**PATH, "EARLIER": "1"})
    assert said(runner, *SELF, show) == before
    assert before.startswith(f"{runner.folder} 0o77 ['DESKHAND_ATTEMPT', ")
    assert os.readlink(f"/proc/{only_keeper(runner).pid}/cwd") == "/", "it holds on to no attempt's folder"


def test_output_of_one_attempt_never_comes_to_the_next(runner: Runner) -> None:
    # Somebody outside holds the first attempt's output open, as the master of shared ssh connections does.
    _, ends = runner.submit("sh", "-c", "echo $$ > pid; exec sleep 300", timeout=20)
    pid = runner.folder / "pid"
    while not (pid.exists() and pid.read_text().strip()):
        assert ends.empty()
    held = os.open(f"/proc/{pid.read_text().strip()}/fd/1", os.O_WRONLY)
    try:
        runner.spawner.kill("20261120-200000-aaaaaa-1", "cancel", force=True)
        assert ends.get(timeout=10).cut == "cancel"
        with pytest.raises(BrokenPipeError):
            os.write(held, b"from yesterday\n")
        assert said(runner, "echo", "today") == "today\n"
    finally:
        os.close(held)


def test_keeper_killed_between_attempts_is_replaced(runner: Runner, wait_for: Callable[..., object]) -> None:
    first = int(said(runner, "sh", "-c", "echo $PPID"))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(first))
    second = int(said(runner, "sh", "-c", "echo $PPID"))
    assert second != first
    assert only_keeper(runner).pid == second


def test_handler_that_kills_its_keeper_is_cut_and_the_next_one_gets_another(runner: Runner) -> None:
    assert runner.run("true").ok
    keeper = only_keeper(runner).pid
    ended = runner.run("sh", "-c", "kill -9 $PPID; sleep 300")
    assert (ended.exit, ended.cut) == (None, "spawner")
    assert runner.run("true").ok
    assert only_keeper(runner).pid != keeper


def test_free_keepers_end_with_a_killed_spawner(runner: Runner, wait_for: Callable[..., object]) -> None:
    ends = [runner.submit("sleep", "0.1")[1] for _ in range(3)]
    assert all(end.get(timeout=20).ok for end in ends)
    family = keepers(runner)
    assert len(family) == 3
    assert runner.spawner.pid is not None
    os.kill(runner.spawner.pid, signal.SIGKILL)
    wait_for(lambda: not any(map(works, family)))


def test_kill_that_comes_too_late_does_not_hit_the_next_attempt(runner: Runner) -> None:
    for _ in range(20):
        key, ends = runner.submit("true")
        runner.spawner.kill(key, "cancel", force=True)
        assert isinstance(ends.get(timeout=10), Ended)
        assert runner.run("true").ok


def test_kill_right_behind_the_start_is_heard(runner: Runner) -> None:
    for _ in range(10):
        key, ends = runner.submit("sleep", "300")
        runner.spawner.kill(key, "cancel", force=True)
        assert ends.get(timeout=10).cut == "cancel"


def test_every_process_carries_the_mark_that_cannot_be_taken_off(runner: Runner) -> None:
    limit = said(runner, "env", "-i", *SELF, "import resource as r; print(r.getrlimit(r.RLIMIT_RTTIME)[1])")
    assert int(limit) == mark.mark(runner.log_id, "run-1")
    assert mark.read(only_keeper(runner).pid) == int(limit)
    assert mark.same_desk(int(limit), runner.log_id)
    assert not mark.same_desk(int(limit), "another desk")
    assert mark.read(os.getpid()) == 0


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: Runner) -> Callable[[str], Runner]:
    """``changed(line)``: a runner whose spawner carries out *line* before it begins."""

    def make(line: str) -> Runner:
        program = tmp_path / "spawner.py"
        program.write_text(
            f"import os, sys; sys.path.append({str(spawner_link.PROGRAM.parents[2])!r})\n"
            f"from deskhand.handlers import spawner_main\n{line}\nspawner_main.main()\n"
        )
        monkeypatch.setattr(spawner_link, "PROGRAM", program)
        runner.spawner.close()
        runner.spawner.start()
        return runner

    return make


def test_free_keepers_are_few(changed: Callable[[str], Runner], wait_for: Callable[..., object]) -> None:
    runner = changed("spawner_main.FREE_MAX = 2")
    ends = [runner.submit("sleep", "0.1")[1] for _ in range(5)]
    assert all(end.get(timeout=20).ok for end in ends)
    wait_for(lambda: len(keepers(runner)) == 2)
    assert runner.run("true").ok
    assert len(keepers(runner)) == 2


def test_free_keepers_end_after_a_while(changed: Callable[[str], Runner], wait_for: Callable[..., object]) -> None:
    runner = changed("spawner_main.FREE_SECONDS = 0.1")
    ends = [runner.submit("sleep", "0.05")[1] for _ in range(3)]
    assert all(end.get(timeout=20).ok for end in ends)
    wait_for(lambda: keepers(runner) == [])
    assert runner.run("true").ok


def test_c_library_that_makes_no_session_is_no_obstacle(changed: Callable[[str], Runner]) -> None:
    runner = changed("def no(*a, **k): raise NotImplementedError\nos.posix_spawn = no")
    assert said(runner, "sh", "-c", "umask; ulimit -c") == "0077\n0\n"
    assert runner.run("no-such-program").error == "cannot start no-such-program: No such file or directory"
