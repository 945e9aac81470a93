"""What a reader should never stumble over: paths of a machine, addresses of a package index, notes to oneself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PATTERNS = {
    "a path of some machine": re.compile(r"(?<![\w.])/(?:work|root|Users/\w+|home/(?!you\b|user\b|ada\b)\w+)/\w"),
    "the address of a package index": re.compile(
        r"https?://[^\s\"']*(?:/simple\b|/packages/[0-9a-f]{2}/)|--(?:extra-)?index-url[= ]"
    ),
    "a planning file": re.compile(r"\b(?:FAULTS|DESIGN|STYLE|PLATFORM|CAPABILITIES)\.md\b"),
    "an issue number": re.compile(r"\bissues? #?\d", re.IGNORECASE),
    "a note to oneself": re.compile(r"\b(?:TODO|FIXME|XXX|HACK):"),
    "a conflict": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}


@pytest.fixture(scope="module")
def texts(project_files: tuple[Path, ...], root: Path) -> dict[str, str]:
    found = {}
    for path in project_files:
        if path.parts[-2:-1] == ("data",) or path.stat().st_size > 400_000 or path == Path(__file__).resolve():
            continue
        try:
            found[path.relative_to(root).as_posix()] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("what", PATTERNS)
def test_no_file_holds(what: str, texts: dict[str, str]) -> None:
    found = [
        f"{name}:{text[: match.start()].count(chr(10)) + 1}: {match.group(0)!r}"
        for name, text in texts.items()
        if (match := PATTERNS[what].search(text))
    ]
    assert found == []


def test_lines_end_as_they_should(texts: dict[str, str]) -> None:
    assert [name for name, text in texts.items() if "\r" in text and not name.startswith("tests/")] == []
    assert [name for name, text in texts.items() if text and not text.endswith("\n")] == []


def test_scripts_can_be_run(root: Path) -> None:
    scripts = sorted((root / ".ci").iterdir())
    assert [path.name for path in scripts if not path.stat().st_mode & 0o100] == []
    assert [path.name for path in scripts if "set -euo pipefail" not in path.read_text()] == []
