"""What verbs share: the desk they work on, its settings and tasks, the time, and which task a person means."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from deskhand.cli import ids
from deskhand.cli.group import DESK, desk_option
from deskhand.core.names import key_of
from deskhand.errors import UsageError

if TYPE_CHECKING:
    from deskhand.core.settings import Settings
    from deskhand.engine.view import View
    from deskhand.store.desk import Desk

P = ParamSpec("P")
T = TypeVar("T")


class Verb(click.Command):
    """A verb; every one takes ``--desk`` and ``-h``."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.append(desk_option())


def here() -> Path:
    """The working folder; the root when it was deleted, so that a desk that is named is found all the same."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(os.path.sep)


class Frame:
    """The desk that the command line is about.  Nothing is read before it is asked for."""

    def __init__(self, explicit: Path | None = None) -> None:
        self.explicit = explicit

    @cached_property
    def desk(self) -> Desk:
        """The desk; ConfigError (exit 2) when there is none."""
        from deskhand.host.found import find_desk

        return find_desk(self.explicit, os.environ, here())

    @cached_property
    def settings(self) -> Settings:
        """The desk's settings; ConfigError with every violation."""
        from deskhand.store.config_file import load

        settings = load(self.desk, os.environ).settings
        assert settings is not None, "load raises instead"
        return settings

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def look(self, since: float | None = None) -> View:
        """The desk's tasks as the log tells them."""
        from deskhand.engine.view import look

        return look(self.desk, since=since)

    def key(self, text: str, view: View, *, among: Collection[str] | None = None, what: str = "task") -> str:
        """The key of the task that *text* means; *among*: only these keys count.

        Without *among*, tasks of today come first, then those of the whole log.  UsageError when it is not one.
        """
        if among is not None:
            last = max(among, key=lambda key: _arrival(view, key), default=None)
            return ids.resolve(text, {key: view.identifier(key) for key in among}, last=last, what=what)
        tasks, submitted = view.tasks(), view.submitted()
        known = {task.key: view.identifier(task.key) for task in tasks}
        known.update({key_of(identifier): identifier for identifier in submitted})
        if text == ids.LAST and known:
            return key_of(submitted[-1]) if submitted else tasks[0].key
        if ids.matching(text, known):
            return ids.resolve(text, known)
        received = view.all_keys()
        every = {key: view.identifier(key) for key in received}
        return ids.resolve(text, every, last=max(received, key=received.__getitem__, default=None))


def _arrival(view: View, key: str) -> tuple[float, int, str]:
    task = view.unfinished.get(key) or view.ended.get(key)
    return (0.0, 0, key) if task is None else (task.received, task.first_seq, key)


def pass_frame(call: Callable[Concatenate[Frame, P], T]) -> Callable[P, T]:
    """Give a verb its frame as the first argument."""

    def with_frame(*args: P.args, **kwargs: P.kwargs) -> T:
        return call(Frame(click.get_current_context().meta.get(DESK)), *args, **kwargs)

    return update_wrapper(with_frame, call)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (schema 1) instead of text.")


def interactive() -> bool:
    """Whether there is a person at the other end who can be asked."""
    return sys.stdin.isatty()


def no_json_and(flag: str, *, as_json: bool, given: bool) -> None:
    """UsageError when an option that keeps printing is combined with ``--json``."""
    if as_json and given:
        raise UsageError("reading the options", f"--json and {flag} do not go together")
