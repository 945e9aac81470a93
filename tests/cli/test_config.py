"""``deskhand config`` and ``deskhand init``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from deskhand.cli import main

from .conftest import Console


def test_show_says_value_and_source(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console("config", "set", "run.workers", "3")
    monkeypatch.setenv("DESKHAND_LOG_LEVEL", "warning")
    found = {item["key"]: item for item in console.json("config", "show")["settings"]}
    assert found["run.workers"]["value"] == 3 and found["run.workers"]["source"].startswith("deskhand.yaml:")
    assert found["logs.level"]["source"] == "environment DESKHAND_LOG_LEVEL"
    assert found["scan_interval"]["source"] == "default"
    only = console("config", "show", "run").output.splitlines()
    assert only[0].split() == ["KEY", "VALUE", "SOURCE"] and all(line.startswith("run.") for line in only[1:])
    assert "did you mean" in console("config", "show", "run.worker", code=2).stderr


def test_set_changes_the_file_and_the_record(console: Console) -> None:
    assert console("config", "set", "scan_interval", "1h").output == "scan_interval: 10s -> 1h\n"
    assert "key=scan_interval" in console("audit", "show", "--type", "config.changed").output
    again = console.json("config", "set", "scan_interval", "1h")
    assert (again["changed"], again["recorded"]) == (False, False)
    assert console("config", "set", "scan_interval", "-5", code=2).stderr
    assert "did you mean" in console("config", "set", "scan_intervall", "5", code=2).stderr
    assert console("config", "check").output.startswith("deskhand.yaml is right")


def test_check_names_every_mistake_with_its_line(console: Console) -> None:
    console.desk.config.write_text("schema: 1\nscan_intervall: 5s\nrun:\n  workers: 0\n")
    error = console("config", "check", code=2).stderr
    assert "deskhand.yaml:2:" in error and "deskhand.yaml:4:" in error and "scan_interval" in error
    data = console.json("config", "check", code=2)
    assert data["ok"] is False and [item["line"] for item in data["violations"]] == [2, 4]
    assert console("config", "show", code=2).stderr


def test_paths(console: Console) -> None:
    found = console.json("config", "paths")["paths"]
    assert found["audit log"] == str(console.desk.audit) and found["inbox main"] == str(console.desk.inbox)


def test_init_makes_a_desk_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = str(tmp_path / "new")
    first = CliRunner().invoke(main, ["init", folder])
    assert first.exit_code == 0 and f"cd {folder} && deskhand run" in first.output
    (Path(folder) / "deskhand.yaml").write_text("schema: 1\nname: mine\n")
    second = CliRunner().invoke(main, ["init", folder])
    assert second.exit_code == 0 and "(0 files written)" in second.output
    assert (Path(folder) / "deskhand.yaml").read_text() == "schema: 1\nname: mine\n"


def test_adopting_a_copy_pauses_it(console: Console) -> None:
    copy = console.desk.root.parent / "copy"
    shutil.copytree(console.desk.root, copy, symlinks=True)
    refused = CliRunner().invoke(main, ["--desk", str(copy), "pause"])
    assert refused.exit_code == 4 and "init --adopt" in refused.stderr
    result = CliRunner().invoke(main, ["init", "--adopt", str(copy)])
    assert result.exit_code == 0 and "it is paused" in result.output
    status = CliRunner().invoke(main, ["--desk", str(copy), "status", "--json"])
    assert json.loads(status.stdout)["paused"] == "all"


def test_adopting_what_acted_last_changes_nothing(console: Console) -> None:
    result = CliRunner().invoke(main, ["init", "--adopt", str(console.desk.root)])
    assert result.exit_code == 0 and "nothing had to be adopted" in result.output
