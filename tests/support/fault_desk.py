"""Desks for the fault campaigns: made and furnished in this process, then worked on by a real daemon."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner

from deskhand.cli import main
from deskhand.core.names import key_of, slug
from deskhand.core.record import Record
from deskhand.core.task import Task
from deskhand.host.found import init
from tests.support.desk import Bench, recipe


class FaultBench(Bench):
    """A bench whose desk exists, with what the campaigns do to one."""

    def __init__(self, folder: Path, config: str = "", beside: Path | None = None) -> None:
        root = folder / "desk"
        if not root.exists():
            init(root)
        super().__init__(root, beside)
        self._copies: list[FaultBench] = []
        self.configure(config)

    def configure(self, config: str) -> None:
        """Add lines to deskhand.yaml."""
        with self.desk.config.open("a") as file:
            file.write(config)

    def copy(self) -> FaultBench:
        """The whole desk once more, as a person copies a folder."""
        made = shutil.copytree(self.root, self.root.parent / "elsewhere" / "desk", ignore=sockets)
        self._copies.append(FaultBench(made.parent))
        return self._copies[-1]

    def close(self) -> None:
        """Leave nothing behind, in the copies neither."""
        for copy in self._copies:
            copy.close()
        super().close()

    def bless(self, identifier: str, kind: str, **more: object) -> None:
        """Bless a recipe without a process of its own for it."""
        draft = self.desk.recipes / "drafts" / f"{identifier}.yaml"
        draft.write_text(recipe(identifier, kind, **more))
        done = CliRunner().invoke(main, ["--desk", str(self.root), "recipe", "bless", identifier])
        assert done.exit_code == 0, done.output
        (self.desk.inbox / identifier).mkdir(exist_ok=True)

    def script(self, identifier: str, script: str, **more: object) -> None:
        """Bless a recipe that runs a shell script; `$1` is the input, `$2` the folder for results."""
        self.bless(identifier, "command", argv=["sh", "-c", script, "sh", "{input}", "{output_dir}"], **more)

    def counting(self, identifier: str, script: str, **more: object) -> None:
        """Like :meth:`script`, and every run leaves a line, see :meth:`runs`."""
        self.script(identifier, f'echo "$DESKHAND_IDEMPOTENCY_KEY" >> {self.runs_file}; {script}', **more)

    @property
    def runs_file(self) -> Path:
        """Where handlers say that they ran."""
        return self.beside / "runs"

    def runs(self) -> Counter[str]:
        """Task key -> how often its handler says that it ran."""
        return Counter(self.runs_file.read_text().split() if self.runs_file.exists() else [])

    def source(self, name: str, data: bytes = b"hello\n") -> Path:
        """A file outside the desk."""
        path = self.root.parent / "outside" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    # -- doing -------------------------------------------------------------------------------------------------

    def drop(self, name: str, data: bytes = b"hello\n", *, route: str = "") -> Path:
        """Move a file in, into a routing folder if one is named."""
        return self.move_in(name, data, f"watch_inbox/{route}" if route else "watch_inbox")

    def ask(self, name: str = "letter.txt", data: bytes = b"Dear Ann\n", *, route: str = "hand-over") -> Path:
        """Drop something that needs a yes; its request."""
        self.drop(name, data, route=route)
        return self.request(name)

    def request(self, name: str) -> Path:
        """The request about a drop, as soon as it stands there."""
        return self.wait_for(f"queue/approvals/*-{slug(name)}-??????.json")

    def stop_and_check(self, **more: object) -> list[Task]:
        """End the daemon in good order, then I1-I7."""
        code = self.stop()
        assert code == 0, f"it ended with {code}: {self.said()}"
        return self.check(runs=self.runs(), **more)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing of the daemon moves meanwhile; what is done in here it sees all at once."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.daemon.send_signal(signal.SIGCONT)

    # -- seeing ------------------------------------------------------------------------------------------------

    def task(self, name: str) -> Task | None:
        """The task of the one drop with this name, None before it is on record."""
        found = self.found(f"queue/*/*-{slug(name)}-??????.task.json")
        keys = {key_of(path.name.removesuffix(".task.json")) for path in found}
        assert len(keys) < 2, keys
        return self.tasks().get(keys.pop()) if keys else None

    def wait_state(self, name: str, *states: str, timeout: float = 30.0) -> Task:
        """The task of the one drop with this name, as soon as the log says that it is in one of *states*."""

        def there() -> Task | None:
            task = self.task(name)
            return task if task is not None and task.state in states else None

        return self.until(there, f"{name} is {' or '.join(states)}; it is {self.task(name)}", timeout)

    def of(self, kind: str, task: Task | str) -> list[Record]:
        """Records of one type about one task."""
        key = task if isinstance(task, str) else task.key
        return [record for record in self.records(kind) if record.fields.get("task") == key]

    def wait_records(self, kind: str, count: int = 1, *, where: Callable[[Record], bool] = bool) -> list[Record]:
        """The records of one type, as soon as there are *count*."""

        def there() -> list[Record]:
            found = [record for record in self.records(kind) if where(record)]
            return found if len(found) >= count else []

        return self.until(there, f"{count} x {kind}")


def sockets(folder: str, names: list[str]) -> list[str]:
    """For ``shutil.copytree``: what no copy of a desk has."""
    return [name for name in names if (Path(folder) / name).is_socket()]


def renamed(path: Path, ending: str) -> Path:
    """Rename a request as a person does: `.approved`, `.rejected`, `.happened` behind its name."""
    target = path.with_name(path.name + ending)
    path.rename(target)
    return target
