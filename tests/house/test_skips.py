"""Skips are counted and said, and in CI only those that the page allows are allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.skips import PAGE, allowed

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_one(number):
    pytest.skip(REASON)

def test_two():
    pass
"""


def run(folder: Path, reason: str, ci: str) -> subprocess.CompletedProcess[str]:
    """A run of the tests above with the project's plugin."""
    (folder / "conftest.py").write_text(
        "from tests.support import skips\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(skips.plugin())\n"
    )
    (folder / "test_it.py").write_text(TESTS.replace("REASON", repr(reason)))
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(PAGE.parents[1])}
    return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=folder, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reason", "ci", "code"), [("not a clone", "true", 0), ("it rains", "true", 1), ("it rains", "", 0)]
)
def test_only_the_allowed_reasons_are_allowed_in_ci(tmp_path: Path, reason: str, ci: str, code: int) -> None:
    done = run(tmp_path, reason, ci)
    assert done.returncode == code, done.stdout + done.stderr
    assert "skipped: 3" in done.stdout and f"3 x {reason}" in done.stdout
    assert ("NOT ALLOWED" in done.stdout) == bool(code)


def test_every_reason_on_the_page_is_one_of_a_test() -> None:
    texts = "\n".join(path.read_text() for path in PAGE.parents[1].glob("tests/*/*.py") if path.name != "test_skips.py")
    patterns = allowed(PAGE.read_text())
    assert len(patterns) > 3
    ours = [pattern for pattern in patterns if not pattern.startswith("could not import")]
    assert [pattern for pattern in ours if f'"{pattern}"' not in texts] == []
