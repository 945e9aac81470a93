"""Printing: tables, sizes, names and JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from deskhand.cli import record_text, show


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2 * 10**9, "2.0 GB"), (5 * 10**13, "50.0 TB")]
)
def test_size(count: int, text: str) -> None:
    assert show.size(count) == text


def test_text_is_one_harmless_line() -> None:
    assert show.text("a\n\x1b[31mred\u202eb") == "a \\x1b[31mred\\u202eb"


def test_paths_that_are_no_text_can_be_printed() -> None:
    shown = show.path(Path(os.fsdecode(b"/desk/a\xff.txt")), below=Path("/desk"))
    assert "\\xff" in shown and json.loads(json.dumps(shown)) == shown


def test_table_aligns_wide_and_coloured_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "terminal_width", lambda: None)
    rows = [("一", "x"), (show.state("failed"), "y"), ("a" * 8, "z" * 200)]
    lines = show.table(rows, ("A", "B")).split("\n")
    assert [line[-1] for line in lines] == ["B", "x", "y", "z"] or lines[-1].endswith("z" * 200)
    assert lines[1] == "一" + " " * 8 + "x"


def test_table_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "terminal_width", lambda: 20)
    line = show.table([("abc", "x" * 50)])
    assert line == "abc  " + "x" * 14 + "…"
    assert show.table([]) == ""


def test_json_begins_with_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    show.emit_json({"a": 1})
    assert capsys.readouterr().out == '{\n  "schema": 1,\n  "a": 1\n}\n'


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("recipe", {"id": "note", "version": 2, "sha256": "x"}, "note@2"),
        ("digest", "ab" * 32, "abababababab"),
        ("reason", "r" * 100, "r" * 79 + "…"),
        ("attempt", 3, "3"),
        ("approval", None, "None"),
    ],
)
def test_fields_of_records(name: str, raw: object, text: str) -> None:
    assert record_text.value(name, raw) == text
