"""What a check of ``deskhand doctor`` answers, and running one so that its own failure is an answer too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from deskhand.errors import DeskhandError


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    """It was tried and works."""
    WARN = "warn"
    """It works with a drawback that the text names."""
    FAIL = "fail"
    """It was tried and does not work."""
    UNKNOWN = "unknown"
    """It could not be found out."""


class Result(Struct, frozen=True):
    """The answer of one check."""

    name: str
    verdict: Verdict
    text: str
    fix: str | None = None
    """What to do about it."""


Probe = Callable[[], Iterable[Result]]


def ok(name: str, text: str) -> Result:
    """It works."""
    return Result(name, Verdict.OK, text)


def warn(name: str, text: str, fix: str | None = None) -> Result:
    """It works with a drawback."""
    return Result(name, Verdict.WARN, text, fix)


def fail(name: str, text: str, fix: str | None = None) -> Result:
    """It does not work."""
    return Result(name, Verdict.FAIL, text, fix)


def unknown(name: str, text: str, fix: str | None = None) -> Result:
    """Nobody knows."""
    return Result(name, Verdict.UNKNOWN, text, fix)


def run(name: str, probe: Probe) -> Iterator[Result]:
    """The results of *probe*; if it could not be carried out, that, as unknown."""
    try:
        yield from probe()
    except DeskhandError as error:
        yield unknown(name, error.sentence, error.hint)
    except OSError as error:
        path = f": {error.filename}" if error.filename else ""
        yield unknown(name, f"it could not be tried: {error.strerror or error}{path}")
