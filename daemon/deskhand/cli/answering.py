"""Answering requests: one by one on a terminal, or one that was named."""

from __future__ import annotations

from typing import Any

import click

from deskhand.cli.frame import Frame
from deskhand.cli.questions import Question, full_text, waiting
from deskhand.errors import DeskhandError, ExitCode
from deskhand.host.client import request

_ASK = {"y": "yes", "n": "no", "s": "skip", "q": "quit"}
_DOUBT = {"r": "run it again", "h": "it happened", "g": "give it up", "s": "skip", "q": "quit"}


def answer(frame: Frame, verb: str, key: str, digest: str | None, reason: str | None = None) -> dict[str, Any]:
    """Have the daemon (or, without one, this process) record an answer; the new state.  Raises what it raised."""
    arguments = {"key": key, "digest": digest, "reason": reason}
    return request(frame.desk, verb, {name: value for name, value in arguments.items() if value is not None})


def walk(frame: Frame) -> int:
    """Show everything that waits and ask about each; 3 when something is left unanswered."""
    found = waiting(frame.look())
    left = 0
    for number, question in enumerate(found, 1):
        click.echo(f"\n{number} of {len(found)}  {question.id}")
        click.echo(full_text(question))
        choice = _choose(_DOUBT if question.in_doubt else _ASK)
        if choice == "q":
            left += len(found) - number + 1
            break
        left += not _carried_out(frame, question, choice)
    if left:
        click.echo(f"{left} not answered")
    return ExitCode.WAITING if left else ExitCode.OK


def _choose(words: dict[str, str]) -> str:
    text = ", ".join(f"{letter} = {word}" for letter, word in words.items())
    return str(click.prompt(text, type=click.Choice(list(words)), show_choices=False, prompt_suffix=": "))


def _carried_out(frame: Frame, question: Question, choice: str) -> bool:
    """Whether the answer was given and taken; an answer that is refused leaves the others possible."""
    try:
        match choice:
            case "y" | "r":
                answer(frame, "approve", question.task.key, question.require_asked())
            case "h":
                answer(frame, "happened", question.task.key, question.require_asked())
            case "n" | "g":
                reason = click.prompt("reason", default="", show_default=False)
                answer(frame, "reject", question.task.key, None, reason or None)
            case _:
                return False
    except DeskhandError as error:
        from deskhand.cli.failure import text

        click.echo(text(error), err=True)
        return False
    return True
