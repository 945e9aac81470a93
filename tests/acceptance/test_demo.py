"""`deskhand demo`, as `make demo` runs it: everything happens, and nothing is left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance


def test_the_demo_shows_everything_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "deskhand", "demo"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for what in (
        "notes.txt -> vault/Notes/notes.md",
        "invoices.csv -> a note with its table",
        "asks first",
        "renamed to .approved -> outbox/letter.txt",
        "renamed to .rejected -> queue/rejected/",
        "kill -9 in the middle of a run",
        "restarted: the run is repeated and completes",
        "audit verify",
        "one byte changed FAILS",
        "no process is left",
    ):
        assert what in done.stdout
    assert len(re.findall(r"\d+ ms$", done.stdout, re.MULTILINE)) >= 8, "real times"
    assert re.search(r"audit_\d{4}-\d\d-\d\d\.jsonl:\d+: ", done.stdout), "the damaged line is named"
    assert list(tmp_path.iterdir()) == [], "the throw-away desk is thrown away"
