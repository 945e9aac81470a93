"""Names of backups: ``backup_YYYY-MM-DD_HH-mm-ss.zip`` in UTC, ``_2`` and so on when the second is taken."""

from __future__ import annotations

import re
from datetime import UTC, datetime

PARTIAL = ".partial"
"""What an unfinished one has behind its name."""
AGE = ".age"
"""What an encrypted one has behind its name."""
_NAME = re.compile(
    r"backup_(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)(?:_([2-9]|[1-9]\d{1,5}))?\.zip(?:\.age)?\Z", re.ASCII
)


def backup_name(now: float, number: int = 1) -> str:
    """The name of a backup begun at *now* (epoch seconds), the *number*-th of that second; never encrypted."""
    moment = datetime.fromtimestamp(now, UTC)
    return f"backup_{moment:%Y-%m-%d_%H-%M-%S}{'' if number == 1 else f'_{number}'}.zip"


def created(name: str) -> float | None:
    """When the backup with this name was begun, epoch seconds; None when it is no name of a backup."""
    found = _NAME.match(name)
    if found is None:
        return None
    try:
        return datetime(*map(int, found.groups()[:6]), tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def order(name: str) -> tuple[float, int]:
    """What backups are sorted by, oldest first; ValueError for any other name."""
    found, moment = _NAME.match(name), created(name)
    if found is None or moment is None:
        raise ValueError(f"not the name of a backup: {name!r}")
    return moment, int(found[7] or 1)


def is_partial(name: str) -> bool:
    """Whether *name* is that of a backup that was never finished."""
    return name.endswith(PARTIAL) and created(name.removesuffix(PARTIAL)) is not None
