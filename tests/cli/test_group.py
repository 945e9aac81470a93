"""The outermost command: help, laziness, versions, unknown verbs, ``--desk``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deskhand.cli import main
from deskhand.cli.verbs import ROOT, SECTIONS, Entry
from deskhand.store.desk import Desk

ELSEWHERE = frozenset({"demo", "init"})
"""Verbs that are not about the desk one is in."""


def _verbs(entries: Mapping[str, Entry] = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Entry]]:
    for name, entry in entries.items():
        yield (*path, name), entry
        yield from _verbs(entry.verbs, (*path, name))


VERBS = [pytest.param(path, entry, id=" ".join(path)) for path, entry in _verbs()]


@pytest.mark.parametrize(("path", "entry"), VERBS)
def test_help_of_every_verb_begins_with_what_the_list_says(path: tuple[str, ...], entry: Entry) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert f"\n\n  {entry.summary}" in result.output
    assert result.output.startswith(f"Usage: deskhand {' '.join(path)} ")
    if entry.module and path[0] not in ELSEWHERE:
        assert "--desk DIR" in result.output


def test_help_lists_every_verb_under_a_heading() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    assert all(f"  {name} " in output and entry.section in SECTIONS for name, entry in ROOT.items())
    assert CliRunner().invoke(main, []).output == output


def test_help_of_a_verb_by_words() -> None:
    shown = CliRunner().invoke(main, ["help", "task", "show"]).output
    assert shown.startswith("Usage: deskhand task show [OPTIONS] ID")
    assert CliRunner().invoke(main, ["help"]).output.startswith("Usage: deskhand [OPTIONS]")
    assert CliRunner().invoke(main, ["help", "nosuch"]).exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from deskhand.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('msgspec', 'yaml', 'rich', 'watchdog', 'asyncio')"
        " or m.startswith(('deskhand.core', 'deskhand.engine', 'deskhand.store', 'deskhand.host'))))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == "[]\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["tsks"], "did you mean tasks"),
        (["verify"], "did you mean audit verify"),
        (["task", "shw"], "did you mean show"),
        (["qqqqqqqq"], "there is no verb 'qqqqqqqq'"),
    ],
)
def test_unknown_verbs_are_answered_with_similar_ones(args: list[str], said: str) -> None:
    result = CliRunner().invoke(main, args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr and "next: deskhand" in result.stderr


def test_wrong_options_are_usage_errors() -> None:
    result = CliRunner().invoke(main, ["tasks", "--nosuch"])
    assert result.exit_code == 2 and "error: deskhand tasks: no such option" in result.stderr
    shown = json.loads(CliRunner().invoke(main, ["tasks", "--json", "--limit", "0"]).stdout)
    assert shown["error"]["exit_code"] == 2 and "--limit" in shown["error"]["cause"]


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.startswith("deskhand 0.")


def test_the_desk_is_named_before_or_after_the_verb_or_in_the_environment(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.config.write_text("schema: 1\n")
    monkeypatch.chdir(tmp_path)
    for args, env in (
        (["--desk", str(desk.root), "config", "paths"], {}),
        (["config", "paths", "--desk", str(desk.root)], {}),
        (["config", "paths"], {"DESKHAND_DESK": str(desk.root)}),
    ):
        assert str(desk.audit) in CliRunner(env=env).invoke(main, args).output
    missing = CliRunner().invoke(main, ["status"])
    assert missing.exit_code == 2 and "no deskhand.yaml here or above" in missing.stderr


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_honoured(no_color: str, desk: Desk, tmp_path: Path) -> None:
    env = {"NO_COLOR": no_color, "DESKHAND_DESK": str(tmp_path / "nowhere")}
    output = CliRunner(env=env).invoke(main, ["status"], color=True).output
    assert ("\x1b[" in output) is (no_color == "")


def test_a_reader_that_goes_away_is_no_traceback(desk: Desk) -> None:
    desk.config.write_text("schema: 1\n")
    command = [sys.executable, "-m", "deskhand", "--desk", str(desk.root), "config", "show"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_completion_offers_verbs_and_never_fails(tmp_path: Path) -> None:
    env = {**os.environ, "_DESKHAND_COMPLETE": "bash_complete", "COMP_WORDS": "deskhand task sh", "COMP_CWORD": "2"}
    command = [sys.executable, "-m", "deskhand"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout == "plain,show\n"
    env.update(COMP_WORDS="deskhand task show 20", COMP_CWORD="3")
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_every_command_is_a_click_command() -> None:
    assert isinstance(main, click.Group)
    assert all(isinstance(main.get_command(click.Context(main), name), click.Command) for name in ROOT)
