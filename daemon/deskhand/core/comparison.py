"""``metric operator value``: what a check compares, and how values with units are read."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from deskhand.core.fact import FACTS, Value
from deskhand.core.units import parse_duration, parse_size

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
OPERATORS: Mapping[str, Any] = MappingProxyType(
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)
_ORDERING = frozenset({"<", "<=", ">", ">="})
_CONDITION = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*(==|!=|<=|>=|<|>)\s*(\S.*?)\s*\Z")


class Comparison(Struct, frozen=True):
    """A statement about a metric, which is true, false or cannot be known."""

    metric: str
    operator: Operator
    value: Value

    def holds(self, found: Value) -> bool:
        """Whether it is true of *found*."""
        return bool(OPERATORS[self.operator](found, self.value))


def comparison(metric: str, sign: str, text: str) -> Comparison:
    """Read a comparison; ValueError says what is wrong, as the end of a sentence."""
    known = FACTS.get(metric)
    if known is None:
        raise ValueError(f"there is no metric {metric!r}; docs/checklists.md lists them")
    if sign not in OPERATORS:
        raise ValueError(f"must compare with {' '.join(OPERATORS)}, not {sign!r}")
    if known.unit in ("text", "truth") and sign in _ORDERING:
        raise ValueError(f"{metric} is {known.unit} and can only be == or != something")
    return Comparison(metric, sign, _value(known.unit, text))  # type: ignore[arg-type]


def condition(text: str) -> Comparison:
    """``approvals.waiting > 0``; ValueError when it is none."""
    found = _CONDITION.match(text)
    if found is None:
        raise ValueError("must be a metric, an operator and a value, as in 'approvals.waiting > 0'")
    return comparison(found[1], found[2], found[3])


def _value(unit: str, text: str) -> Value:
    match unit:
        case "seconds":
            return parse_duration(text)
        case "bytes":
            return parse_size(text)
        case "truth":
            if text not in ("true", "false"):
                raise ValueError(f"must be true or false, not {text!r}")
            return text == "true"
        case "text":
            return text
        case _:
            number = text.removesuffix("%").strip() if unit == "percent" else text
            try:
                return float(number)
            except ValueError:
                raise ValueError(f"must be a number, not {text!r}") from None
