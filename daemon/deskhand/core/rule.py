"""The language of ``approval: {when: <rule>}``: small true-or-false expressions over the facts of a drop.

    bytes > 10MiB
    name matches "*.exe" or kind == "folder"
    inbox == "downloads" and not (ext in ("pdf", "docx"))
    param.amount > 100 or duplicate

Rules: ``and``, ``or``, ``not``, parentheses; ``== != < <= > >=``, ``in (...)``, ``not in (...)``, ``matches "glob"``
(case-insensitive).  What makes no sense is refused when the recipe is checked.  What cannot be known about one drop
(a parameter that is missing or no number) is *unknown*, and a rule whose answer hangs on something unknown asks.

The sentences say what the rule says and never repeat names or values of parameters: they stand in the audit log.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, assert_never

from msgspec import Struct

from deskhand.core.names import extension
from deskhand.core.recipe import Approve
from deskhand.core.rule_parser import (
    And,
    Compare,
    Duplicate,
    Matches,
    Member,
    Not,
    Or,
    Rule,
    RuleError,
    decimal,
    parameters,
    parse,
    show,
)

__all__ = ["Facts", "Rule", "RuleError", "Verdict", "evaluate", "must_ask", "parameters", "parse", "show"]

_parse = lru_cache(maxsize=256)(parse)


class Facts(Struct, frozen=True):
    """What a rule can ask about a drop."""

    name: str
    """The dropped name."""
    bytes: int
    """Size of the whole input."""
    kind: Literal["file", "folder"] = "file"
    inbox: str = "main"
    route: str = ""
    """The routing folder; empty when it was dropped in none."""
    files: int = 1
    """Number of files in it."""
    duplicate: bool | None = None
    """Whether the same bytes were completed before; None = not known."""
    params: Mapping[str, str] = {}
    """Effective parameters, defaults included."""


class Verdict(Struct, frozen=True):
    """Whether a person is asked, and why, as a sentence."""

    asks: bool
    why: str


class _Truth(Struct, frozen=True):
    value: bool | None
    """None = unknown."""
    why: str


def must_ask(approve: Approve, facts: Facts, *, strict: bool = False) -> Verdict:
    """Whether a person must approve this drop.  *strict*: the drop itself asks for it.  A broken rule asks."""
    if strict:
        return Verdict(True, "The drop itself asks for an approval.")
    match approve.mode:
        case "required":
            return Verdict(True, "The recipe asks every time.")
        case "never":
            return Verdict(False, "The recipe never asks.")
        case "when":
            try:
                rule = _parse(approve.when or "")
            except RuleError as error:
                return Verdict(True, f"The recipe's rule cannot be read ({error}), so it asks.")
            return evaluate(rule, facts)
        case _:
            assert_never(approve.mode)


def evaluate(rule: Rule, facts: Facts) -> Verdict:
    """Apply a rule; whatever is unknown and matters makes it ask."""
    truth = _truth(rule, facts)
    if truth.value is None:
        return Verdict(True, f"It cannot be told whether the recipe's rule holds ({truth.why}), so it asks.")
    if truth.value:
        return Verdict(True, f"The recipe asks when {truth.why}.")
    return Verdict(False, f"The recipe asks only when {show(rule)}.")


def _truth(rule: Rule, facts: Facts) -> _Truth:
    match rule:
        case And():
            return _all([_truth(part, facts) for part in rule.parts])
        case Or():
            return _any([_truth(part, facts) for part in rule.parts])
        case Not():
            inner = _truth(rule.part, facts)
            return inner if inner.value is None else _Truth(not inner.value, show(rule))
        case Duplicate():
            if facts.duplicate is None:
                return _Truth(None, "whether the same bytes were completed before is not known")
            return _Truth(facts.duplicate, "the same bytes were completed before")
        case Matches():
            known = _text(rule.fact, facts)
            if known is None:
                return _Truth(None, f"{rule.fact} is missing")
            return _Truth(fnmatchcase(_folded(known), _folded(rule.glob)), show(rule))
        case Member():
            return _member(rule, facts)
        case Compare():
            return _compare(rule, facts)
        case _:
            assert_never(rule)


def _all(parts: list[_Truth]) -> _Truth:
    """False if one is, else unknown if one is, else true for the sake of all."""
    for value in (False, None):
        found = next((part for part in parts if part.value is value), None)
        if found is not None:
            return found
    return _Truth(True, " and ".join(part.why for part in parts))


def _any(parts: list[_Truth]) -> _Truth:
    """True if one is, else unknown if one is, else false."""
    for value in (True, None):
        found = next((part for part in parts if part.value is value), None)
        if found is not None:
            return found
    return parts[0]


def _member(rule: Member, facts: Facts) -> _Truth:
    parts = [_compare(Compare(rule.fact, "==", value), facts) for value in rule.values]
    inside = _any(parts)
    if inside.value is None:
        return inside
    return _Truth(inside.value is not rule.negated, show(rule))


def _compare(rule: Compare, facts: Facts) -> _Truth:
    if isinstance(rule.value, str):
        known = _text(rule.fact, facts)
        if known is None:
            return _Truth(None, f"{rule.fact} is missing")
        wanted = _same_form(rule.value, rule.fact)
        return _Truth((_same_form(known, rule.fact) == wanted) is (rule.op == "=="), show(rule))
    number = _number(rule.fact, facts)
    if number is None:
        return _Truth(None, f"{rule.fact} is missing or is not a number")
    why = f"{show(rule)} (it has {facts.bytes})" if rule.fact == "bytes" else show(rule)
    return _Truth(_ordered(number, rule), why)


def _ordered(number: Decimal, rule: Compare) -> bool:
    assert isinstance(rule.value, Decimal)
    match rule.op:
        case "==":
            return number == rule.value
        case "!=":
            return number != rule.value
        case "<":
            return number < rule.value
        case "<=":
            return number <= rule.value
        case ">":
            return number > rule.value
        case ">=":
            return number >= rule.value
        case _:
            assert_never(rule.op)


def _text(fact: str, facts: Facts) -> str | None:
    match fact:
        case "name":
            return facts.name
        case "ext":
            return extension(facts.name).removeprefix(".")
        case "inbox":
            return facts.inbox
        case "route":
            return facts.route
        case "kind":
            return facts.kind
        case _:
            return facts.params.get(fact.removeprefix("param."))


def _number(fact: str, facts: Facts) -> Decimal | None:
    match fact:
        case "bytes":
            return Decimal(facts.bytes)
        case "files":
            return Decimal(facts.files)
        case _:
            return decimal(facts.params.get(fact.removeprefix("param."), ""))


def _same_form(text: str, fact: str) -> str:
    return text.lower().removeprefix(".") if fact == "ext" else unicodedata.normalize("NFC", text)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
