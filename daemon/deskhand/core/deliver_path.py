"""The path template of ``deliver:``, rendered for one result.

``outbox/{year}/{stem}-{id}{ext}`` -> ``outbox/2026/letter-20261120-...-abc234.pdf``.  Relative paths begin at the desk.
``{ext}`` has its dot and is empty where there is none, so ``{stem}{ext}`` is always ``{name}``.

Rules: placeholders are filled in *inside* one component of the path, so no name and no parameter can add a folder,
climb out of one or be ``.`` or ``..``; a component longer than 255 bytes loses the end of its stem, never its
extension; braces that are no placeholder stay what they are.  Dates are the day of receipt in UTC, so that a replay
after days, or in another time zone, gives the same path.  Pure: nothing here looks at a disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct, field

from deskhand.errors import ConfigError

COMPONENT_MAX = 255
"""Bytes of a name on the usual filesystems."""
PLACEHOLDERS = frozenset({"name", "stem", "ext", "id", "date", "year", "month", "day", "recipe", "inbox"})
"""Beside ``param.<name>``."""
_PLACEHOLDER = re.compile(r"\{(param\.[A-Za-z0-9_-]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
OPERATION = "delivering results"


class Place(Struct, frozen=True):
    """What a template may say about the task."""

    id: str
    """The task's id."""
    received: float
    """Epoch seconds."""
    recipe: str
    inbox: str
    params: Mapping[str, str] = field(default_factory=dict)


def problems(template: str, params: frozenset[str] | None = None) -> tuple[str, ...]:
    """Everything that is wrong with a template, whatever it is rendered for; *params* are the declared ones."""
    found = []
    if not template.strip() or template != template.strip():
        found.append("is empty or begins or ends with a blank")
    if "\x00" in template or "\n" in template:
        found.append("contains a control character")
    if ".." in template.split("/"):
        found.append("must not contain `..`")
    if template.rsplit("/", 1)[-1] in ("", "."):
        found.append("must end in a file's name, such as {name}")
    if template.startswith("~"):
        found.append("begins with `~`, which is not expanded; write an absolute path")
    if "\\" in template:
        found.append("contains a backslash; folders are separated by `/`")
    for key in _PLACEHOLDER.findall(template):
        if key.startswith("param."):
            if params is not None and key.removeprefix("param.") not in params:
                found.append(f"uses {{{key}}}, which is not a declared parameter")
        elif key not in PLACEHOLDERS:
            found.append(f"has no placeholder {{{key}}}")
    return tuple(dict.fromkeys(found))


def is_absolute(path: str) -> bool:
    """Whether a path does not begin at the desk."""
    return path.startswith("/") or _DRIVE.match(path) is not None


def render(template: str, place: Place, name: str) -> str:
    """The path for the result called *name*, ``/``-separated.  ConfigError when it would not be a plain path."""
    wrong = problems(template)
    if wrong:
        raise ConfigError(OPERATION, f"the template `{template}` {wrong[0]}", hint="correct `deliver:` in the recipe")
    values = _values(place, name)
    root = "/" if template.startswith("/") else ""
    parts = [part for part in template.split("/") if part not in ("", ".")]
    return root + "/".join(_component(part, values) for part in parts)


def numbered(name: str, number: int) -> str:
    """``letter (2).pdf``: the name to take when *name* is taken; at most 255 bytes."""
    stem, ext = split_name(name)
    return fit(f"{stem} ({number})", ext, keep=f" ({number})")


def split_name(name: str) -> tuple[str, str]:
    """``("letter.v2", ".pdf")``; the extension with its dot, empty when there is none."""
    head, dot, tail = name.rpartition(".")
    if not dot or not head.strip(".") or not tail or " " in tail or len(tail) > 16:
        return name, ""
    return head, f".{tail}"


def fit(stem: str, ext: str, *, keep: str = "") -> str:
    """*stem* + *ext* in at most 255 bytes; the stem is cut, but its ending *keep* stays."""
    room = COMPONENT_MAX - len(_bytes(ext))
    if len(_bytes(stem)) <= room:
        return stem + ext
    return _cut(stem.removesuffix(keep), room - len(_bytes(keep))) + keep + ext


def _values(place: Place, name: str) -> dict[str, str]:
    day = datetime.fromtimestamp(place.received, UTC)
    stem, ext = split_name(name)
    return {
        "name": name,
        "stem": stem,
        "ext": ext,
        "id": place.id,
        "date": f"{day:%Y-%m-%d}",
        "year": f"{day:%Y}",
        "month": f"{day:%m}",
        "day": f"{day:%d}",
        "recipe": place.recipe,
        "inbox": place.inbox,
        **{f"param.{key}": value for key, value in place.params.items()},
    }


def _component(part: str, values: Mapping[str, str]) -> str:
    """One folder or file name."""
    rendered = _PLACEHOLDER.sub(lambda found: _value(found[1], values), part)
    if rendered in ("", ".", ".."):
        raise ConfigError(OPERATION, f"`{part}` becomes `{rendered}`, which is not a name")
    return fit(*split_name(rendered))


def _value(key: str, values: Mapping[str, str]) -> str:
    if key not in values:
        raise ConfigError(OPERATION, f"the drop has no value for {{{key}}}", hint="give the parameter, or a default")
    value = values[key]
    # In a name on Linux a backslash is an ordinary character; a parameter has no reason to contain one.
    separators = "/\\\x00" if key.startswith("param.") else "/\x00"
    if any(char in separators for char in value):
        raise ConfigError(OPERATION, f"the value of {{{key}}} contains a path separator", hint="use a plain word")
    try:
        _bytes(value)
    except UnicodeEncodeError as error:
        raise ConfigError(OPERATION, f"the value of {{{key}}} cannot be a file name") from error
    return value


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _cut(text: str, room: int) -> str:
    """The beginning of *text* that fits in *room* bytes, without half a character."""
    data = _bytes(text)
    end = room
    while end > room - 3 and 0x80 <= data[end] < 0xC0:
        end -= 1
    return data[:end].decode("utf-8", "surrogateescape")
