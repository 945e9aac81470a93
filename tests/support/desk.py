"""A real daemon on a throw-away desk, driven as a person drives it: by files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from deskhand.core.names import key_of
from deskhand.core.record import Record
from deskhand.core.task import Task
from deskhand.errors import DeskhandError
from deskhand.host.client import request
from deskhand.store.desk import Desk
from tests.support import invariants


class Bench:
    """A desk in a folder of its own, and the installed command."""

    def __init__(self, root: Path, beside: Path | None = None) -> None:
        """*beside*: where the daemon's output and the like go, beside the desk unless it is named."""
        self.root = root
        self.beside = beside or root.parent
        self.entry: tuple[str, ...] = ("-m", "deskhand")
        """What the interpreter runs as the daemon."""
        self.desk = Desk(root)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ, "DESKHAND_DESK": str(root), "PYTHONWARNINGS": "default"}

    # -- the command -------------------------------------------------------------------------------------------

    def command(self, *arguments: str | Path, timeout: float = 60.0, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run `deskhand ...` and return what it said."""
        line = [sys.executable, "-m", "deskhand", *map(str, arguments)]
        return subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment,
            **more,
        )

    def ok(self, *arguments: str | Path) -> str:
        """Run `deskhand ...`, which has to succeed; what it printed."""
        done = self.command(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | Path) -> Any:
        """Run `deskhand ... --json`, which has to succeed."""
        return msgspec.json.decode(self.ok(*arguments, "--json"))

    # -- the daemon --------------------------------------------------------------------------------------------

    def start(self, *wrap: str, wait: bool = True) -> subprocess.Popen[bytes]:
        """Start the daemon as a process of its own (perhaps under another program), and wait until it answers."""
        line = [*wrap, sys.executable, *self.entry, "run"]
        out = (self.beside / "daemon.out").open("ab")
        self.daemon = subprocess.Popen(line, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        out.close()
        if wait:
            self.until(self.answers, "the daemon answers")
        return self.daemon

    def answers(self) -> bool:
        """Whether the daemon is up; fails when it ended."""
        assert self.daemon is not None
        assert self.daemon.poll() is None, f"the daemon ended: {self.said()}"
        try:
            request(self.desk, "ping", need_daemon=True, timeout=5.0)
        except DeskhandError:
            return False
        return True

    def said(self) -> str:
        """What the daemon printed."""
        return (self.beside / "daemon.out").read_text(errors="replace")[-4000:]

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Send a signal and wait for the end."""
        assert self.daemon is not None
        self.daemon.send_signal(number)
        code = self.daemon.wait(timeout)
        self.daemon = None
        return code

    def kill(self) -> None:
        """kill -9."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(30)
        self.daemon = None

    def close(self) -> None:
        """Leave nothing behind."""
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait(30)

    # -- files -------------------------------------------------------------------------------------------------

    def move_in(self, name: str, data: bytes = b"hello\n", inbox: str = "watch_inbox") -> Path:
        """A file moved into the inbox in one step, as a scanner or a browser does it."""
        outside = self.root.parent / "outside"
        outside.mkdir(exist_ok=True)
        source = outside / name
        source.write_bytes(data)
        target = self.root / inbox / name
        source.rename(target)
        return target

    def recipe(self, identifier: str, text: str, code: str | None = None) -> None:
        """Bless a recipe from its YAML."""
        drafts = self.desk.recipes / "drafts"
        (drafts / f"{identifier}.yaml").write_text(text)
        if code is not None:
            (drafts / f"{identifier}.py").write_text(code)
        self.ok("recipe", "bless", identifier)

    # -- what happened -----------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
        """Wait for a condition; its first true value."""
        end = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {timeout} s: {what}\n{self.said()}"
            time.sleep(0.002)
        return value

    def found(self, pattern: str) -> list[Path]:
        """Files of the desk by glob."""
        return sorted(self.root.glob(pattern))

    def wait_for(self, pattern: str, timeout: float = 30.0) -> Path:
        """The first file that matches, as soon as there is one."""
        return Path(self.until(lambda: self.found(pattern), pattern, timeout)[0])

    def records(self, kind: str = "") -> list[Record]:
        """The log, or the records of one type."""
        return [record for record in invariants.read(self.desk) if not kind or record.type == kind]

    def tasks(self) -> dict[str, Task]:
        """Key -> task as the log tells it."""
        return invariants.project(invariants.read(self.desk))

    def state(self, identifier: str) -> str:
        """State of one task."""
        return self.tasks()[key_of(identifier)].state

    def check(self, **more: Any) -> list[Task]:
        """I1-I7."""
        return invariants.check(self.root, **more)


def recipe(identifier: str, kind: str, **more: Any) -> str:
    """A recipe's YAML with every section filled."""
    body = {
        "schema": 1,
        "id": identifier,
        "kind": kind,
        "purpose": "A test.",
        "environment": "None.",
        "inputs": "Anything.",
        "outputs": "What the test says.",
        "safety": "It is a test.",
        "observability": "The test looks.",
        "approval": "never",
        **more,
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in body.items())
