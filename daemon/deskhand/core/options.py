"""What a drop may say about itself, within limits: the same for a note's front matter, a command and ``drop.json``.

The limits keep the first record of a task within a line of the audit log, and every moment a date that can be shown.
Problems repeat neither values nor keys of the drop: they stand in the audit log.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from deskhand.core.task import Options

MAX_ITEMS = 100
"""Parameters, and names under `after`."""
MAX_TEXT = 200
"""Characters of a key or recipe name."""
MAX_MOMENT = datetime(9000, 1, 1, tzinfo=UTC).timestamp()
"""Epoch seconds that every zone can still show as a date."""
PRIORITIES = range(-10, 11)
"""What `priority` may be."""


class Problem(NamedTuple):
    """One thing that is wrong."""

    option: str
    """Name of the field of ``core.task.Options``."""
    message: str
    """The end of a sentence that begins with the option."""


def check_options(options: Options) -> tuple[Problem, ...]:
    """Everything in *options* that is out of its limits; empty when they are right.  Never raises."""
    return tuple(dict.fromkeys(_problems(options)))


def _problems(options: Options) -> Iterator[Problem]:
    names = [("recipe", options.recipe), ("key", options.key), *(("after", name) for name in options.after)]
    for option, name in names:
        if name is not None and not 0 < len(name) <= MAX_TEXT:
            yield Problem(option, f"must have 1 to {MAX_TEXT} characters")
    texts = [*names, *(("params", text) for pair in options.params.items() for text in pair)]
    for option, text in texts:
        if text is not None and not _encodable(text):
            yield Problem(option, "must be text that can be written as UTF-8")
    for option, count in (("params", len(options.params)), ("after", len(options.after))):
        if count > MAX_ITEMS:
            yield Problem(option, f"has more than {MAX_ITEMS} entries")
    if options.not_before is not None and not 0 <= options.not_before < MAX_MOMENT:
        yield Problem("not_before", "must be from the year 1970 to the year 9000")
    if options.priority is not None and options.priority not in PRIORITIES:
        yield Problem("priority", f"must be from {PRIORITIES[0]} to {PRIORITIES[-1]}")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
