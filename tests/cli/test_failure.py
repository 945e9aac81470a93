"""Errors: what is printed, where, and the exit code."""

from __future__ import annotations

import json

import click
import pytest

from deskhand import errors
from deskhand.cli.failure import guarded
from deskhand.errors import DeskhandError, ExitCode

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeskhandError)]


def _raise(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_its_code_and_says_what_where_why_next(
    kind: type[DeskhandError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("doing it", "it broke\nand again\x1b", path="/a/b", hint="mend it")
    assert guarded(lambda: _raise(error), as_json=False) == kind.exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert click.unstyle(err) == "error: doing it: /a/b: it broke\n  and again\\x1b\n  next: mend it\n"


def test_errors_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.IntegrityError("doing it", "it broke", path="/a/\udcff")
    assert guarded(lambda: _raise(error), as_json=True) == 4
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "schema": 1,
        "error": {"operation": "doing it", "path": "/a/\udcff", "cause": "it broke", "hint": None, "exit_code": 4},
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("What is that."), 2),
        (OSError(28, "No space left on device", "/full"), 1),
    ],
)
def test_other_ends(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: _raise(error), as_json=False) == code
    err = click.unstyle(capsys.readouterr().err)
    if isinstance(error, OSError):
        assert err == "error: reading or writing: /full: No space left on device\n"
    if isinstance(error, click.UsageError):
        assert err == "error: deskhand: what is that\n  next: deskhand --help\n"


def test_an_input_that_ends_is_no_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    ended = click.Abort()
    ended.__cause__ = EOFError()
    assert guarded(lambda: _raise(ended), as_json=False) == ExitCode.USAGE
    assert "the input ended" in capsys.readouterr().err


def test_what_nobody_expected_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0, as_json=False)


def test_results_become_exit_codes() -> None:
    assert guarded(lambda: ExitCode.WAITING, as_json=False) == 3
    assert guarded(lambda: None, as_json=False) == 0
