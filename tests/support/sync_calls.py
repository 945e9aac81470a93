"""Every call with which the product makes something durable, and how to take one of them out.

A call is named by the file it stands in, the function, and what is called there: `store/accept.py accept.fsync_folder`.
``create``, ``copy`` and ``write_atomic`` sync unless they are told not to.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import deskhand
from deskhand.store import files
from deskhand.testing.lossy_files import LossyFiles

PRODUCT = Path(deskhand.__file__).parent
ALWAYS = frozenset(
    {"fsync", "fdatasync", "fsync_file", "fsync_folder", "fsync_folders", "fsync_tree", "sync_filesystem"}
)
UNLESS_TOLD = frozenset({"create", "copy", "write_atomic"})


def sync_calls() -> set[str]:
    """All of them."""
    found = set()
    for path in sorted(PRODUCT.rglob("*.py")):
        if path != Path(files.__file__) and "testing" not in path.parts:
            name = path.relative_to(PRODUCT).as_posix()
            found |= {f"{name} {call}" for call in _calls(ast.parse(path.read_text()), "")}
    return found


def _calls(node: ast.AST, function: str) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        function = node.name
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _syncs(node, node.func):
        yield f"{function}.{node.func.attr}"
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, function)


def _syncs(call: ast.Call, called: ast.Attribute) -> bool:
    owner = ast.unparse(called.value)
    if not owner.endswith("files") or (called.attr not in ALWAYS and called.attr not in UNLESS_TOLD):
        return False
    told = next((keyword.value for keyword in call.keywords if keyword.arg == "sync"), None)
    return not (isinstance(told, ast.Constant) and told.value is False)


def take_out(patch: pytest.MonkeyPatch, call: str) -> None:
    """From now on a lossy disk does nothing for one of the calls, as if it did not stand there."""
    known = LossyFiles._sync

    def without(self: LossyFiles, operation: str, sync: object, fd: int) -> None:
        if caller() == call:
            self.before(operation, fd)
        else:
            known(self, operation, sync, fd)

    patch.setattr(LossyFiles, "_sync", without)


def caller() -> str:
    """Who wants the sync that is about to be made."""
    frame, called = sys._getframe(1), ""
    while frame.f_back is not None:
        path = frame.f_code.co_filename
        if path == files.__file__:
            called = frame.f_code.co_name
        elif called:
            name = Path(path).relative_to(PRODUCT).as_posix() if PRODUCT in Path(path).parents else path
            return f"{name} {frame.f_code.co_name}.{called}"
        frame = frame.f_back
    return ""
