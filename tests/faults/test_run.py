"""Faults while something runs: rows 54, 56, 57 and 65, as far as they concern handlers and the spawner."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from deskhand.core.recipe import Limits
from deskhand.handlers.attempt import Attempt, Ended
from deskhand.handlers.orphans import LOG_VARIABLE, reap_strangers
from deskhand.handlers.spawner import Spawner

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper and /proc"),
]
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
LEAVER = "env -i setsid sh -c 'echo $$ > leaver; exec sleep 300' > /dev/null 2>&1"
"""A grandchild without mark, group or session that would lead to it; its pid is in the file `leaver`."""

DAEMON = """
    import os, sys, time
    from pathlib import Path
    from deskhand.handlers.attempt import Attempt
    from deskhand.handlers.spawner import Spawner

    folder, log_id, script = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    spawner = Spawner(log_id, "run-of-the-dead")
    spawner.start()
    env = {"PATH": "/usr/bin:/bin", "DAEMON": str(os.getpid())}
    attempt = Attempt("k-1", ("sh", "-c", script), env, folder, folder / "log", 60.0, 10_000)
    spawner.submit(attempt, lambda ended: print(ended, flush=True))
    os.read(int(sys.argv[4]), 1)
    spawner.close()
"""


@pytest.fixture
def log_id() -> Iterator[str]:
    """A desk of its own; in the end none of its processes may be left."""
    name = uuid4().hex
    yield name
    assert marked(name) == []


@pytest.fixture
def spawner(log_id: str) -> Iterator[Spawner]:
    """Started, and closed in the end."""
    made = Spawner(log_id, "run-1")
    made.start()
    yield made
    made.close()


def marked(log_id: str) -> list[str]:
    """Command lines of the processes that carry this desk's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(LOG_VARIABLE) == log_id:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def run(spawner: Spawner, folder: Path, script: str, **options: object) -> Ended:
    """Run a shell script to its end in *folder*."""
    given = {"timeout": 60.0, "output_cap": 10_000, "env": PATH, **options}
    ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
    attempt = Attempt("k-1", ("bash", "-c", script), cwd=folder, log=folder / "log", **given)  # type: ignore[arg-type]
    spawner.submit(attempt, ends.put)
    return ends.get(timeout=60)


def daemon(folder: Path, log_id: str, script: str, *prefix: str, stdin: int = 0, **env: str) -> subprocess.Popen[str]:
    """A process that starts a spawner and one attempt, and waits for the end of descriptor *stdin*."""
    argv = [*prefix, sys.executable, "-c", textwrap.dedent(DAEMON), str(folder), log_id, script, str(stdin)]
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, **env}
    )


def ended(pid: int) -> bool:
    """Whether no such process runs."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pid_in(path: Path) -> int:
    """The pid a script wrote, 0 before it did."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.endswith("\n") else 0


# -- row 54 ------------------------------------------------------------------------------------------------------------


def test_f54_daemon_killed_leaves_no_orphan(tmp_path: Path, log_id: str, wait_for: Callable[..., int]) -> None:
    with daemon(tmp_path, log_id, f"{LEAVER} & trap '' TERM HUP; echo $$ > main; sleep 300") as process:
        pids = [wait_for(lambda name=name: pid_in(tmp_path / name), what=name) for name in ("leaver", "main")]
        process.kill()
        process.wait()
    wait_for(lambda: all(ended(pid) for pid in pids) and not marked(log_id), what="everything ended")
    assert reap_strangers(log_id, "next run") == []


def test_f54_daemon_and_spawner_killed_next_run_proves_the_end(
    tmp_path: Path, log_id: str, wait_for: Callable[..., int]
) -> None:
    script = "(setsid sh -c 'echo $$ > leaver; exec sleep 300' &); echo $$ > main; sleep 300"
    with daemon(tmp_path, log_id, script) as process:
        pids = [wait_for(lambda name=name: pid_in(tmp_path / name), what=name) for name in ("leaver", "main")]
        # Daemon first, then spawner and keeper as fast as possible: nobody is there to end what they started.
        tree = [process.pid, *(child.pid for child in psutil.Process(process.pid).children())]
        keeper = psutil.Process(pids[1]).ppid()
        for pid in (*tree, keeper):
            os.kill(pid, signal.SIGSTOP)
        for pid in (*tree, keeper):
            os.kill(pid, signal.SIGKILL)
        process.wait()
    found = reap_strangers(log_id, "next run")
    assert pids[0] in {stranger.pid for stranger in found if stranger.killed}
    assert all(ended(pid) for pid in pids)


def test_f54_frozen_spawner_of_a_dead_daemon_is_ended(
    tmp_path: Path, log_id: str, wait_for: Callable[..., int]
) -> None:
    with daemon(tmp_path, log_id, "echo $$ > main; sleep 300") as process:
        main = wait_for(lambda: pid_in(tmp_path / "main"))
        (spawner,) = psutil.Process(process.pid).children()
        spawner.suspend()
        process.kill()
        process.wait()
    assert spawner.pid in {stranger.pid for stranger in reap_strangers(log_id, "next run", patience=0.2)}
    assert ended(main)


def test_f54_drain_gives_time_then_kills(tmp_path: Path, spawner: Spawner, wait_for: Callable[..., object]) -> None:
    ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
    script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done"
    log = tmp_path / "log"
    spawner.submit(Attempt("k-1", ("sh", "-c", script), PATH, tmp_path, log, 60.0, 1000), ends.put)
    wait_for(log.exists)
    spawner.kill("k-1", "drain")
    end = ends.get(timeout=10)
    assert (end.cut, end.signal) == ("drain", signal.SIGKILL)
    assert end.duration_s >= 2
    assert "asked" in log.read_text()


# -- row 56 ------------------------------------------------------------------------------------------------------------


def test_f56_exit_0_without_output(tmp_path: Path, spawner: Spawner) -> None:
    end = run(spawner, tmp_path, "exit 0")
    assert (end.ok, end.output_bytes, list(tmp_path.iterdir())) == (True, 0, [])


def test_f56_crash(tmp_path: Path, spawner: Spawner) -> None:
    end = run(spawner, tmp_path, "kill -ABRT $$")
    assert (end.signal, end.exit, list(tmp_path.iterdir())) == (signal.SIGABRT, None, [])


def test_f56_hang(tmp_path: Path, spawner: Spawner) -> None:
    end = run(spawner, tmp_path, "trap '' TERM; while :; do sleep 1; done", timeout=0.2)
    assert (end.cut, end.signal) == ("timeout", signal.SIGKILL)
    assert 2.2 <= end.duration_s < 5


def test_f56_forks_and_leaves(tmp_path: Path, spawner: Spawner) -> None:
    end = run(spawner, tmp_path, f"({LEAVER} &) & while ! [ -s leaver ]; do :; done; exit 3")
    assert end.exit == 3
    assert ended(pid_in(tmp_path / "leaver"))


def test_f56_forks_and_leaves_with_the_output_held_open(tmp_path: Path, spawner: Spawner) -> None:
    script = "(setsid sh -c 'echo $$ > leaver; while :; do echo more; done' &); while ! [ -s leaver ]; do :; done"
    end = run(spawner, tmp_path, script)
    assert end.exit == 0
    assert end.duration_s < 5
    assert ended(pid_in(tmp_path / "leaver"))


def test_f56_forks_faster_than_it_can_be_killed_one_by_one(tmp_path: Path, spawner: Spawner) -> None:
    # Each generation starts the next in a new session and goes; 300 generations bound the damage of a failure.
    script = (
        'f() { [ $1 -gt 300 ] && exec sleep 300; setsid bash -c "$(declare -f f); f $(($1 + 1))" & }; f 0; f 0; f 0'
    )
    end = run(spawner, tmp_path, script)
    assert end.exit == 0
    assert end.duration_s < 10


def test_f56_prints_a_gigabyte(tmp_path: Path, spawner: Spawner) -> None:
    assert spawner.pid is not None
    before = psutil.Process(spawner.pid).memory_info().rss
    end = run(spawner, tmp_path, "head -c 1G /dev/zero", output_cap=1 << 20)
    assert (end.exit, end.output_bytes, end.dropped_bytes) == (0, 1 << 30, (1 << 30) - (1 << 20))
    assert (tmp_path / "log").stat().st_size == 1 << 20
    assert end.duration_s < 20
    assert psutil.Process(spawner.pid).memory_info().rss - before < 4 << 20


def test_f56_deletes_everything_it_can_reach(tmp_path: Path, spawner: Spawner) -> None:
    folder = tmp_path / "attempt"
    folder.mkdir()
    (folder / "in").write_text("a copy")
    end = run(spawner, folder, 'rm -rf "$PWD"; echo done')
    assert end.exit == 0
    assert (end.output_bytes, end.dropped_bytes, end.log_error) == (5, 5, "No such file or directory")


def test_f56_cpu_limit(tmp_path: Path, spawner: Spawner) -> None:
    end = run(spawner, tmp_path, "while :; do :; done", limits=Limits(cpu=0.5))
    assert end.signal == signal.SIGXCPU
    assert 0.8 < end.cpu_s < 2


def test_f56_cpu_limit_that_is_caught(tmp_path: Path, spawner: Spawner) -> None:
    end = run(spawner, tmp_path, "trap '' XCPU; while :; do :; done", limits=Limits(cpu=1))
    assert end.signal == signal.SIGKILL


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_f64_log_that_cannot_be_written(tmp_path: Path, spawner: Spawner) -> None:
    ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
    nowhere = tmp_path / "missing" / "log"
    spawner.submit(Attempt("k-1", ("echo", "x"), PATH, tmp_path, nowhere, 60.0, 1000), ends.put)
    end = ends.get(timeout=10)
    assert (end.ok, end.dropped_bytes, end.log_error) == (True, 2, "No such file or directory")


# -- row 57 ------------------------------------------------------------------------------------------------------------


def test_f57_handler_that_kills_the_daemon_dies_with_it(
    tmp_path: Path, log_id: str, wait_for: Callable[..., int]
) -> None:
    script = f"{LEAVER} & echo $$ > main; while ! [ -s leaver ]; do :; done; kill -9 $DAEMON; sleep 300"
    with daemon(tmp_path, log_id, script) as process:
        assert process.wait(timeout=10) == -signal.SIGKILL
    pids = [pid_in(tmp_path / name) for name in ("main", "leaver")]
    assert all(pids)
    wait_for(lambda: all(ended(pid) for pid in pids) and not marked(log_id), what="everything ended")


def test_f57_handler_that_kills_keeper_and_spawner(tmp_path: Path, spawner: Spawner, log_id: str) -> None:
    # The variables are gone from the program itself: only the mark that it cannot take off still tells whose it is.
    killing = f"echo $$ > main; kill -9 {spawner.pid} $PPID; sleep 300"
    end = run(spawner, tmp_path, f"setsid sleep 300 & exec env -i bash -c '{killing}'")
    assert (end.cut, end.error) == ("spawner", "the spawner died")
    assert marked(log_id) == []
    assert ended(pid_in(tmp_path / "main"))
    spawner.start()
    assert run(spawner, tmp_path, "exit 0").ok


# -- row 65 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "env"),
    [
        ("umask 0777", {}),
        ('mkdir gone; cd gone; rmdir "$PWD"', {}),
        ("unset TZ", {"LANG": "C", "LC_ALL": "C"}),
        ("exec 3<&0 0<&- 2>&-", {}),
    ],
    ids=["umask", "no-cwd", "locale", "closed-descriptors"],
)
def test_f65_odd_surroundings(tmp_path: Path, log_id: str, prefix: str, env: dict[str, str]) -> None:
    folder = tmp_path / "wörk"
    folder.mkdir()
    script = 'umask; printf "ä\\n" > made; cat made; pwd'
    shell = ("sh", "-c", f'{prefix}; exec "$@"', "sh")
    with daemon(folder, log_id, script, *shell, stdin=3 if "3<&0" in prefix else 0, **env) as process:
        assert process.stdout is not None
        assert "Ended(exit=0" in process.stdout.readline()
    assert (folder / "log").read_text(encoding="utf-8") == f"0077\nä\n{folder}\n"
