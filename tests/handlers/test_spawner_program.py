"""What a handler's program gets from the spawner, and what becomes of its output."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from deskhand.core.recipe import Limits
from deskhand.handlers.attempt import environment

if TYPE_CHECKING:
    from tests.handlers.conftest import Runner

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]


# -- output ------------------------------------------------------------------------------------------------------------


def test_output_goes_to_the_log_in_order(runner: Runner) -> None:
    ended = runner.run("sh", "-c", "echo one; echo two >&2; echo three")
    assert runner.log.read_text() == "one\ntwo\nthree\n"
    assert runner.log.stat().st_mode & 0o777 == 0o600
    assert (ended.output_bytes, ended.dropped_bytes) == (14, 0)


def test_no_output_no_log(runner: Runner) -> None:
    assert runner.run("true").output_bytes == 0
    assert not runner.log.exists()


def test_output_beyond_the_cap_is_counted_and_dropped(runner: Runner) -> None:
    ended = runner.run("sh", "-c", "head -c 300000 /dev/zero", cap=1000)
    assert ended.ok
    assert (ended.output_bytes, ended.dropped_bytes) == (300_000, 299_000)
    assert runner.log.stat().st_size == 1000


def test_cap_of_nothing_keeps_nothing(runner: Runner) -> None:
    assert runner.run("echo", "x", cap=0).dropped_bytes == 2
    assert not runner.log.exists()


def test_output_that_cannot_be_kept_does_not_stop_the_handler(runner: Runner) -> None:
    target = runner.folder / "target"
    ended = runner.run("sh", "-c", "ln -s target log; echo hello")
    assert ended.ok
    assert (ended.output_bytes, ended.dropped_bytes, ended.log_error) == (6, 6, "File exists")
    assert not target.exists(), "never written through a link that the handler made"


def test_closed_output_does_not_end_the_attempt(runner: Runner) -> None:
    ended = runner.run("sh", "-c", "exec >&- 2>&-; sleep 0.05; exit 4")
    assert (ended.exit, ended.duration_s > 0.05) == (4, True)
    assert ended.cpu_s < 0.04, "no busy waiting after the end of the output"


# -- what a handler gets -----------------------------------------------------------------------------------------------


def test_environment_is_exactly_what_was_allowed(runner: Runner) -> None:
    source = {**PATH, "HOME": "/h", "SECRET_TOKEN": "x"}
    env = environment(source, ("PATH", "HOME", "TZ"), {"EXTRA": "1"}, task_id="the-id", idempotency_key="k")
    runner.run("/usr/bin/env", env=env)
    lines = dict(line.split("=", 1) for line in runner.log.read_text().splitlines())
    assert lines == {
        **PATH,
        "HOME": "/h",
        "EXTRA": "1",
        "DESKHAND_TASK_ID": "the-id",
        "DESKHAND_IDEMPOTENCY_KEY": "k",
        "DESKHAND_LOG_ID": runner.log_id,
        "DESKHAND_RUN_ID": "run-1",
        "DESKHAND_ATTEMPT": "20261120-200000-aaaaaa-1",
    }


def test_recipe_cannot_change_whose_task_it_is() -> None:
    env = environment({}, (), {"DESKHAND_TASK_ID": "other"}, task_id="mine", idempotency_key="k")
    assert env["DESKHAND_TASK_ID"] == "mine"


def test_no_descriptor_but_the_three(runner: Runner) -> None:
    with open("/dev/null", "rb") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        for _ in range(3):
            runner.submit("sleep", "0.3")
        runner.run(sys.executable, "-c", "import os; print(*(os.readlink(f'/proc/self/fd/{n}') for n in range(3))); "
                   "print(sorted(map(int, os.listdir('/proc/self/fd'))))")  # fmt: skip
    ends, numbers = runner.log.read_text().splitlines()
    stdin, stdout, stderr = ends.split()
    assert stdin == "/dev/null"
    assert stdout == stderr
    assert stdout.startswith("pipe:")
    assert numbers == "[0, 1, 2, 3]", "3 is the listing itself"


def test_own_session_default_signals_private_umask_no_core(runner: Runner) -> None:
    program = (
        "import os, resource, signal; "
        "print(os.getsid(0) == os.getpid() == os.getpgid(0), oct(os.umask(0)));"
        "print(resource.getrlimit(resource.RLIMIT_CORE));"
        "masks = dict(l.split() for l in open('/proc/self/status') if l.startswith('Sig'));"
        "print([int(masks[name], 16) & 0x7FFFFFFF for name in ('SigBlk:', 'SigIgn:')])"
    )
    ignored = signal.signal(signal.SIGIO, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
    try:
        runner.spawner.close()
        runner.spawner.start()
    finally:
        signal.signal(signal.SIGIO, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert runner.run(sys.executable, "-I", "-S", "-c", program).ok
    session, core, signals = runner.log.read_text().splitlines()
    assert (session, core) == ("True 0o77", "(0, 0)")
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25).  From 32 on they are the C library's own.
    assert signals == str([0, 1 << 12 | 1 << 24])


def test_sigpipe_ends_a_handler_as_in_a_shell(runner: Runner) -> None:
    assert runner.run("bash", "-c", "yes | head -1; echo ${PIPESTATUS[0]}").ok
    assert runner.log.read_text() == "y\n141\n"


def test_memory_limit(runner: Runner) -> None:
    program = "x = bytearray(150_000_000)"
    assert runner.run(sys.executable, "-I", "-S", "-c", program).exit == 0
    ended = runner.run(sys.executable, "-I", "-S", "-c", program, limits=Limits(memory=100 * 1024**2))
    assert ended.exit == 1
    assert "MemoryError" in runner.log.read_text()


def test_memory_limit_that_nothing_fits_in_is_reported(runner: Runner) -> None:
    ended = runner.run("true", limits=Limits(memory=4096))
    assert not ended.ok
    assert ended.error is not None or ended.signal is not None or ended.exit == 127


def test_bytes_that_are_no_text_arrive_unchanged(runner: Runner) -> None:
    name = os.fsdecode(b"caf\xe9 \xff\n")
    folder = runner.folder / name
    folder.mkdir()
    assert runner.run("sh", "-c", 'printf %s "$1$X" > "$PWD/got"', "sh", name, cwd=folder, env={**PATH, "X": name}).ok
    assert (folder / "got").read_bytes() == os.fsencode(name) * 2
