"""What is in the wheel: the package, its starter desk, the licence; no tests and no desk of anybody."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deskhand.store import skeleton


@pytest.fixture(scope="module")
def names(root: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    # A build leaves files behind in its source folder, so it gets a copy.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    for name in ("daemon", "tests", "queue", "vault"):
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(root / name, source / name, ignore=ignore, symlinks=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "."]
    subprocess.run([*command, "-w", "out"], cwd=source, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (wheel,) = (source / "out").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_wheel_has_the_package_and_the_starter_desk(names: set[str]) -> None:
    assert "deskhand/py.typed" in names
    assert "deskhand/cli/__init__.py" in names
    generated = {f"{folder}/{skeleton.KEEP}" for folder in skeleton.FOLDERS}
    wanted = {f"deskhand/starter/{entry.path}" for entry in skeleton.entries() if entry.path not in generated}
    assert wanted - names == set()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)


@pytest.mark.slow
def test_wheel_has_nothing_else(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names if not name.startswith("deskhand-")} == {"deskhand"}
    assert [name for name in names if "__pycache__" in name or "/tests/" in name or name.endswith(".pyc")] == []
