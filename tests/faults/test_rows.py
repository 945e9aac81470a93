"""``docs/testing.md`` names, for every fault, files that really test it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "testing.md"
PROMISED = {*range(1, 73)}
"""Rows that every release has to have tests for."""
_ROW = re.compile(r"^\| (\d+) \| .+ \| (.+) \|$", re.MULTILINE)


def test_the_table_names_files_that_test_the_row() -> None:
    rows = {int(number): re.findall(r"`([^`]+\.py)`", files) for number, files in _ROW.findall(PAGE.read_text())}
    assert set(rows) >= PROMISED, f"not in the table: {sorted(PROMISED - set(rows))}"
    for number, files in rows.items():
        assert files, f"row {number} names no test"
        for name in files:
            text = (TESTS / name).read_text()
            assert re.search(rf"def test_(?:f\d+_)*f{number}_", text), f"{name} has no test of row {number}"
