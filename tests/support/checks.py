"""Every check of the product that refuses something, found in its text, and how to take one of them out.

A check is a statement that refuses: it raises, returns or records that something is not what it should be.  It is named
by its file, the function and the condition it stands under: ``store/attempts.py prepare: manifest_sha256(found) !=
sha256``.  Taken out it does nothing, and the function goes on.  What an ``except`` block raises is no check: the error
that it words refuses by itself.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import deskhand

PRODUCT = Path(deskhand.__file__).parent
WHERE = ("core/step.py", "core/replay.py", "core/deliver_path.py", "engine/*.py", "store/*.py")
"""Where the log, the queue and what people answered are protected; what only reads or shows is left out below."""
READERS = frozenset({"engine/view.py", "store/audit_verify.py", "engine/clockwork.py"})
RAISED = frozenset({"IntegrityError", "HeldError", "Changed", "IllegalMove", "FsyncError", "Damaged"})
"""Errors that say: this is not what it should be."""
REFUSING = frozenset({"_refuse", "_refuse_bad", "_damaged", "_held", "_swapped", "_refused", "held_error"})
"""Functions that make or raise such an error."""
ANSWERS = frozenset({"Postponed", "Declined", "Damage", "Hold", "Edited", "Foreign"})
"""Values that say the same."""
HOSTILE = frozenset(
    {"store/drop_file.py", "store/dropped.py", "store/archive_read.py", "core/deliver_path.py", "store/deliver.py"}
)
"""Where a ValueError or ConfigError is the refusal of something hostile."""
WIDTH = 60
"""Characters of a condition that are shown."""


@dataclass(frozen=True)
class Check:
    """A statement that refuses."""

    name: str
    file: str
    function: str
    """Qualified name of the outermost function that it is in."""
    line: int
    column: int


@cache
def checks() -> dict[str, Check]:
    """All of them, by name."""
    found: dict[str, Check] = {}
    for pattern in WHERE:
        for path in sorted(PRODUCT.glob(pattern)):
            name = path.relative_to(PRODUCT).as_posix()
            if name not in READERS:
                for check in _in_file(name, ast.parse(path.read_text())):
                    found[check.name] = check
    return found


def _in_file(file: str, tree: ast.Module) -> Iterator[Check]:
    times: Counter[str] = Counter()
    for outer, inner, node, under in _statements(tree, "", "", "always"):
        if _refuses(file, node):
            name = f"{file} {inner}: {under}"
            times[name] += 1
            again = f" ({times[name]})" if times[name] > 1 else ""
            yield Check(name + again, file, outer, node.lineno, node.col_offset)


def _statements(node: ast.AST, outer: str, inner: str, under: str) -> Iterator[tuple[str, str, ast.stmt, str]]:
    """Every statement in a function: the outermost and the innermost function, and its condition."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.ClassDef):
                yield from _statements(child, f"{child.name}.", inner, under)
            elif isinstance(child, ast.FunctionDef):
                whole = outer if outer and not outer.endswith(".") else outer + child.name
                yield from _statements(child, whole, child.name, "always")
            elif isinstance(child, ast.ExceptHandler):
                continue
            elif isinstance(child, ast.match_case):
                yield from _statements(child, outer, inner, _short(f"case {ast.unparse(child.pattern)}"))
            elif isinstance(child, ast.stmt):
                condition = _condition(node, field, under)
                if inner:
                    yield outer, inner, child, condition
                yield from _statements(child, outer, inner, condition)


def _condition(parent: ast.AST, field: str, under: str) -> str:
    if isinstance(parent, ast.If):
        return _short(ast.unparse(parent.test) if field == "body" else f"not: {ast.unparse(parent.test)}")
    return under


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


def _refuses(file: str, node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise) and node.exc is not None:
        raised = _called(node.exc)
        return raised in RAISED | REFUSING or (file in HOSTILE and raised in ("ValueError", "ConfigError"))
    if isinstance(node, ast.Expr | ast.Return) and isinstance(node.value, ast.Call):
        call = node.value
        if _called(call) in REFUSING and isinstance(node, ast.Expr):
            return True
        return any(_says_no(each) for each in ast.walk(call) if isinstance(each, ast.Call))
    return isinstance(node, ast.Return) and node.value is not None and "Removed.REPLACED" in ast.unparse(node.value)


def _says_no(call: ast.Call) -> bool:
    called = _called(call)
    if called == "Decision":
        return any(keyword.arg == "refusal" for keyword in call.keywords)
    if called == "Finding":
        return bool(call.args) and ast.unparse(call.args[0]) not in ("Verdict.OK", "Verdict.NEW", "Verdict.MOVED")
    return called in ANSWERS


def _called(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


# -- taking out --------------------------------------------------------------------------------------------------------


def take_out(check: Check) -> None:
    """From now on, in this process, the statement does nothing."""
    tree = ast.parse((PRODUCT / check.file).read_text())

    class Without(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if isinstance(node, ast.stmt) and (node.lineno, node.col_offset) == (check.line, check.column):
                return ast.copy_location(ast.Pass(), node)
            return self.generic_visit(node)

    _swap(check.file, check.function, ast.fix_missing_locations(Without().visit(tree)))


def change_all(changes: Sequence[tuple[str, str, str, str]]) -> None:
    """From now on, in this process, functions have another text: file, function, what it says (once), what instead."""
    texts: dict[str, str] = {}
    for file, function, before, after in changes:
        texts[file] = _changed(texts.get(file) or (PRODUCT / file).read_text(), file, function, before, after)
    for file, function, _, _ in changes:
        _swap(file, function, ast.parse(texts[file]))


def _changed(text: str, file: str, function: str, before: str, after: str) -> str:
    node = next((node for name, node in _functions(ast.parse(text), "") if name == function), None)
    if node is None:
        raise LookupError(f"{file} has no {function}")
    lines = text.splitlines(keepends=True)
    begin, end = node.lineno - 1, node.end_lineno
    body = "".join(lines[begin:end])
    if body.count(before) != 1:
        raise LookupError(f"{file} {function} has {before!r} {body.count(before)} times")
    return "".join([*lines[:begin], body.replace(before, after), *lines[end:]])


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child


def _swap(file: str, function: str, tree: ast.Module) -> None:
    """Give the living function the code that it has in *tree*."""
    module = importlib.import_module("deskhand." + file.removesuffix(".py").replace("/", "."))
    codes = [code for code in _codes(compile(tree, str(PRODUCT / file), "exec")) if code.co_qualname == function]
    found: Any = module
    for part in function.split("."):
        found = inspect.getattr_static(found, part)
    _plain(found).__code__ = codes[-1]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _plain(found: Any) -> FunctionType:
    """The function behind a property, a class method or a wrapper."""
    inner = getattr(found, "fget", None) or getattr(found, "__wrapped__", None) or getattr(found, "__func__", None)
    if inner is not None:
        return _plain(inner)
    if not isinstance(found, FunctionType):
        raise LookupError(f"{found!r} is no function")
    return found
