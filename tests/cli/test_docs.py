"""``docs/commands.md`` names every verb, every option and what each is for; ``docs/exit-codes.md`` every code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from deskhand.cli import main
from deskhand.cli.failure import CLOSED_PIPE, INTERRUPTED
from deskhand.cli.verbs import ROOT, Entry
from deskhand.errors import ExitCode

DOCS = Path(__file__).parents[2] / "docs"


def _verbs(entries: Mapping[str, Entry] = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, entry in entries.items():
        yield from _verbs(entry.verbs, (*path, name))
        if entry.module:
            yield (*path, name)


def _section(title: str) -> str:
    text = (DOCS / "commands.md").read_text()
    found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title!r}"
    return found[1]


@pytest.mark.parametrize("path", list(_verbs()), ids=" ".join)
def test_every_verb_and_option_is_documented(path: tuple[str, ...]) -> None:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    section = _section(f"deskhand {' '.join(path)}")
    assert inspect.cleandoc(command.help or "?").split("\n")[0] in section
    everywhere = {"--desk", "--json", "--help"}
    for param in command.params:
        if isinstance(param, click.Option) and not everywhere & set(param.opts):
            assert all(f"`{name}`" in section for name in param.opts), param.opts
            assert (param.help or "?") in section
    assert "```sh" in section


def test_every_exit_code_is_documented() -> None:
    text = (DOCS / "exit-codes.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == [
        *(int(code) for code in ExitCode),
        INTERRUPTED,
        CLOSED_PIPE,
    ]
