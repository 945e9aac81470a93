"""Which task a person means: an id, a key, any unique beginning or end of one, ``@last``, or the name of its file.

Pure: what is known comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.core.names import member
from deskhand.errors import UsageError

LAST = "@last"
"""The newest task."""
SHOWN = 5


def matching(text: str, known: Mapping[str, str]) -> list[str]:
    """Keys of the tasks that *text* may mean; *known*: key -> id (or the key again, if its id is not known)."""
    wanted = plain(text)
    if not wanted:
        return []
    exact = [key for key, identifier in known.items() if wanted in (key, identifier)]
    if exact:
        return exact
    return [
        key
        for key, identifier in known.items()
        if any(form.startswith(wanted) or form.endswith(wanted) for form in (key, identifier))
    ]


def resolve(text: str, known: Mapping[str, str], *, last: str | None = None, what: str = "task") -> str:
    """The key of the one task that *text* means; *last* is that of the newest.  UsageError when it is not one."""
    if text == LAST:
        if last is None:
            raise UsageError("finding a task", f"there is no {what} yet", hint="deskhand tasks")
        return last
    found = matching(text, known)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            "finding a task", f"no {what} has an id that begins or ends with {text!r}", hint="deskhand tasks"
        )
    some = ", ".join(known[key] for key in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise UsageError("finding a task", f"{text!r} may be {some}{more}", hint="give more of its id")


def plain(text: str) -> str:
    """*text* as ids are written; a path or name of one of a task's files becomes its id."""
    name = text.strip().rstrip("/").rsplit("/", 1)[-1]
    part = member(name)
    return part.id if part is not None else name.lower()
