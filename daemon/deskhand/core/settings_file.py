"""Bytes of ``deskhand.yaml`` -> settings, with every violation at once, and where each value comes from.

The environment overrides a few keys for one run; it is an argument here.  Editing a value in place is
``core.settings_edit``, the generated documentation ``core.settings_doc``; reading and writing the file is
``store.config_file``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, convert, to_builtins

from deskhand.core import strict_yaml as y
from deskhand.core.cron_form import cron_problem
from deskhand.core.retention import parse_within
from deskhand.core.settings import Backup, Settings, Target
from deskhand.core.shape import MISSING, Shaper, struct_type, suggest, unwrap
from deskhand.core.units import parse_duration, show_duration, show_size

LEVELS = ("debug", "info", "warning", "error")
VARIABLES: Mapping[str, str] = {
    "DESKHAND_DEBUG": "logs.level",
    "DESKHAND_LOG_LEVEL": "logs.level",
    "DESKHAND_TIMEOUT_SECONDS": "run.timeout",
    "DESKHAND_DRY_RUN": "run.dry_run",
    "DESKHAND_MAX_CYCLES": "run.max_cycles",
}
"""Environment variable -> the key it overrides; of two for one key the later here wins."""
DEFAULT = "default"

_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_RESERVED_INBOXES = frozenset({"drop", "retry"})
_OURS = frozenset({"queue", "audit_logs", "logs", "backups"})
_OURS_IN_VAULT = frozenset({("vault", "_deskhand"), ("vault", "recipes")})


class Effective(Struct, frozen=True):
    """One key as `config show` prints it."""

    key: str
    value: Any
    """As the settings hold it: seconds, bytes, text."""
    shown: str
    """As a person would write it."""
    source: str
    """`deskhand.yaml:12`, `environment DESKHAND_DEBUG`, or `default`."""


class Loaded(Struct, frozen=True):
    """*settings* is None exactly when there are *violations*."""

    settings: Settings | None
    violations: tuple[y.Violation, ...] = ()
    effective: tuple[Effective, ...] = ()


def read(data: bytes, environment: Mapping[str, str] | None = None, *, file: str = "deskhand.yaml") -> Loaded:
    """Read settings; an empty file is all defaults.  *file* is what sources call it.  Never raises for any bytes."""
    document = y.read(data)
    root = document.root
    if root is None:
        return Loaded(None, document.violations)
    if isinstance(root, y.Scalar) and root.value is None:
        root = y.Mapping((), False, root.span)
    shaper = Shaper()
    found = shaper.fields(_without_empty(root), Settings)
    if found is not MISSING:
        _check(root, found, shaper)
    overrides, complaints = from_environment(environment or {})
    violations = tuple(sorted({*document.violations, *shaper.violations, *complaints}))
    if found is MISSING or violations:
        return Loaded(None, violations)
    settings = _overridden(Settings(**found), overrides)
    return Loaded(settings, (), tuple(_effective(settings, root, overrides, file)))


def from_environment(environment: Mapping[str, str]) -> tuple[dict[str, tuple[Any, str]], list[y.Violation]]:
    """Key -> (value, variable), and what is wrong.  Variables that are not ours to read are left alone."""
    found: dict[str, tuple[Any, str]] = {}
    violations = []
    for variable, key in VARIABLES.items():
        text = environment.get(variable)
        if text is None:
            continue
        try:
            value = _variable(variable, text.strip())
        except ValueError as error:
            violations.append(y.Violation(0, 0, f"environment {variable}", str(error)))
            continue
        if value is not None:
            found[key] = (value, variable)
    return found, violations


def _variable(variable: str, text: str) -> Any:
    """The value of the key; None = the variable changes nothing.  ValueError when it makes no sense."""
    match variable:
        case "DESKHAND_DEBUG":
            return "debug" if _switch(text) else None
        case "DESKHAND_DRY_RUN":
            return _switch(text)
        case "DESKHAND_LOG_LEVEL":
            if text and text.lower() not in LEVELS:
                raise ValueError(f"must be {' or '.join(LEVELS)}{suggest(text, LEVELS)}")
            return text.lower() or None
        case "DESKHAND_TIMEOUT_SECONDS":
            if text and parse_duration(text) <= 0:
                raise ValueError("must be more than 0")
            return parse_duration(text) if text else None
        case _:
            if text and not re.fullmatch(r"[1-9][0-9]{0,17}", text, re.ASCII):
                raise ValueError("must be a whole number, at least 1")
            return int(text) if text else None


def _switch(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("must be 1 or 0, true or false, yes or no, on or off")
    return text.lower() in _TRUE


def _without_empty(root: y.Node) -> y.Node:
    """A section whose keys are all commented out (`run:` and nothing) says nothing."""
    if not isinstance(root, y.Mapping):
        return root
    sections = {field.name for field in struct_type(Settings).fields if _is_section(field.type)}
    for entry in root.entries:
        if entry.key.text in sections and isinstance(entry.node, y.Scalar) and entry.node.value is None:
            root = root.without(entry.key.text)
    return root


def _is_section(info: Any) -> bool:
    return hasattr(unwrap(info)[0], "cls")


def _check(root: y.Node, found: Mapping[str, Any], shaper: Shaper) -> None:
    """What the types cannot say."""

    def wrong(path: str, message: str) -> None:
        shaper.wrong(y.locate(root, path), path, message)

    names: set[str] = set()
    paths: set[str] = set()
    for index, inbox in enumerate(found.get("inboxes", ())):
        path = f"inboxes[{index}]"
        if _NAME.match(inbox.name) is None or inbox.name in _RESERVED_INBOXES:
            wrong(f"{path}.name", "must be 1 to 40 characters of a-z, 0-9 and '-', and not drop or retry")
        elif inbox.name in names:
            wrong(f"{path}.name", f"another inbox is called {inbox.name!r} already")
        names.add(inbox.name)
        if (message := _path_problem(inbox.path)) is not None:
            wrong(f"{path}.path", message)
        elif inbox.path.rstrip("/") in paths:
            wrong(f"{path}.path", "another inbox watches this folder already")
        paths.add(inbox.path.rstrip("/"))
        if inbox.recipe is not None and _NAME.match(inbox.recipe) is None:
            wrong(f"{path}.recipe", "is no name of a recipe")
        if not inbox.match:
            wrong(f"{path}.match", "must be a glob; '*' takes every name")
    if "inboxes" in found and not found["inboxes"]:
        wrong("inboxes", "must name at least one folder")
    if "name" in found and not 0 < len(found["name"].strip()) <= 80:
        wrong("name", "must have 1 to 80 characters")
    for path, message in _time_problems(found):
        wrong(path, message)


def _time_problems(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, message) of what is wrong with times."""
    for index, window in enumerate(found.get("maintenance", ())):
        if _NAME.match(window.name) is None:
            yield f"maintenance[{index}].name", "must be 1 to 40 characters of a-z, 0-9 and '-'"
        if (message := cron_problem(window.cron)) is not None:
            yield f"maintenance[{index}].cron", message
    schedule = found.get("schedule")
    for key in () if schedule is None else ("heartbeat", "rotation", "tidy"):
        message = cron_problem(getattr(schedule, key), hourly=key == "heartbeat")
        if message is not None:
            yield f"schedule.{key}", message
    for key, message in _backup_problems(found.get("backup", Backup())):
        yield f"backup.{key}", message


def _backup_problems(backup: Backup) -> Iterator[tuple[str, str]]:
    for key in ("daily", "full", "drill"):
        times = getattr(backup, key)
        if times is not None and (message := cron_problem(times)) is not None:
            yield key, message
    for key in ("", "_hourly", "_daily", "_weekly", "_monthly", "_yearly"):
        try:
            parse_within(getattr(backup, f"keep_within{key}"))
        except ValueError as error:
            yield f"keep_within{key}", str(error)
    for index, folder in enumerate(backup.include):
        steps = folder.rstrip("/").split("/")
        if not folder or folder.startswith("/") or not {"", ".", ".."}.isdisjoint(steps):
            yield f"include[{index}]", "must be a folder of the desk, without ./ or ../"
        elif steps[0] in _OURS or steps[0].startswith("."):
            yield f"include[{index}]", "must not be hidden or one of deskhand's own folders"
    for index, recipient in enumerate(backup.encrypt_to):
        if not re.fullmatch(r"age1[a-z0-9]{50,4000}", recipient, re.ASCII):
            yield f"encrypt_to[{index}]", "is no age recipient; one begins with age1"
    yield from _target_problems(backup.targets)


def _target_problems(targets: Sequence[Target]) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for index, target in enumerate(targets):
        where = f"targets[{index}]"
        if _NAME.match(target.name) is None or target.name in names | {"desk"}:
            yield f"{where}.name", "must be 1 to 40 characters of a-z, 0-9 and '-', each name once, and not desk"
        names.add(target.name)
        if (target.path is None) == (not target.command):
            yield where, "must have a path or a command, and not both"
        elif target.path is not None and (not target.path.strip() or target.verify):
            yield where, "with a path needs a folder, and no verify: it is always read back"
        elif target.command and not any("{file}" in part for part in target.command):
            yield f"{where}.command", "must have {file} in it, which stands for the backup"


def _path_problem(path: str) -> str | None:
    """A watched folder swallows what is in it, so the desk's own folders can be none."""
    if not path.strip() or "\0" in path:
        return "must be a folder"
    steps: list[str] = []
    for step in path.split("/"):
        if step == ".." and steps and steps[-1] != "..":
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    if path.startswith(("/", "~")) and steps:
        return None
    if not steps or set(steps) == {".."}:
        return "must not be the desk itself or a folder around it"
    if steps[0] in _OURS or tuple(steps[:2]) in _OURS_IN_VAULT or steps == ["vault"]:
        return "must not be one of deskhand's own folders"
    return None


def _overridden(settings: Settings, overrides: Mapping[str, tuple[Any, str]]) -> Settings:
    data = to_builtins(settings)
    for key, (value, _) in overrides.items():
        section, _, name = key.partition(".")
        data[section][name] = value
    return convert(data, Settings)


def _effective(
    settings: Settings, root: y.Node, overrides: Mapping[str, tuple[Any, str]], file: str
) -> Iterator[Effective]:
    for key, value, unit in leaves(settings):
        source = DEFAULT
        if key in overrides:
            source = f"environment {overrides[key][1]}"
        elif (line := _line(root, key)) is not None:
            source = f"{file}:{line}"
        yield Effective(key, value, show(value, unit), source)


def leaves(value: Struct, path: str = "") -> Iterator[tuple[str, Any, str | None]]:
    """(key, value, unit) of every key, depth first, in the order of the struct."""
    for field in struct_type(type(value)).fields:
        key = f"{path}.{field.name}" if path else field.name
        part = getattr(value, field.name)
        if isinstance(part, Struct):
            yield from leaves(part, key)
        elif isinstance(part, tuple) and part and isinstance(part[0], Struct):
            for index, item in enumerate(part):
                yield from leaves(item, f"{key}[{index}]")
        else:
            yield key, part, unwrap(field.type)[1]


def show(value: Any, unit: str | None) -> str:
    """A value as it could stand in the file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if unit == "seconds":
        return show_duration(value)
    if unit == "bytes":
        return show_size(value)
    if isinstance(value, tuple):
        return f"[{', '.join(quoted(item) for item in value)}]"
    return str(value)


def quoted(text: str) -> str:
    """Text as a YAML scalar that reads back as the same text, quoted only where it has to be."""
    if re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./ -]*", text) and text == text.strip():
        try:
            if y.resolve(text) == text:
                return text
        except ValueError:
            pass
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _line(root: y.Node, key: str) -> int | None:
    """The line of *key* in the file; None when it is not there."""
    node: y.Node | None = root
    for step in re.findall(r"[^.\[\]]+", key):
        if isinstance(node, y.Sequence):
            node = node.items[int(step)] if int(step) < len(node.items) else None
        else:
            node = node.get(step) if isinstance(node, y.Mapping) else None
    return node.span.line if node is not None else None
