"""``deskhand doctor``: each check can come out badly."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from deskhand.cli import probes_desk, probes_machine
from deskhand.cli.frame import Frame
from deskhand.cli.probe import Verdict, run, unknown
from deskhand.errors import StoreError
from deskhand.store.files import Files

from .conftest import Console

Usage = namedtuple("Usage", "total used free")


def _checks(console: Console, code: int | None = None) -> dict[str, dict[str, Any]]:
    checks = console.json("doctor", code=code)["checks"]
    # Of several with one name the worst counts.
    order = ["ok", "unknown", "warn", "fail"]
    return {check["name"]: check for check in sorted(checks, key=lambda check: order.index(check["verdict"]))}


def test_a_sound_desk(console: Console) -> None:
    before = sorted(console.desk.root.rglob("*"))
    checks = _checks(console, 0)
    assert [name for name, check in checks.items() if check["verdict"] == "fail"] == []
    assert {"python", "packages", "leases", "audit log", "copy", "recipes", "clock", "daemon"} <= set(checks)
    assert sorted(console.desk.root.rglob("*")) == before
    assert "ok       python" in console("doctor").output


def test_damage_at_the_head(console: Console) -> None:
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    data = bytearray(segment.read_bytes())
    data[-20] ^= 1
    segment.write_bytes(data)
    assert _checks(console, 1)["audit log"]["fix"] == "deskhand audit verify names everything that is wrong"
    segment.write_bytes(data[:-300])
    assert "ends before record" in _checks(console, 1)["audit log"]["text"]
    segment.unlink()
    assert "is missing" in _checks(console, 1)["audit log"]["text"]


def test_an_older_copy_of_the_desk(console: Console) -> None:
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    head = console.desk.audit / "head"
    old = segment.read_bytes(), head.read_bytes()
    console("pause")
    segment.write_bytes(old[0])
    head.write_bytes(old[1])
    found = _checks(console, 1)["copy"]
    assert "older copy" in found["text"] and "init --adopt" in found["fix"]


def test_a_changed_recipe(console: Console) -> None:
    path = console.desk.recipes / "blessed" / "note" / "v0001.yaml"
    path.unlink()
    assert _checks(console, 1)["recipes"]["verdict"] == "fail"


def test_no_desk_and_a_wrong_configuration(console: Console) -> None:
    console.desk.config.write_text("nonsense: 1\n")
    assert "deskhand.yaml:1" in _checks(console, 1)["configuration"]["text"]
    console.desk.config.unlink()
    assert _checks(console, 1)["desk"]["verdict"] == "fail"


@pytest.mark.parametrize(("free", "verdict"), [(10**12, "ok"), (10**8, "warn"), (10**6, "fail")])
def test_disk(console: Console, free: int, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**13, 0, free))
    assert _checks(console)["disk"]["verdict"] == verdict


def test_a_remote_queue_is_refused_by_name(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_desk, "is_remote", lambda path: "nfs4")
    found = _checks(console, 1)
    assert "nfs4" in found["filesystem"]["text"] and found["inbox main"]["verdict"] == "warn"


def test_inboxes(console: Console) -> None:
    console.desk.inbox.chmod(0o777)
    assert "writable for everybody" in _checks(console, 0)["inbox main"]["text"]
    elsewhere = console.desk.root.parent / "elsewhere"
    console.desk.inbox.rename(elsewhere)
    assert "is not there" in _checks(console, 0)["inbox main"]["text"]
    console.desk.inbox.symlink_to(elsewhere)
    assert _checks(console, 1)["inbox main"]["verdict"] == "fail"


def test_folders_that_cannot_be_written(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(self: Files, path: Path, *args: object, **settings: object) -> None:
        raise OSError(30, os.strerror(30), os.fspath(path))

    monkeypatch.setattr(Files, "create", create)
    found = _checks(console, 1)
    assert "Read-only" in found["folders"]["text"] and found["leases"]["verdict"] == "unknown"


def test_leases_that_do_not_work(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_desk, "has_writer", lambda fd, path: None)
    assert _checks(console, 0)["leases"]["verdict"] == "warn"


def test_a_clock_that_was_set_back(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Frame, "now", property(lambda self: 1_000_000.0))
    assert "in the future" in _checks(console, 1)["clock"]["text"]


def test_leftovers(console: Console) -> None:
    left = console.desk.queue / ".deskhand-0123.tmp"
    left.write_bytes(b"")
    os.utime(left, (0, 0))
    assert ".deskhand-0123.tmp" in _checks(console, 0)["leftovers"]["text"]


def test_a_lock_of_an_unknown_process(console: Console) -> None:
    console.desk.lock.write_text(f"{os.getpid()} abcd\n")
    assert _checks(console, 0)["daemon"]["verdict"] == "unknown"


def test_machine_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["nosuchlibrary>=1", "click>=8", "x; extra == 'y'"])
    assert [result.verdict for result in probes_machine.packages()] == [Verdict.FAIL]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [result.verdict for result in probes_machine.documents()] == [Verdict.WARN]
    monkeypatch.setattr(probes_machine, "OLDEST", (99, 0))
    assert [result.verdict for result in probes_machine.python()] == [Verdict.FAIL]
    monkeypatch.setattr(probes_machine, "_inotify_used", lambda uid: (10**9, 10**9))
    assert {result.verdict for result in probes_machine.inotify()} <= {Verdict.FAIL, Verdict.UNKNOWN}


def test_a_check_that_breaks_is_unknown_and_never_ok() -> None:
    def broken() -> Any:
        raise OSError(5, "Input/output error", "/x")

    def failing() -> Any:
        raise StoreError("doing it", "it broke", hint="mend it")

    assert list(run("a", broken)) == [unknown("a", "it could not be tried: Input/output error: /x")]
    assert list(run("b", failing)) == [unknown("b", "doing it: it broke", "mend it")]
