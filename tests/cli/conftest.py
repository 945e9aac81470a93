"""A desk with real tasks in it, made by the engine in this process, and the command line run on it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from deskhand.cli import main
from deskhand.core.log import NoLog
from deskhand.core.state import STARTABLE
from deskhand.engine.assemble import open_desk
from deskhand.host.found import init
from deskhand.store.desk import Desk


class Console:
    """Runs ``deskhand`` on one desk."""

    def __init__(self, desk: Desk, work_off: Callable[[Desk], None]) -> None:
        self.desk = desk
        self._work_off = work_off

    def __call__(self, *args: str, code: int | None = 0, answers: str | None = None) -> Result:
        """Run it; the exit code must be *code* (None: whatever)."""
        result = CliRunner().invoke(main, ["--desk", str(self.desk.root), *args], input=answers)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code is None or result.exit_code == code, f"{result.exit_code}: {result.output}"
        return result

    def json(self, *args: str, code: int | None = 0) -> dict[str, Any]:
        """Run it with ``--json`` and read that."""
        data: dict[str, Any] = json.loads(self(*args, "--json", code=code).stdout)
        assert next(iter(data.items())) == ("schema", 1)
        return data

    def drop(self, name: str, content: bytes, *options: str) -> str:
        """Drop a file, have it worked off as far as possible, and return its id."""
        source = self.desk.root.parent / name
        source.write_bytes(content)
        identifier: str = self.json("drop", str(source), *options)["drops"][0]["id"]
        self.work_off()
        return identifier

    def answers(self, identifier: str) -> list[str]:
        """What people said to a task: the types of its records that are answers."""
        said = ("task.approved", "task.rejected")
        records = self.json("task", "trace", identifier)["records"]
        return [record["type"].removeprefix("task.") for record in records if record["type"] in said]

    def erase(self, identifier: str, folder: str) -> None:
        """Remove every file of a finished task, as a person may."""
        for path in self.desk.folder(folder).glob(f"{identifier}*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def work_off(self) -> None:
        """Let the engine do everything that can be done now."""
        self._work_off(self.desk)


def _work_off(desk: Desk) -> None:
    with open_desk(desk, NoLog(), ring=lambda: None, watch=False) as session:
        session.engine.scan_everything()
        end = time.monotonic() + 10
        while True:
            session.engine.tick()
            startable = any(task.state in STARTABLE for task in session.engine.ledger.tasks.values())
            if session.engine.idle and not startable:
                return
            assert time.monotonic() < end, "something is left to do"
            time.sleep(0.001)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """The command line on a fresh desk."""
    return Console(init(tmp_path / "desk")[0], _work_off)


class Shown(NamedTuple):
    """A desk with a task in several states; for tests that only read."""

    console: Console
    done: str
    waits: str
    parked: str


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory, _nothing_of_this_user: None) -> Shown:
    """One desk for all tests that only read."""
    console = Console(init(tmp_path_factory.mktemp("shown") / "desk")[0], _work_off)
    return Shown(
        console,
        done=console.drop("notes.txt", b"milk\n"),
        waits=console.drop("letter.txt", b"dear\n", "--recipe", "hand-over"),
        parked=console.drop("odd\x1b name.txt", b"odd\n", "--recipe", "nosuch"),
    )
