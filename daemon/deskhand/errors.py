"""The errors a person can meet, and the exit code each of them ends with.

An error says what was being done (``operation``), where (``path``), why it went wrong (``cause``) and what to do
next (``hint``).  Exit codes are assigned here and nowhere else; ``docs/exit-codes.md`` documents them.
"""

from __future__ import annotations

from enum import IntEnum
from os import PathLike, fspath
from typing import Any


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    FAILED = 1
    """Something was tried and did not work."""
    USAGE = 2
    """The command line or the configuration is wrong; nothing was tried."""
    WAITING = 3
    """A person has to decide first."""
    INTEGRITY = 4
    """The audit log or something it vouches for is not what was recorded."""
    LIMIT = 5
    """A limit or a budget is used up."""
    HELD = 6
    """Another daemon holds the desk, or no daemon runs where one is needed."""


class DeskhandError(Exception):
    """Base of every error that reaches a person; one line each for what, where, why and what next."""

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(
        self, operation: str, cause: str, *, path: str | PathLike[str] | None = None, hint: str | None = None
    ) -> None:
        self.operation = operation
        self.cause = cause
        self.path = None if path is None else fspath(path)
        self.hint = hint
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """``<operation>: <path>: <cause>`` without the hint."""
        return ": ".join(part for part in (self.operation, self.path, self.cause) if part)

    @property
    def nameless(self) -> str:
        """The sentence without the path: what the audit log may say, because names can be personal."""
        return f"{self.operation}: {self.cause}"

    def as_data(self) -> dict[str, Any]:
        """For programs: every part by name, and the exit code."""
        return {
            "operation": self.operation,
            "path": self.path,
            "cause": self.cause,
            "hint": self.hint,
            "exit_code": int(self.exit_code),
        }


def nameless(error: BaseException) -> str:
    """What the audit log may say about *error*: what it is, without the names that its text may hold."""
    match error:
        case DeskhandError():
            return error.nameless
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__


class StoreError(DeskhandError):
    """The disk did not do what was asked (full, read-only, gone)."""


class RunError(DeskhandError):
    """A handler could not be started or controlled."""


class UsageError(DeskhandError):
    """The command line asks for something that does not exist or makes no sense."""

    exit_code = ExitCode.USAGE


class ConfigError(DeskhandError):
    """``deskhand.yaml`` or a recipe is wrong; ``cause`` may hold several lines, one per violation."""

    exit_code = ExitCode.USAGE


class WaitingError(DeskhandError):
    """The answer depends on a person who has not decided yet."""

    exit_code = ExitCode.WAITING


class IntegrityError(DeskhandError):
    """Recorded and found do not agree; deskhand refuses to go on."""

    exit_code = ExitCode.INTEGRITY


class LimitError(DeskhandError):
    """A size, count or budget limit was reached."""

    exit_code = ExitCode.LIMIT


class HeldError(DeskhandError):
    """The desk is held by another daemon, or no daemon answers."""

    exit_code = ExitCode.HELD
