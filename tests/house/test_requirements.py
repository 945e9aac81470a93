"""The pinned packages: exact versions, hashes, no address of a package index, and the same versions everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FILES = ("runtime.txt", "docs.txt", "dev.txt")
PIN = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)(?: ; ([^\\]+?))? ?\\?$", re.MULTILINE)


def pins(path: Path) -> dict[tuple[str, str], str]:
    return {(name, marker): version for name, version, marker in PIN.findall(path.read_text())}


@pytest.mark.parametrize("name", [*FILES, "bench.txt"])
def test_every_line_is_a_pin_a_hash_or_a_remark(name: str, root: Path) -> None:
    text = (root / "requirements" / name).read_text()
    known = re.compile(r"^(?:[a-z0-9.-]+==.*\\|    --hash=sha256:[0-9a-f]{64}(?: \\)?|    #.*|)$")
    assert [line for line in text.splitlines() if not known.match(line)] == []
    assert re.search(r"https?:|file:|index|find-links", text) is None
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks and [block for block in blocks if "--hash=sha256:" not in block] == []


def test_what_is_installed_is_what_was_tested(root: Path) -> None:
    runtime, docs, dev = (pins(root / "requirements" / name) for name in FILES)
    assert runtime.items() <= docs.items() <= dev.items()


def test_peers_are_no_dependency(root: Path) -> None:
    """What is only measured beside the product is not installed with it, nor with its tests."""
    peers = {name for name, _ in pins(root / "requirements" / "bench.txt")}
    mine = {name for name, _ in pins(root / "requirements" / "dev.txt")}
    assert {"celery", "huey", "redis"} <= peers
    assert mine.isdisjoint({"celery", "huey", "kombu", "redis"})


def test_hashes_of_all_systems_are_there(root: Path) -> None:
    """A compiled package has many files; one that had only this machine's would not install elsewhere."""
    text = (root / "requirements" / "runtime.txt").read_text()
    for name in ("msgspec", "psutil", "pyyaml", "watchdog"):
        block = re.search(rf"^{name}==.*\n((?:    .*\n)+)", text, re.MULTILINE)
        assert block is not None and block[1].count("sha256") >= 15, name


def test_windows_gets_its_time_zones(root: Path) -> None:
    assert any(name == "tzdata" and "win32" in marker for name, marker in pins(root / "requirements" / "runtime.txt"))
