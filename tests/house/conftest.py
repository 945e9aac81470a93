"""The project's own files."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@cache
def _tracked() -> tuple[Path, ...]:
    """Every file of the project: what version control has or would take; without it, what is not hidden or built."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        parts = ("daemon", "tests", "docs", "service", "requirements", "benchmarks")
        found = [path for part in parts for path in (ROOT / part).rglob("*")] + list(ROOT.glob("*"))
        names = [str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts]
    return tuple(ROOT / name for name in sorted(set(names)) if name and (ROOT / name).is_file())


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def project_files() -> tuple[Path, ...]:
    """Absolute paths of the project's files, sorted."""
    return _tracked()


@pytest.fixture(scope="session")
def sources(root: Path) -> tuple[Path, ...]:
    """The product's Python files."""
    return tuple(sorted((root / "daemon" / "deskhand").rglob("*.py")))


@pytest.fixture(scope="session")
def trees(sources: tuple[Path, ...]) -> Mapping[Path, ast.Module]:
    """The same, parsed once for all who look at them."""
    return {path: ast.parse(path.read_text()) for path in sources}
