"""A pytest plugin that runs chosen tests in changed copies of the product: one fork for each, tests collected once.

``DESKHAND_CHANGES`` names a file with what is to be tried (a list of :class:`Change`, as JSON); beside it, with
``.result`` behind its name, comes what was noticed.  Nothing is changed on disk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import run

import pytest
from _pytest.runner import runtestprotocol

from tests.support import checks
from tests.support.forks import fork, join

SETTING = "DESKHAND_CHANGES"
PATIENCE = 60
"""Seconds after which a change that makes a test hang has been noticed."""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Change:
    """What is changed, and which tests are to notice, in this order."""

    name: str
    tests: Sequence[str]
    """Node ids below ``tests/``; without parameters: all of them, one after the other."""
    checks: Sequence[str] = ()
    """Names of checks that are taken out."""
    text: Sequence[Sequence[str]] = ()
    """See :func:`tests.support.checks.change_all`."""


def notice(changes: Sequence[Change], place: Path) -> dict[str, str]:
    """Name of each change -> the first test that failed and what it said; empty when none did."""
    path = place / "changes"
    path.write_text(json.dumps([asdict(change) for change in changes]))
    files = sorted({f"tests/{test.partition('::')[0]}" for change in changes for test in change.tests})
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        "-p",
        "tests.support.mutated",
        "-m",
        "",
        "--timeout=0",
        "--tb=short",
    ]
    environment = {**os.environ, SETTING: str(path), "DESKHAND_FAULT_SEED": "0"}
    done = run([*command, *files], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(Path(f"{path}.result").read_text()))
    except FileNotFoundError:
        raise AssertionError(done.stdout + done.stderr) from None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """In place of the tests that were collected."""
    if SETTING not in os.environ:
        return None
    path = os.environ[SETTING]
    items = {item.nodeid: item for item in session.items}
    result = {}
    for each in json.loads(Path(path).read_text()):
        change = Change(**each)
        said = Path(f"{path}.said")
        said.write_text("")
        code, trouble = join(*fork(lambda change=change, said=said: _try(change, items, said)))  # type: ignore[misc]
        result[change.name] = trouble.strip() or said.read_text() or ("" if code == 0 else f"it ended with {code}")
    Path(f"{path}.result").write_text(json.dumps(result))
    return True


def _try(change: Change, items: dict[str, pytest.Item], said: Path) -> None:
    signal.alarm(PATIENCE)
    for name in change.checks:
        checks.take_out(checks.checks()[name])
    if change.text:
        checks.change_all([(file, function, before, after) for file, function, before, after in change.text])
    for test, item in _items(change.tests, items):
        said.write_text(f"{test}: it hangs, or ended the process")
        for report in runtestprotocol(item, log=False, nextitem=None):
            if report.failed:
                lines = [line for line in str(report.longreprtext).splitlines() if line.startswith("E ")]
                said.write_text(f"{test}: {(lines or [''])[0][1:].strip()}")
                return
    said.write_text("")


def _items(tests: Sequence[str], items: dict[str, pytest.Item]) -> Iterator[tuple[str, pytest.Item]]:
    for test in tests:
        wanted = [name for name in items if name == f"tests/{test}" or name.startswith(f"tests/{test}[")]
        if not wanted:
            raise LookupError(f"there is no test {test}")
        yield from ((name, items[name]) for name in wanted)
