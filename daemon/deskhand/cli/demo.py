"""`deskhand demo`: the main job on real files in a throw-away desk, with measured times.

A real daemon in a process of its own, driven the way people drive it: files are moved into the inbox and requests are
renamed.  Every line says what was seen to happen; the first thing that does not happen ends the demo with exit code 1.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click

from deskhand.errors import DeskhandError, ExitCode, RunError

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds that anything may take before the demo gives up."""
LOOK = 0.001
"""Seconds between two looks at a folder: the demo watches from outside, like a person."""

SLOW = """\
schema: 1
id: slow-job
kind: command
purpose: Takes its time, so that it can be interrupted.
environment: The program sleep.
inputs: Anything.
outputs: None.
safety: It does nothing.
observability: It is in the audit log.
argv: [sleep, "1.5"]
approval: never
idempotent: true
"""


@click.command()
@click.option("--keep", is_flag=True, help="Leave the desk for looking around.")
def demo(keep: bool) -> None:
    """Show the whole product at work in a throw-away desk."""
    root = Path(tempfile.mkdtemp(prefix="deskhand-demo-")).resolve()
    show = Demo(root / "desk", root / "elsewhere")
    try:
        show.run()
    except DeskhandError:
        click.echo(show.log(), err=True)
        raise
    finally:
        show.end()
        if keep:
            click.echo(f"  the desk is at {root / 'desk'}")
        else:
            shutil.rmtree(root, ignore_errors=True)


class Demo:
    """One show."""

    def __init__(self, desk: Path, elsewhere: Path) -> None:
        self.desk = desk
        self.elsewhere = elsewhere
        self.daemon: subprocess.Popen[bytes] | None = None
        self.pause = threading.Event()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(elsewhere / "state"), "DESKHAND_DESK": str(desk)}

    def run(self) -> None:
        """All of it, in order."""
        self.elsewhere.mkdir()
        started = time.monotonic()
        self.command("init", str(self.desk), desk=False)
        (self.desk / "vault/recipes/drafts/slow-job.yaml").write_text(SLOW)
        self.command("recipe", "bless", "slow-job")
        self.say("a desk is made, and a recipe blessed", time.monotonic() - started)
        self.say("the daemon is up", self.start())
        self.notes()
        self.approvals()
        self.crash()
        self.audit()
        self.stop()

    # -- what is shown -----------------------------------------------------------------------------------------

    def notes(self) -> None:
        """Text and a table become notes in the vault."""
        with self.timed("notes.txt -> vault/Notes/notes.md"):
            self.drop("notes.txt", b"Call the printer about Friday.\n")
            self.contains(self.appears("vault/Notes/notes.md"), "Call the printer")
        with self.timed("invoices.csv -> a note with its table"):
            self.drop("invoices.csv", "No,Customer,Amount\n17,Müller,120.50\n18,Okafor,75.00\n".encode())
            self.contains(self.appears("vault/Notes/invoices.md"), "| 17 | Müller | 120.50 |")

    def approvals(self) -> None:
        """A letter waits until a person renames its request file."""
        with self.timed("letter.txt in watch_inbox/hand-over/ asks first"):
            self.drop("hand-over/letter.txt", b"Dear Ms Okafor, ...\n")
            request = self.appears("queue/approvals/*-letter-*.json", ".task.json")
        self.absent("outbox/letter.txt")
        with self.timed("its request renamed to .approved -> outbox/letter.txt"):
            request.rename(request.with_name(request.name + ".approved"))
            self.contains(self.appears("outbox/letter.txt"), "Okafor")
            self.appears("queue/completed/*-letter-*.task.json")
        self.drop("hand-over/second.txt", b"Not this one.\n")
        request = self.appears("queue/approvals/*-second-*.json", ".task.json")
        with self.timed("a second one renamed to .rejected -> queue/rejected/"):
            request.rename(request.with_name(request.name + ".rejected"))
            self.appears("queue/rejected/*-second-*.task.json")
        self.absent("outbox/second.txt")

    def crash(self) -> None:
        """kill -9 while a handler runs; after the restart it completes, once."""
        self.drop("report.txt", b"Numbers.\n", recipe="slow-job")
        self.until(lambda: self.recorded("task.started", "report"), "the slow job starts")
        if self.daemon is None:
            raise RunError("demo", "the daemon is not running")
        self.daemon.kill()
        self.daemon.wait()
        self.say("kill -9 in the middle of a run", None)
        with self.timed("restarted: the run is repeated and completes"):
            self.start()
            self.appears("queue/completed/*-report-*.task.json")
        self.require(self.recorded("task.completed", "report") == 1, "exactly one completion is on record")

    def audit(self) -> None:
        """The log verifies; a copy with one byte changed does not."""
        with self.timed("audit verify"):
            said = self.command("audit", "verify")
        click.echo(f"      {said.strip().splitlines()[0]}")
        copy = self.elsewhere / "copy"
        shutil.copytree(self.desk, copy, ignore=shutil.ignore_patterns(".control.sock"))
        segment = next((copy / "audit_logs").glob("audit_*.jsonl"))
        lines = segment.read_bytes().splitlines(keepends=True)
        middle = len(lines) // 2
        lines[middle] = lines[middle].replace(b'"actor"', b'"aktor"', 1).replace(b'"run"', b'"rum"', 1)
        segment.write_bytes(b"".join(lines))
        done = self.call("--desk", str(copy), "audit", "verify", desk=False)
        said = done.stdout + done.stderr
        self.require(done.returncode == ExitCode.INTEGRITY, f"the damaged copy fails with exit code 4: {said}")
        line = next((line for line in said.splitlines() if f"{segment.name}:{middle + 1}" in line), None)
        if line is None:
            raise RunError("demo", f"the damaged line {middle + 1} is not named: {said}")
        self.say("a copy with one byte changed FAILS, and names the line", None)
        click.echo(f"      {line.strip().split(': its', 1)[0]}")

    def stop(self) -> None:
        """SIGTERM drains, and nothing is left."""
        if self.daemon is None:
            raise RunError("demo", "the daemon is not running")
        with self.timed("stopped; no process is left"):
            self.daemon.terminate()
            code = self.daemon.wait(PATIENCE)
        self.require(code == 0, f"the daemon ends with exit code 0, not {code}")
        self.require(not self.left_over(), f"no process is left: {self.left_over()}")

    # -- how it is done ----------------------------------------------------------------------------------------

    def start(self) -> float:
        """Start the daemon and wait until it is ready; seconds."""
        started = time.monotonic()
        log = (self.elsewhere / "daemon.log").open("ab")
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "deskhand", "run"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        self.until(lambda: (self.desk / "queue/.control.sock").exists() and self.alive(), "the daemon is up")
        return time.monotonic() - started

    def alive(self) -> bool:
        """Whether the daemon answers."""
        from deskhand.host.client import daemon_alive
        from deskhand.store.desk import Desk

        if self.daemon is not None and self.daemon.poll() is not None:
            raise RunError("demo", f"the daemon ended with exit code {self.daemon.returncode}")
        return daemon_alive(Desk(self.desk))

    def drop(self, name: str, data: bytes, recipe: str | None = None) -> None:
        """Move a finished file into the inbox; to a recipe of ours through its routing folder."""
        source = self.elsewhere / Path(name).name
        source.write_bytes(data)
        target = self.desk / "watch_inbox" / (recipe or "") / name
        if not target.parent.is_dir():
            target.parent.mkdir()
        source.rename(target)

    def call(self, *arguments: str, desk: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `deskhand ...`."""
        environment = self.environment if desk else {k: v for k, v in self.environment.items() if k != "DESKHAND_DESK"}
        line = [sys.executable, "-m", "deskhand", *arguments]
        return subprocess.run(
            line, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def command(self, *arguments: str, desk: bool = True) -> str:
        """Run `deskhand ...`, which has to succeed; what it printed."""
        done = self.call(*arguments, desk=desk)
        self.require(done.returncode == 0, f"deskhand {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def appears(self, pattern: str, unlike: str = "\0") -> Path:
        """The file that matches, as soon as there is one."""

        def look() -> list[Path]:
            return [path for path in self.desk.glob(pattern) if not path.name.endswith(unlike)]

        return self.until(look, f"{pattern} appears")[0]

    def recorded(self, kind: str, slug: str) -> int:
        """Records of one type about the task whose file name contains *slug*."""
        from deskhand.core.names import key_of
        from deskhand.store.audit_read import Filter, lines
        from deskhand.store.desk import Desk

        names = [path.name.split(".")[0] for path in self.desk.glob(f"queue/*/*-{slug}-*.task.json")]
        wanted = [Filter(type=kind, task=key_of(name)) for name in names]
        return sum(1 for each in wanted for _ in lines(Desk(self.desk).audit, each))

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait until *condition* is true; its value."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            self.require(time.monotonic() < end, f"within {PATIENCE:.0f} s: {what}")
            self.pause.wait(LOOK)
        return value

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say how long the block took."""
        started = time.monotonic()
        yield
        self.say(what, time.monotonic() - started)

    def say(self, what: str, seconds: float | None) -> None:
        """One line."""
        measured = "" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
        click.echo(f"{click.style('ok', fg='green')} {what:<62}{measured:>9}")

    def require(self, condition: bool, what: str) -> None:
        """End the demo when something that was promised did not happen."""
        if not condition:
            raise RunError("demo", f"expected: {what}")

    def contains(self, path: Path, text: str) -> None:
        """The file has to say *text*."""
        self.require(text in path.read_text(encoding="utf-8"), f"{path.name} says {text!r}")

    def absent(self, name: str) -> None:
        """The file must not be there."""
        self.require(not (self.desk / name).exists(), f"there is no {name}")

    def left_over(self) -> list[int]:
        """Processes that work on this desk."""
        from deskhand.handlers.orphans import processes_of
        from deskhand.store.audit_read import lines
        from deskhand.store.desk import Desk
        from deskhand.store.machine import process_mark

        desk = Desk(self.desk)
        record = next(iter(lines(desk.audit))).record
        return [] if record is None else processes_of(process_mark(desk, record.fields["log_id"]))

    def log(self) -> str:
        """The end of what the daemon said."""
        path = self.elsewhere / "daemon.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def end(self) -> None:
        """Leave no daemon behind, whatever happened."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGKILL)
            self.daemon.wait()
