"""Each third-party library has one importing module; what is depended on is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

# Library -> the only modules (or, ending with a dot, the only package) that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "watchdog": ("engine.watcher",),
    "apscheduler": ("engine.clockwork",),
    "cronsim": ("engine.cron",),
    "yaml": ("core.strict_yaml",),
    "structlog": ("host.logs",),
    "filelock": ("store.lock",),
    "psutil": ("handlers.orphans",),
    "pyrage": ("store.age_file",),
    "click": ("cli.",),
    "rich": ("cli.",),
    "puremagic": ("handlers.",),
    "kreuzberg": ("handlers.",),
}
EVERYWHERE = {"msgspec"}
ONE_MODULE = ("puremagic", "kreuzberg")
"""Libraries whose single home is chosen by the package that uses them."""
DISTRIBUTIONS = {"pyyaml": "yaml"}


@pytest.fixture(scope="module")
def imports(trees: Mapping[Path, ast.Module], root: Path) -> dict[str, set[str]]:
    """Top-level third-party module -> the deskhand modules that import it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        module = ".".join(path.relative_to(root / "daemon" / "deskhand").with_suffix("").parts)
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    tops = [alias.name.split(".")[0] for alias in names]
                case ast.ImportFrom(module=str(name), level=0):
                    tops = [name.split(".")[0]]
                case _:
                    continue
            for top in tops:
                if top not in sys.stdlib_module_names and top != "deskhand":
                    found[top].add(module)
    return found


def test_every_library_is_known(imports: dict[str, set[str]]) -> None:
    assert set(imports) - set(HOMES) - EVERYWHERE == set()


@pytest.mark.parametrize("library", HOMES)
def test_library_has_its_home(library: str, imports: dict[str, set[str]]) -> None:
    strangers = {
        module
        for module in imports[library]
        if not any(module == home or (home.endswith(".") and module.startswith(home)) for home in HOMES[library])
    }
    assert strangers == set()


@pytest.mark.parametrize("library", ONE_MODULE)
def test_library_has_one_home(library: str, imports: dict[str, set[str]]) -> None:
    assert len(imports[library]) <= 1


def test_every_dependency_is_used(imports: dict[str, set[str]], root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["docs"], *extras["age"]]
    names = {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in wanted}
    modules = {DISTRIBUTIONS.get(name, name) for name in names}
    assert modules - set(imports) == set(), "depended on, never imported"
    assert set(imports) - modules == set(), "imported, not depended on"
