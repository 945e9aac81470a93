"""``deskhand.yaml`` on disk: read with everything that is wrong at once, and changed one value at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deskhand.core import settings_edit, settings_file
from deskhand.core.settings_file import Loaded
from deskhand.core.strict_yaml import MAX_BYTES, lines
from deskhand.errors import ConfigError, StoreError
from deskhand.store.desk import CONFIG_NAME, Desk
from deskhand.store.files import Files, FsyncError

_FIND = "go into a desk, name one with --desk, or make one: deskhand init"


@dataclass(frozen=True, slots=True)
class Change:
    """A value that was set; the hashes are of the whole file's bytes, hex."""

    key: str
    before: str
    after: str
    before_sha256: str
    after_sha256: str


def check(desk: Desk, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings without judging; violations are in the result.  ConfigError when there is no such file."""
    return settings_file.read(_read(desk.config), environment, file=CONFIG_NAME)


def load(desk: Desk, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings.  ConfigError with one line per violation; then ``settings`` is never None."""
    loaded = check(desk, environment)
    if loaded.settings is None:
        cause = "\n".join(lines(loaded.violations, CONFIG_NAME).splitlines())
        hint = "correct these lines, then: deskhand config check"
        raise ConfigError("reading the configuration", cause, path=desk.config, hint=hint)
    return loaded


def set_value(files: Files, desk: Desk, key: str, value: str) -> Change:
    """Change one value in the text and keep everything else.  ConfigError when the result would not load."""
    data = _read(desk.config)
    try:
        edit = settings_edit.edit(data, key, value)
    except ValueError as error:
        raise ConfigError(f"setting {key}", str(error), path=desk.config, hint="nothing was changed") from error
    # A link (a person may keep the file elsewhere) stays a link; the file it leads to is replaced.
    target = Path(os.path.realpath(desk.config))
    if edit.data != data:
        try:
            files.write_atomic(target, edit.data, mode=target.stat().st_mode & 0o777)
        except FsyncError:
            raise
        except OSError as error:
            raise StoreError(f"setting {key}", error.strerror or str(error), path=target) from error
    return Change(key, edit.before, edit.after, _sha256(data), _sha256(edit.data))


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError("reading the configuration", "there is no such file", path=path, hint=_FIND) from error
    except OSError as error:
        raise ConfigError("reading the configuration", error.strerror or str(error), path=path) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
