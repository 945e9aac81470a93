"""The recipes of a desk: which are blessed, whether they still are what was blessed, and how a draft becomes one.

What is blessed is what the audit log says; a file in ``blessed/`` that the log does not know never runs, and neither
does one whose bytes, or whose code's bytes, are not what was recorded.  A damaged newest version makes its recipe
unavailable: an older one never takes its place unasked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import msgspec

from deskhand.core import recipe_file
from deskhand.core.recipe import Pin, Recipe
from deskhand.core.recipe_draft import Answers
from deskhand.core.record import Record
from deskhand.core.strict_yaml import lines
from deskhand.errors import ConfigError, DeskhandError, IntegrityError, StoreError
from deskhand.store import recipe_drafts
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.recipe_drafts import Blessing, DraftCheck
from deskhand.store.recipe_files import MAX_CODE, RecipePaths, read_bytes, sha256

RECORDS = frozenset({"recipe.adopted", "recipe.blessed"})
PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.EIO, errno.ESTALE})
"""Errors of the machine that say nothing about a recipe: they are raised as they are, and whoever asks tries again."""
_HINT = "put the blessed file back, or bless the recipe again"
_Identity = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A recorded version that is not what was recorded."""

    pin: Pin
    reason: str


@dataclass(frozen=True, slots=True)
class Unblessed:
    """A file among the blessed ones that the log does not know."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class _Cached:
    """A version that was read and proved."""

    blessed: frozenset[Pin]
    """What was on record then."""
    paths: tuple[Path, ...]
    identity: _Identity
    recipe: Recipe


@dataclass(frozen=True)
class Catalogue:
    """The recipes of a desk at one moment."""

    recipes: tuple[Recipe, ...] = ()
    """The newest version of each, sorted by id; only what may run."""
    unavailable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Id -> why its newest version must not run."""
    damaged: tuple[Damaged, ...] = ()
    """Every recorded version that must not run, older ones included."""
    unblessed: tuple[Unblessed, ...] = ()
    pins: frozenset[Pin] = frozenset()
    """Every recorded version."""

    def get(self, identifier: str) -> Recipe | None:
        """The newest version of a recipe that may run."""
        return self._by_id.get(identifier)

    @cached_property
    def _by_id(self) -> Mapping[str, Recipe]:
        return {recipe.id: recipe for recipe in self.recipes}

    @cached_property
    def ids(self) -> frozenset[str]:
        """Ids of the recipes that may run: the names of routing folders."""
        return frozenset(recipe.id for recipe in self.recipes)


class Recipes:
    """The recipes of one desk."""

    def __init__(self, files: Files, desk: Desk) -> None:
        self._files = files
        self.paths = RecipePaths(desk)
        self._cache: dict[Pin, _Cached] = {}
        self._glanced: dict[Pin, Recipe] = {}
        self.current = Catalogue()
        """As of the last :meth:`refresh`; before the first one nothing is blessed."""

    def catalogue(self, records: Iterable[Record]) -> Catalogue:
        """Take what is blessed from the records of the audit log, and look at the files."""
        fields = (record.fields["recipe"] for record in records if record.type in RECORDS)
        return self.refresh(msgspec.convert(value, Pin) for value in fields)

    def refresh(self, pins: Iterable[Pin]) -> Catalogue:
        """Take what is blessed from recorded pins, and look at the files."""
        recorded = frozenset(pins)
        self.look_again()
        self.current = Catalogue(pins=recorded)
        newest: dict[str, Pin] = {}
        for pin in sorted(recorded):
            newest[pin.id] = pin
        healthy: dict[Pin, Recipe] = {}
        damaged: list[Damaged] = []
        for pin in sorted(recorded):
            try:
                healthy[pin] = self.get(pin)
            except DeskhandError as error:
                damaged.append(Damaged(pin, error.cause))
        unavailable = {item.pin.id: item.reason for item in damaged if newest[item.pin.id] == item.pin}
        self.current = Catalogue(
            recipes=tuple(healthy[pin] for _, pin in sorted(newest.items()) if pin in healthy),
            unavailable=MappingProxyType(unavailable),
            damaged=tuple(damaged),
            unblessed=tuple(self._unblessed(recorded)),
            pins=recorded,
        )
        return self.current

    def get(self, pin: Pin) -> Recipe:
        """Exactly the recipe that was blessed.  IntegrityError when it is not recorded or no longer the same bytes."""
        cached = self._cache.get(pin)
        if cached is not None and cached.blessed is self.current.pins and cached.identity == _identity(cached.paths):
            return cached.recipe
        self._check_recorded(pin)
        path = self.paths.version(pin.id, pin.version)
        paths = (path,) if pin.code_sha256 is None else (path, self.code_path(pin))
        identity = _identity(paths)
        data = _verified(path, pin.sha256)
        if pin.code_sha256 is not None:
            self.code(pin)
        reading = recipe_file.read(data, expected_id=pin.id, version=pin.version, code_sha256=pin.code_sha256)
        if reading.recipe is None:
            cause = lines(reading.violations, path.name)
            raise ConfigError("reading a blessed recipe", cause, path=path, hint="bless a corrected version")
        self._cache[pin] = _Cached(self.current.pins, paths, identity, reading.recipe)
        return reading.recipe

    def glance(self, pin: Pin) -> Recipe:
        """Like :meth:`get`, but what was proved since the last :meth:`look_again` is believed."""
        found = self._glanced.get(pin)
        if found is None:
            found = self._glanced[pin] = self.get(pin)
        return found

    def look_again(self) -> None:
        """Believe nothing that :meth:`glance` proved so far."""
        self._glanced.clear()

    def code(self, pin: Pin) -> bytes:
        """The blessed snapshot of the code.  IntegrityError when it is not what was blessed."""
        if pin.code_sha256 is None:
            raise IntegrityError("reading a recipe's code", f"version {pin.version} of {pin.id} has no code")
        return _verified(self.code_path(pin), pin.code_sha256, MAX_CODE)

    def code_path(self, pin: Pin) -> Path:
        """Where the snapshot stands; :meth:`code` proves what is in it."""
        return self.paths.code(pin.id, pin.version)

    def concurrency(self, identifier: str) -> int | None:
        """How many tasks of a recipe may run at the same time; None = no limit of its own."""
        recipe = self.current.get(identifier)
        return recipe.concurrency if recipe else None

    def is_inline(self, identifier: str) -> bool:
        """Whether a recipe does its work inside the daemon, without a process or a thread."""
        recipe = self.current.get(identifier)
        return recipe is not None and recipe.kind == "keep"

    # -- drafts ------------------------------------------------------------------------------------------------

    def draft_path(self, identifier: str) -> Path:
        """`vault/recipes/drafts/<id>.yaml`."""
        return self.paths.draft(identifier)

    def check_draft(self, identifier: str) -> DraftCheck:
        """See :func:`store.recipe_drafts.check_draft`."""
        return recipe_drafts.check_draft(self.paths, identifier)

    def new(self, answers: Answers) -> Path:
        """Write a new draft; see :func:`store.recipe_drafts.write_draft`."""
        return recipe_drafts.write_draft(self._files, self.paths, answers)

    def prepare_blessing(self, identifier: str) -> Blessing:
        """Check a draft and find its version, by :attr:`current`; see :func:`store.recipe_drafts.prepare`."""
        damaged = {item.pin for item in self.current.damaged}
        return recipe_drafts.prepare(self.paths, identifier, self.current.pins, damaged)

    def place(self, blessing: Blessing) -> None:
        """Put a version's files in place, durable.  The caller then records it and calls :meth:`refresh`."""
        recipe_drafts.place(self._files, self.paths, blessing)

    def starter(self) -> tuple[Pin, ...]:
        """Put the recipes that come with deskhand in place; the caller records each pin as adopted."""
        pins = []
        for path in starter_recipes():
            data = path.read_bytes()
            reading = recipe_file.read(data, expected_id=path.parent.name, version=1)
            if reading.recipe is None:
                raise ConfigError("adopting a starter recipe", lines(reading.violations, path.name), path=path)
            pin = Pin(reading.recipe.id, 1, sha256(data))
            self.place(Blessing(reading.recipe, data, None, pin, None))
            pins.append(pin)
        return tuple(pins)

    # -- how it is known ---------------------------------------------------------------------------------------

    def _check_recorded(self, pin: Pin) -> None:
        if pin not in self.current.pins:
            cause = f"version {pin.version} of {pin.id} is not blessed, as far as the audit log says"
            path = self.paths.version(pin.id, pin.version)
            raise IntegrityError("reading a blessed recipe", cause, path=path, hint="bless it first")
        others = [other for other in self.current.pins if (other.id, other.version) == (pin.id, pin.version)]
        if len(others) > 1:
            cause = f"version {pin.version} of {pin.id} was recorded with different contents"
            raise IntegrityError("reading a blessed recipe", cause, hint=_HINT)

    def _unblessed(self, recorded: frozenset[Pin]) -> Iterable[Unblessed]:
        known = {(pin.id, pin.version) for pin in recorded}
        try:
            folders = sorted(path for path in self.paths.blessed.iterdir() if path.is_dir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError("listing recipes", error.strerror or str(error), path=self.paths.blessed) from error
        for folder in folders:
            for version in self.paths.versions(folder.name):
                if (folder.name, version) not in known:
                    yield Unblessed(
                        self.paths.version(folder.name, version), "not blessed: the audit log has no record"
                    )


def _identity(paths: tuple[Path, ...]) -> _Identity:
    """Changes whenever one of a version's files does."""
    found: list[int] = []
    for each in paths:
        try:
            seen = os.lstat(each)
        except OSError as error:
            if error.errno in PASSING:
                raise
            cause = f"{each.name} cannot be read: {error.strerror}"
            raise IntegrityError("reading a blessed recipe", cause, path=each, hint=_HINT) from error
        found += [seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_mode]
    return tuple(found)


def starter_recipes() -> list[Path]:
    """The YAML files of the recipes that come with deskhand, sorted by id."""
    folder = Path(__file__).parent.parent / "starter" / "vault" / "recipes" / "blessed"
    return sorted(folder.glob("*/v0001.yaml"))


def _verified(path: Path, expected: str, limit: int | None = None) -> bytes:
    try:
        data = read_bytes(path) if limit is None else read_bytes(path, limit)
    except OSError as error:
        if error.errno in PASSING:
            raise
        cause = f"{path.name} cannot be read: {error.strerror or error}"
        raise IntegrityError("reading a blessed recipe", cause, path=path, hint=_HINT) from error
    if sha256(data) != expected:
        cause = f"{path.name} is not what was blessed: its SHA-256 is not the recorded one"
        raise IntegrityError("reading a blessed recipe", cause, path=path, hint=_HINT)
    return data
