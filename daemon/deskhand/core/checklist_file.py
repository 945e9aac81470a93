"""Bytes of a checklist's YAML -> a typed checklist, or every reason why not, each with its line.

Cron expressions are judged by form only; whether their times ever come is the engine's to know.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field

from deskhand.core import strict_yaml as y
from deskhand.core.checklist import DAY, Check, Checklist, Expect, Manual, OnFail, Program, Severity, Step
from deskhand.core.comparison import Comparison, comparison, condition
from deskhand.core.cron_form import cron_problem
from deskhand.core.due import Policy
from deskhand.core.shape import MISSING, Shaper, suggest
from deskhand.core.units import PositiveSeconds

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
STEPS_MAX = 100
TEXT_MAX = 500
"""Characters of a question or title."""
_KINDS = ("run", "check", "manual")
_ONLY_FOR = {
    "timeout": "run",
    "retry": "run",
    "expect": "run",
    "role": "manual",
    "due": "manual",
    "escalate": "manual",
    "evidence": "manual",
}


class Reading(NamedTuple):
    """*checklist* is None exactly when there are *violations*."""

    checklist: Checklist | None
    violations: tuple[y.Violation, ...]


class _Check(Struct, frozen=True):
    """``check:`` as it is written."""

    metric: str
    operator: str
    value: str
    warn: str | None = None


class _Step(Struct, frozen=True):
    """A step as it is written."""

    id: str
    title: str = ""
    run: tuple[str, ...] | None = None
    check: _Check | None = None
    manual: str | None = None
    evidence: bool = False
    needs: tuple[str, ...] = ()
    if_: str | None = None
    timeout: PositiveSeconds = 300.0
    retry: int = 0
    expect: Expect = field(default_factory=Expect)
    severity: Severity = "P2"
    on_fail: OnFail = field(default_factory=OnFail)
    role: str = "owner"
    due: PositiveSeconds = DAY
    escalate: str | None = None


class _File(Struct, frozen=True):
    """The file as it is written."""

    schema: int
    title: str
    purpose: str
    steps: tuple[_Step, ...]
    schedule: str | None = None
    zone: str | None = None
    catch_up: Policy = "once"
    grace: PositiveSeconds = 12 * 3600.0
    holidays: Literal["run", "skip"] = "run"


def read(data: bytes, name: str) -> Reading:
    """Read the checklist called *name*.  Never raises for any bytes."""
    document = y.read(data)
    if document.root is None:
        return Reading(None, document.violations)
    checker = _Checker(document.root)
    found = checker.check()
    if NAME.match(name) is None:
        checker.wrong("", "a checklist's file is called 1 to 40 characters of a-z, 0-9 and '-', and .yaml")
    violations = tuple(sorted({*document.violations, *map(_as_written, checker.shaper.violations)}))
    if found is None or violations:
        return Reading(None, violations)
    return Reading(Checklist(name=name, sha256=hashlib.sha256(data).hexdigest(), **found), ())


class _Checker:
    """One pass over one file."""

    def __init__(self, root: y.Node) -> None:
        self.root = _renamed(root)
        self.shaper = Shaper({(_Check, "value"): self._plain, (_Check, "warn"): self._plain})

    def wrong(self, path: str, message: str) -> None:
        """Note a violation."""
        self.shaper.wrong(y.locate(self.root, path), path, message)

    def _plain(self, node: y.Node, path: str) -> Any:
        """A single value as it was written: its metric says how it is meant."""
        if isinstance(node, y.Scalar) and node.value is not None:
            return node.text
        return self.shaper.wrong(node.span, path, "must be a single value")

    def check(self) -> dict[str, Any] | None:
        """The fields of the checklist, or None; violations are in the shaper."""
        found = self.shaper.fields(self.root, _File)
        if found is MISSING:
            return None
        if found.pop("schema", 1) != 1:
            self.wrong("schema", "must be 1; other formats are not known to this version of deskhand")
        for key in ("title", "purpose"):
            if key in found and not 0 < len(found[key].strip()) <= TEXT_MAX:
                self.wrong(key, f"must have 1 to {TEXT_MAX} characters")
        if found.get("schedule") is not None and (message := cron_problem(found["schedule"])) is not None:
            self.wrong("schedule", message)
        steps = found.get("steps", ())
        if "steps" in found and not 0 < len(steps) <= STEPS_MAX:
            self.wrong("steps", f"must be 1 to {STEPS_MAX} steps")
        before: list[str] = []
        made = []
        for index, step in enumerate(steps):
            made.append(self._step(f"steps[{index}]", step, before))
            before.append(step.id)
        return {**found, "steps": tuple(made)}

    def _step(self, path: str, step: _Step, before: list[str]) -> Step | None:
        if NAME.match(step.id) is None:
            self.wrong(f"{path}.id", "must be 1 to 40 characters of a-z, 0-9 and '-'")
        elif step.id in before:
            self.wrong(f"{path}.id", f"another step is called {step.id!r} already")
        for index, need in enumerate(step.needs):
            if need not in before:
                self.wrong(f"{path}.needs[{index}]", f"no earlier step is called {need!r}{suggest(need, before)}")
        if len(step.title) > TEXT_MAX:
            self.wrong(f"{path}.title", f"must have at most {TEXT_MAX} characters")
        if not 0 <= step.retry <= 10:
            self.wrong(f"{path}.retry", "must be from 0 to 10")
        what = self._what(path, step)
        wanted = None if step.if_ is None else self._compared(f"{path}.if_", step.if_)
        if what is None:
            return None
        return Step(
            id=step.id,
            what=what,
            title=step.title,
            needs=step.needs,
            condition=wanted,
            timeout=step.timeout,
            retry=step.retry,
            expect=step.expect,
            severity=step.severity,
            on_fail=step.on_fail,
            role=step.role,
            due=step.due,
            escalate=step.escalate,
        )

    def _what(self, path: str, step: _Step) -> Program | Check | Manual | None:
        kinds = [kind for kind in _KINDS if getattr(step, kind) is not None]
        if len(kinds) != 1:
            self.wrong(path, f"must have one of {', '.join(_KINDS)}, not {' and '.join(kinds) or 'none of them'}")
            return None
        node = self._node(path)
        for key, kind in _ONLY_FOR.items():
            if kind != kinds[0] and node is not None and node.get(key) is not None:
                self.wrong(f"{path}.{key}", f"belongs to a step with {kind}, not to one with {kinds[0]}")
        if step.run is not None:
            return self._program(path, step)
        if step.manual is not None:
            if not 0 < len(step.manual.strip()) <= TEXT_MAX or "\n" in step.manual.strip():
                self.wrong(f"{path}.manual", f"must be a question of one line, at most {TEXT_MAX} characters")
            return Manual(" ".join(step.manual.split()), step.evidence)
        assert step.check is not None
        return self._check(f"{path}.check", step.check)

    def _program(self, path: str, step: _Step) -> Program | None:
        argv = step.run or ()
        if not argv or not argv[0].strip() or any("\0" in part for part in argv):
            self.wrong(f"{path}.run", "must be a program and its arguments, as in [deskhand, audit, verify]")
            return None
        if step.expect.output is not None:
            try:
                re.compile(step.expect.output)
            except (re.error, OverflowError) as error:
                self.wrong(f"{path}.expect.output", f"is no regular expression: {error}")
        return Program(argv)

    def _check(self, path: str, written: _Check) -> Check | None:
        good = self._read(f"{path}.value", written.metric, written.operator, written.value)
        warn = None
        if written.warn is not None and good is not None:
            warn = self._read(f"{path}.warn", written.metric, written.operator, written.warn)
        return None if good is None else Check(good, warn)

    def _read(self, path: str, metric: str, sign: str, value: str) -> Comparison | None:
        try:
            return comparison(metric, sign, value)
        except ValueError as error:
            self.wrong(path, str(error))
            return None

    def _compared(self, path: str, text: str) -> Comparison | None:
        try:
            return condition(text)
        except ValueError as error:
            self.wrong(path, str(error))
            return None

    def _node(self, path: str) -> y.Mapping | None:
        steps = self.root.get("steps") if isinstance(self.root, y.Mapping) else None
        index = int(path.removeprefix("steps[").removesuffix("]"))
        node = steps.items[index] if isinstance(steps, y.Sequence) else None
        return node if isinstance(node, y.Mapping) else None


def _renamed(root: y.Node) -> y.Node:
    """The same tree with a step's ``if`` under the name of a field; whoever wrote `if_` wrote no such key."""
    steps = root.get("steps") if isinstance(root, y.Mapping) else None
    if not isinstance(root, y.Mapping) or not isinstance(steps, y.Sequence):
        return root
    items = tuple(_step_renamed(item) if isinstance(item, y.Mapping) else item for item in steps.items)
    entries = [
        y.Entry(e.key, y.Sequence(items, steps.flow, steps.span)) if e.node is steps else e for e in root.entries
    ]
    return y.Mapping(tuple(entries), root.flow, root.span)


def _as_written(violation: y.Violation) -> y.Violation:
    return replace(violation, path=re.sub(r"\.if_(?=[.?]|$)", ".if", violation.path))


_NAMES = {"if": "if_", "if_": "if_?"}


def _step_renamed(step: y.Mapping) -> y.Mapping:
    def key(found: y.Scalar) -> y.Scalar:
        name = _NAMES.get(found.text, found.text)
        return y.Scalar(name, name, found.style, found.span)

    return y.Mapping(tuple(y.Entry(key(e.key), e.node) for e in step.entries), step.flow, step.span)
