"""Row 55 with real daemons: of several, copies, older copies and other machines exactly one acts, and sends once.

What nothing on the machine can tell is shown as such: see `docs/threat-model.md`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.errors import ExitCode
from deskhand.store.audit_verify import verify
from deskhand.store.head import read_head
from tests.support.fault_desk import FaultBench, renamed, sockets

pytestmark = pytest.mark.faults
SPACE = ("unshare", "--user", "--map-root-user", "--mount")
MACHINE = Path("/etc/machine-id")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultBench]:
    """A desk whose state folder is its own, with a recipe that sends something and must not do so twice."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = FaultBench(tmp_path)
    wait = f"while ! [ -e {tmp_path}/go ]; do sleep 0.01; done"
    made.counting("send", f'{wait}; cat "$1" >> {tmp_path}/sent; cp "$1" "$2/copy"', deliver="outbox/{name}")
    yield made
    made.close()


class Picture:
    """What a backup, or a snapshot of the whole machine, has of a desk."""

    def __init__(self, bench: FaultBench) -> None:
        self._bench = bench
        self._kept = bench.root.parent / "picture"
        for name in ("desk", "state"):
            shutil.copytree(bench.root.parent / name, self._kept / name, symlinks=True, ignore=sockets)

    def put_back(self, *names: str) -> None:
        """In place of what is there now; the folder itself stays."""
        for name in names:
            place = self._bench.root.parent / name
            for entry in place.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            shutil.copytree(self._kept / name, place, symlinks=True, dirs_exist_ok=True)


def refused(bench: FaultBench, because: str) -> None:
    """A daemon and a command end with exit status 4, the reason and the way on, and nothing happens."""
    for verb in (["run", "--until-idle"], ["pause"]):
        done = bench.command(*verb)
        assert done.returncode == ExitCode.INTEGRITY, done.stdout + done.stderr
        assert because in done.stderr and "init --adopt" in done.stderr


def sent(bench: FaultBench) -> int:
    """How often something really went out."""
    path = bench.root.parent / "sent"
    return len(path.read_text().splitlines()) if path.exists() else 0


def in_the_middle(bench: FaultBench) -> Picture:
    """A picture of the moment in which something is being sent, and everything after that moment done."""
    bench.start()
    bench.drop("letter.txt", b"Dear Ann\n", route="send")
    bench.until(bench.runs, "it runs")
    with bench.frozen():
        picture = Picture(bench)
    (bench.root.parent / "go").touch()
    bench.wait_records("task.delivered")
    bench.stop_and_check()
    assert sent(bench) == 1
    return picture


def test_f55_of_daemons_that_start_at_the_same_moment_one_acts(bench: FaultBench) -> None:
    (bench.root.parent / "go").touch()
    line = [sys.executable, "-m", "deskhand", "run"]
    with (bench.root.parent / "daemon.out").open("wb") as out:
        started = [subprocess.Popen(line, env=bench.environment, stdout=out, stderr=out) for _ in range(4)]
    try:
        bench.until(lambda: sum(one.poll() is not None for one in started) == 3, "all but one end", timeout=60)
        assert [one.poll() for one in started if one.poll() is not None] == [ExitCode.HELD] * 3
        (bench.daemon,) = [one for one in started if one.poll() is None]
        bench.until(bench.answers, "the one that is left answers")
        bench.desk.lock.unlink()
        bench.desk.lock.write_text(f"{os.getpid()} 0badcafe\n")
        assert bench.command("run").returncode == ExitCode.HELD, "the lock is not the file's name"
        bench.drop("letter.txt", route="send")
        bench.wait_records("task.delivered")
        assert len(bench.records("daemon.started")) == 1
        bench.stop_and_check()
    finally:
        for one in started:
            one.kill()
            one.wait()
    assert sent(bench) == 1


def test_f55_restored_from_an_older_copy_nothing_is_sent_again(bench: FaultBench) -> None:
    picture = in_the_middle(bench)
    picture.put_back("desk")
    refused(bench, "older copy")
    bench.ok("init", "--adopt", bench.root)
    bench.start()
    bench.ok("resume")
    task = bench.wait_state("letter.txt", State.IN_DOUBT)
    assert bench.found("queue/approvals/*-letter-*.json"), "a person is asked what happened"
    renamed(bench.request("letter.txt"), ".happened")
    bench.wait_state("letter.txt", State.COMPLETED)
    bench.stop_and_check()
    assert (sent(bench), bench.runs()[task.key]) == (1, 1)


def test_f55_an_older_copy_whose_mirror_is_lost_is_refused_too(bench: FaultBench) -> None:
    picture = in_the_middle(bench)
    picture.put_back("desk")
    shutil.rmtree(bench.root.parent / "state")
    refused(bench, "nothing on this machine remembers it")
    assert sent(bench) == 1


def test_f55_a_copy_on_the_same_machine_sends_nothing_beside_its_original(bench: FaultBench) -> None:
    bench.start()
    bench.drop("letter.txt", b"Dear Ann\n", route="send")
    bench.until(bench.runs, "it runs")
    with bench.frozen():
        copy = bench.copy()
    refused(copy, str(bench.root))
    (bench.root.parent / "go").touch()
    bench.wait_records("task.delivered")
    refused(copy, str(bench.root))
    bench.stop_and_check()
    assert sent(bench) == 1


def test_f55_an_adopted_copy_leaves_alone_what_runs_for_its_original(bench: FaultBench) -> None:
    bench.start()
    bench.drop("letter.txt", b"Dear Ann\n", route="send")
    bench.until(bench.runs, "it runs")
    with bench.frozen():
        copy = bench.copy()
    copy.ok("init", "--adopt", copy.root)
    assert copy.command("run", "--until-idle").returncode == 0
    (bench.root.parent / "go").touch()
    bench.wait_records("task.delivered")
    assert not bench.records("task.in_doubt"), "nobody ended its attempt"
    assert bench.stop() == 0
    assert sent(bench) == 1


# -- another machine ---------------------------------------------------------------------------------------------------


def _no_other_machine() -> bool:
    try:
        done = subprocess.run([*SPACE, "mount", "--bind", "/dev/null", MACHINE], capture_output=True, check=False)
    except OSError:
        return True
    return done.returncode != 0


@pytest.mark.skipif(sys.platform != "linux" or _no_other_machine(), reason="no user namespaces here")
@pytest.mark.parametrize("home", ["the state folder is synced as well", "the desk alone is synced"])
def test_f55_synced_to_a_second_machine_only_one_sends(bench: FaultBench, home: str, tmp_path: Path) -> None:
    bench.start()
    bench.drop("letter.txt", b"Dear Ann\n", route="send")
    bench.until(bench.runs, "it runs")
    with bench.frozen():
        Picture(bench)
    there = tmp_path / "picture"
    second = FaultBench(there)
    shared = home.startswith("the state folder")
    second.environment["XDG_STATE_HOME"] = str(there / ("state" if shared else "empty"))
    other = there / "machine-id"
    other.write_text("0123456789abcdef0123456789abcdef\n")
    space = [*SPACE, "sh", "-c", f'mount --bind {other} {MACHINE}; exec "$@"', "sh"]
    line = [*space, sys.executable, "-m", "deskhand", "run", "--until-idle"]
    done = subprocess.run(line, env=second.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.INTEGRITY, done.stderr
    assert ("another machine" if shared else "nothing on this machine remembers it") in done.stderr
    (tmp_path / "go").touch()
    bench.wait_records("task.delivered")
    bench.stop_and_check()
    assert sent(bench) == 1, "the first machine, and nobody else"
    adopting = [*line[:-2], "init", "--adopt", str(second.root)]
    subprocess.run(adopting, env=second.environment, capture_output=True, timeout=60, check=True)
    second.start(*space)
    second.ok("resume")
    second.wait_state("letter.txt", State.IN_DOUBT)
    second.stop_and_check()
    assert sent(bench) == 1, "what may have been sent is asked about"


# -- what cannot be told -----------------------------------------------------------------------------------------------


def test_f55_a_machine_rolled_back_as_a_whole_cannot_be_told_and_asks_only_about_what_was_running(
    bench: FaultBench,
) -> None:
    """NOT DETECTABLE here: desk and mirror are both as they were.  What ran at that moment is in doubt all the same."""
    picture = in_the_middle(bench)
    noted, _ = read_head(bench.desk.audit)
    assert noted is not None
    picture.put_back("desk", "state")
    bench.start()
    bench.wait_state("letter.txt", State.IN_DOUBT)
    bench.stop_and_check()
    assert sent(bench) == 1
    found = verify(bench.desk.audit)
    assert found.ok, "in itself the log is right"
    assert not verify(bench.desk.audit, at_least=noted.link).ok, "a head that was noted elsewhere tells"


def test_f55_what_had_not_begun_when_the_whole_machine_was_saved_is_done_again(bench: FaultBench) -> None:
    """NOT DETECTABLE: nothing here knows that it was done before; only a mark outside the machine would."""
    bench.start()
    bench.ok("drop", "--recipe", "send", "--after", "gate", bench.source("letter.txt", b"Dear Ann\n"))
    bench.wait_state("letter.txt", State.BLOCKED)
    with bench.frozen():
        picture = Picture(bench)
    (bench.root.parent / "go").touch()
    noted = None
    for life in (1, 2):
        bench.ok("drop", "--key", "gate", bench.source("gate.txt"))
        bench.wait_state("letter.txt", State.COMPLETED)
        bench.until(lambda: not any(task.undelivered for task in bench.tasks().values()), "all is delivered")
        assert sent(bench) == life
        if life == 1:
            assert bench.stop() == 0
            noted, _ = read_head(bench.desk.audit)
            picture.put_back("desk", "state")
            (bench.root.parent / "runs").unlink()
            bench.start()
    bench.stop_and_check()
    assert noted is not None and not verify(bench.desk.audit, at_least=noted.link).ok, "a head noted elsewhere tells"
