"""What waits for an answer: the request file as it stands there, and what a person is shown of it.

A request is shown whole: every field of the file, in its order, nothing left out, control characters escaped.  What
is answered is the SHA-256 of exactly these bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import click
import msgspec
from msgspec import Struct

from deskhand.core.names import visible
from deskhand.core.state import ASKING, State
from deskhand.core.task import Task
from deskhand.engine.view import View
from deskhand.errors import IntegrityError, WaitingError
from deskhand.store.files import Files
from deskhand.store.requests import Requests

Standing = Literal["asked", "edited", "missing"]
"""Whether the file is what was asked, something else, or not there (a rename that is about to be read, perhaps)."""


class Question(Struct, frozen=True):
    """One task that waits for a person."""

    task: Task
    id: str
    standing: Standing
    digest: str | None
    """SHA-256 of the file's bytes; None when it is missing."""
    body: dict[str, Any]
    """What the file says; empty when it is missing or cannot be read."""

    @property
    def in_doubt(self) -> bool:
        """Whether it asks what became of a run, not whether there may be one."""
        return self.task.state is State.IN_DOUBT

    @property
    def sentence(self) -> str:
        """The question in one line."""
        text = self.body.get("question")
        return visible(text) if isinstance(text, str) else f"{self.id} ({self.standing})"

    @property
    def why(self) -> str:
        """Why it asks, in one line."""
        return visible(str(self.body.get("why_it_asks") or self.task.reason or ""))

    @property
    def warnings(self) -> list[str]:
        """What a person should know before answering."""
        said = self.body.get("warnings")
        return [visible(str(warning)) for warning in said] if isinstance(said, list) else []

    def require_asked(self) -> str:
        """The digest to answer with; WaitingError when the file is gone, IntegrityError when it was edited."""
        if self.standing == "asked" and self.digest is not None:
            return self.digest
        if self.standing == "missing":
            cause = "its request file is not there; it is put back when the daemon next looks"
            raise WaitingError("answering a request", cause, path=f"{self.id}.json", hint="try again in a moment")
        raise IntegrityError(
            "answering a request",
            "the request file was edited; it is not what was asked",
            path=f"{self.id}.json",
            hint=f"delete it (it is put back as it was), then: deskhand approve {self.id[-6:]}",
        )


def waiting(view: View) -> list[Question]:
    """Everything that waits for an answer, oldest first."""
    requests = Requests(Files(), view.desk)
    tasks = sorted(
        (task for task in view.unfinished.values() if task.state in ASKING), key=lambda task: (task.since, task.seq)
    )
    return [_question(view, requests, task) for task in tasks]


def _question(view: View, requests: Requests, task: Task) -> Question:
    identifier = view.identifier(task.key)
    data = requests.read(f"{identifier}.json")
    if data is None:
        return Question(task, identifier, "missing", None, {})
    digest = hashlib.sha256(data).hexdigest()
    return Question(task, identifier, "asked" if digest == task.digest else "edited", digest, _body(data))


def _body(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return {}


def as_data(question: Question) -> dict[str, Any]:
    """A question for programs."""
    return {
        "id": question.id,
        "key": question.task.key,
        "state": str(question.task.state),
        "standing": question.standing,
        "question": question.body.get("question"),
        "why": question.body.get("why_it_asks") or question.task.reason,
        "since": question.task.since,
        "expires": question.task.expires,
        "revision": question.task.revision,
        "digest": question.digest,
        "request": question.body,
    }


def full_text(question: Question) -> str:
    """The whole request for a person's eyes."""
    title = click.style(question.sentence, bold=True)
    return "\n".join([title, *_fields(question.body, "  ", skip=("question",))])


def _fields(body: Mapping[str, Any], indent: str, *, skip: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in body.items():
        if key in skip:
            continue
        label = f"{indent}{visible(key).replace('_', ' ')}:"
        match value:
            case dict() if value:
                yield label
                yield from _fields(value, f"{indent}  ")
            case list() if value:
                yield label
                yield from _items(value, f"{indent}  ")
            case _:
                yield f"{label} {_plain(value)}"


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict):
            yield f"{indent}- {', '.join(f'{visible(str(k))} {_plain(v)}' for k, v in value.items())}"
        else:
            yield f"{indent}- {_plain(value)}"


def _plain(value: Any) -> str:
    match value:
        case None | {} | []:
            return "-"
        case str():
            return visible(value)
        case bool():
            return "yes" if value else "no"
        case _:
            return visible(str(value))
