"""Text of a rule -> a frozen tree, and back; what the words mean is in ``core.rule``.

A tokenizer and a recursive descent of bounded depth, no library.  Everything that makes no sense for any drop is
refused here: unknown facts, text compared with ``<``, ``kind == "foldr"``.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias, assert_never

from msgspec import Struct

from deskhand.core.shape import suggest
from deskhand.core.units import SIZES, parse_size, show_size

MAX_LENGTH = 1000
"""Characters of a rule."""
MAX_DEPTH = 20
"""Parentheses and `not` inside each other."""

TEXTS = ("name", "ext", "inbox", "route", "kind")
"""Facts that are text."""
NUMBERS = ("bytes", "files")
"""Facts that are numbers."""
KINDS = ("file", "folder")
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_OPERATORS: dict[str, Operator] = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = frozenset({"and", "or", "not", "in", "matches", "duplicate"})
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?[A-Za-z]*)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    |(?P<text>"[^"\\\x00-\x1f]*"|'[^'\\\x00-\x1f]*')|(?P<sign>==|!=|<=|>=|<|>|\(|\)|,))""",
    re.VERBOSE | re.ASCII,
)
_DECIMAL = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?\Z", re.ASCII)


class RuleError(ValueError):
    """A rule that cannot be read; says where and why."""


class Compare(Struct, frozen=True, tag=True):
    """`fact op value`."""

    fact: str
    op: Operator
    value: Decimal | str


class Member(Struct, frozen=True, tag=True):
    """`fact in (a, b)` or `fact not in (a, b)`."""

    fact: str
    values: tuple[Decimal | str, ...]
    negated: bool


class Matches(Struct, frozen=True, tag=True):
    """`fact matches "glob"`."""

    fact: str
    glob: str


class Duplicate(Struct, frozen=True, tag=True):
    """The same bytes were completed before."""


class Not(Struct, frozen=True, tag=True):
    """`not part`."""

    part: Rule


class And(Struct, frozen=True, tag=True):
    """All of them."""

    parts: tuple[Rule, ...]


class Or(Struct, frozen=True, tag=True):
    """At least one of them."""

    parts: tuple[Rule, ...]


Rule: TypeAlias = Compare | Member | Matches | Duplicate | Not | And | Or


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    """Column, from 1."""


def parse(text: str) -> Rule:
    """Read a rule; RuleError says what is wrong."""
    if len(text) > MAX_LENGTH:
        raise RuleError(f"longer than {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    rule = parser.either(0)
    parser.end()
    return rule


def show(rule: Rule) -> str:
    """The rule as text that :func:`parse` reads back as the same tree."""
    match rule:
        case And():
            return " and ".join(_inner(part, (Or, And)) for part in rule.parts)
        case Or():
            return " or ".join(_inner(part, (Or,)) for part in rule.parts)
        case Not():
            return f"not {_inner(rule.part, (Or, And))}"
        case Duplicate():
            return "duplicate"
        case Matches():
            return f"{rule.fact} matches {_literal(rule.glob, rule.fact)}"
        case Member():
            values = ", ".join(_literal(value, rule.fact) for value in rule.values)
            return f"{rule.fact} {'not in' if rule.negated else 'in'} ({values})"
        case Compare():
            return f"{rule.fact} {rule.op} {_literal(rule.value, rule.fact)}"
        case _:
            assert_never(rule)


def parameters(rule: Rule) -> frozenset[str]:
    """Names of the parameters that the rule asks about."""
    match rule:
        case And() | Or():
            return frozenset().union(*(parameters(part) for part in rule.parts))
        case Not():
            return parameters(rule.part)
        case Duplicate():
            return frozenset()
        case Compare() | Member() | Matches():
            is_parameter = rule.fact.startswith("param.")
            return frozenset({rule.fact.removeprefix("param.")} if is_parameter else ())
        case _:
            assert_never(rule)


def decimal(text: str) -> Decimal | None:
    """The number in *text*, in plain decimal notation; None when it is none."""
    return Decimal(text) if _DECIMAL.match(text) else None


def _inner(rule: Rule, weaker: tuple[type, ...]) -> str:
    return f"({show(rule)})" if isinstance(rule, weaker) else show(rule)


def _literal(value: Decimal | str, fact: str) -> str:
    if isinstance(value, Decimal):
        sized = fact == "bytes" and value > 0 and value == int(value)
        return show_size(int(value)) if sized else f"{value:f}"
    return f"'{value}'" if '"' in value else json.dumps(value, ensure_ascii=False)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise RuleError(f"column {start + 1}: {text[start]!r} does not belong in a rule; text stands in quotes")
        kind = str(found.lastgroup)
        tokens.append(_Token(kind, found[kind], found.start(kind) + 1))
        at = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def either(self, depth: int) -> Rule:
        """`a or b or c`"""
        parts = [self._both(depth)]
        while self._accept("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def end(self) -> None:
        """Nothing may follow."""
        token = self._peek()
        if token is not None:
            raise RuleError(f"column {token.at}: unexpected {token.text!r}; join conditions with 'and' or 'or'")

    def _both(self, depth: int) -> Rule:
        parts = [self._negation(depth)]
        while self._accept("and"):
            parts.append(self._negation(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self, depth: int) -> Rule:
        if depth > MAX_DEPTH:
            raise RuleError(f"nested deeper than {MAX_DEPTH}")
        if self._accept("not"):
            return Not(self._negation(depth + 1))
        if self._accept("("):
            rule = self.either(depth + 1)
            self._expect(")")
            return rule
        return self._condition()

    def _condition(self) -> Rule:
        token = self._take("a condition")
        if token.text == "duplicate":
            return Duplicate()
        if token.kind != "word" or token.text in _WORDS:
            raise RuleError(f"column {token.at}: expected a fact such as bytes or name, found {token.text!r}")
        fact = _fact(token)
        operator = self._take("an operator such as == or in")
        if operator.text == "matches":
            return self._matches(fact, operator)
        if operator.text == "in":
            return Member(fact, self._values(fact), False)
        if operator.text == "not":
            self._expect("in")
            return Member(fact, self._values(fact), True)
        if operator.text not in _OPERATORS:
            hint = "; equality is written ==" if operator.text in ("is", "equals") else ""
            raise RuleError(f"column {operator.at}: expected an operator, found {operator.text!r}{hint}")
        op = _OPERATORS[operator.text]
        value = self._value(fact)
        if isinstance(value, str) and op not in ("==", "!="):
            raise RuleError(f"column {operator.at}: text can be compared with == and != only")
        return Compare(fact, op, value)

    def _matches(self, fact: str, operator: _Token) -> Rule:
        if fact in NUMBERS:
            raise RuleError(f"column {operator.at}: {fact} is a number; compare it with < or >")
        glob = self._take("a glob in quotes")
        if glob.kind != "text":
            raise RuleError(f"column {glob.at}: 'matches' needs a glob in quotes, such as \"*.exe\"")
        return Matches(fact, glob.text[1:-1])

    def _values(self, fact: str) -> tuple[Decimal | str, ...]:
        self._expect("(")
        values = [self._value(fact)]
        while self._accept(","):
            values.append(self._value(fact))
        self._expect(")")
        return tuple(values)

    def _value(self, fact: str) -> Decimal | str:
        token = self._take("a value")
        if token.kind == "text":
            return _checked_text(fact, token)
        if token.kind != "number":
            raise RuleError(f"column {token.at}: expected a number or text in quotes, found {token.text!r}")
        if fact in TEXTS:
            raise RuleError(f"column {token.at}: {fact} is text; put the value in quotes")
        return _checked_number(fact, token)

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, wanted: str) -> _Token:
        token = self._peek()
        if token is None:
            raise RuleError(f"ends where {wanted} is expected")
        self._next += 1
        return token

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.text != text:
            return False
        self._next += 1
        return True

    def _expect(self, text: str) -> None:
        token = self._take(repr(text))
        if token.text != text:
            raise RuleError(f"column {token.at}: expected {text!r}, found {token.text!r}")


def _fact(token: _Token) -> str:
    known = (*TEXTS, *NUMBERS, "duplicate")
    if token.text in (*TEXTS, *NUMBERS) or re.fullmatch(r"param\.[a-z][a-z0-9_]{0,39}", token.text):
        return token.text
    raise RuleError(
        f"column {token.at}: no such fact: {token.text!r}"
        f"{suggest(token.text, known) or '; known are ' + ', '.join(known) + ' and param.<name>'}"
    )


def _checked_text(fact: str, token: _Token) -> str:
    text = token.text[1:-1]
    if fact in NUMBERS:
        raise RuleError(f"column {token.at}: {fact} is a number; write it without quotes")
    if fact == "kind" and text not in KINDS:
        raise RuleError(f"column {token.at}: kind is 'file' or 'folder', never {text!r}")
    return text


def _checked_number(fact: str, token: _Token) -> Decimal:
    plain = decimal(token.text)
    if plain is not None:
        return plain
    if fact != "bytes":
        raise RuleError(f"column {token.at}: {token.text!r} is not a plain number; only bytes has units ({_UNITS})")
    try:
        return Decimal(parse_size(token.text))
    except ValueError as error:
        raise RuleError(f"column {token.at}: {token.text!r} {error}") from error


_UNITS = ", ".join(SIZES)
