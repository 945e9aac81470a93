"""The shape of the house: what stands where, and how big a file and a function may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

TOP = {
    *("pyproject.toml", "daemon", "queue", "vault", "audit_logs", "tests", "service", "watch_inbox", "deskhand.yaml"),
    *("docs", "benchmarks", "requirements", ".ci", "Makefile"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"),
    *(".gitignore", ".gitattributes", ".editorconfig"),
}
FILE_MAX = 400
FUNCTION_MAX = 70
FORBIDDEN = {
    r"\btime\.sleep\(": "waiting is an event or a timeout",
    r"\bshutil\.move\(": "moves go through store.files",
    r"\bTODO\b|\bFIXME\b|\bNotImplementedError\b": "nothing half done",
    r"except Exception:\s*\n\s*(?:pass|continue)\b": "an error is handled or goes on",
}
ONLY_IN_FILES = (
    r"\bos\.(?:rename|replace|renames|fsync|fdatasync)\(|\.(?:rename|replace)\(target|\bshutil\.(?:move|copy)"
)


def test_top_level_is_as_agreed(project_files: tuple[Path, ...], root: Path) -> None:
    found = {path.relative_to(root).parts[0] for path in project_files}
    assert found - TOP == set(), "does it belong at the top?"
    assert TOP - found == set(), "missing"


def test_daemon_is_a_source_root_with_one_package(root: Path) -> None:
    packages = {path.name for path in (root / "daemon").iterdir() if path.suffix != ".egg-info"}
    assert packages - {"__pycache__", ".mypy_cache"} == {"deskhand"}


def test_files_are_small(sources: tuple[Path, ...]) -> None:
    long = {str(path): lines for path in sources if (lines := path.read_text().count("\n")) > FILE_MAX}
    assert long == {}


def test_functions_are_small(trees: Mapping[Path, ast.Module]) -> None:
    long = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno
                if size > FUNCTION_MAX:
                    long.append(f"{path}:{node.lineno} {node.name}: {size} lines")
    assert long == []


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_source_has_none_of(pattern: str, sources: tuple[Path, ...]) -> None:
    found = [f"{path}: {FORBIDDEN[pattern]}" for path in sources if re.search(pattern, path.read_text())]
    assert found == []


def test_only_one_file_renames_and_syncs(sources: tuple[Path, ...]) -> None:
    exempt = {"files.py", "demo.py"}  # the demo plays the person, from outside the desk's engine
    found = [str(path) for path in sources if path.name not in exempt and re.search(ONLY_IN_FILES, path.read_text())]
    assert found == []


def test_no_drawer_for_everything(sources: tuple[Path, ...]) -> None:
    assert [path for path in sources if path.stem in {"utils", "util", "helpers", "common", "misc"}] == []


def test_every_module_says_what_it_does(trees: Mapping[Path, ast.Module]) -> None:
    silent = [str(path) for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


CHECKS = ("raises", "assert", "check", "expect", "verify", "invariant", "warns", "wait_for", "fail")


def test_every_test_can_fail(root: Path) -> None:
    """A test without any kind of check, its own or that of a function beside it, proves nothing."""
    idle = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        checking = {node.name for node in functions if _checks(node)}
        for node in functions:
            if not node.name.startswith("test") or node.name in checking:
                continue
            if not {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} & checking:
                idle.append(f"{path}:{node.lineno} {node.name}")
    assert idle == []


def _checks(function: ast.FunctionDef) -> bool:
    """Whether it asserts something, or uses something by a name that says so."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if any(word in name for word in CHECKS):
            return True
    return False
