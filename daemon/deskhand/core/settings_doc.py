"""The documentation of the settings, made from their docstrings: tables for people and the commented starter file.

The source text of ``core.settings`` is an argument, because docstrings of fields exist nowhere else.  Tests prove
that ``docs/configuration.md`` and the starter's ``deskhand.yaml`` are what these functions return.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from deskhand.core.settings import Settings
from deskhand.core.settings_file import VARIABLES, quoted, show
from deskhand.core.shape import optional, struct_type, unwrap

LISTS = ("inboxes", "maintenance")
"""Settings that are lists of structs."""

Docs = dict[tuple[str, str], str]
"""(class, field) -> its docstring; the class's own has an empty field."""

_HEADER = """\
# deskhand.yaml: the settings of this desk.  Its presence makes this folder a desk.
#
# Everything here is optional; a line that is commented out shows the default.  Durations: 200ms 10s 10m 2h 7d.
# Sizes: 512KiB 10MB 2GiB.  `deskhand config check` finds mistakes, `deskhand config show` says what holds and why.
"""


def docstrings(source: str) -> Docs:
    """The docstrings of the classes and fields in the source text of a module."""
    found: Docs = {}
    for cls in ast.parse(source).body:
        if not isinstance(cls, ast.ClassDef):
            continue
        found[cls.name, ""] = ast.get_docstring(cls) or ""
        for field, text in zip(cls.body, cls.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                if is_text and isinstance(text.value.value, str):  # type: ignore[attr-defined]
                    found[cls.name, field.target.id] = " ".join(text.value.value.split())  # type: ignore[attr-defined]
    return found


def document(source: str) -> str:
    """Markdown tables of every key: default, what may be written, meaning."""
    docs = docstrings(source)
    parts = [_table("Top level", "", Settings, docs)]
    for field in struct_type(Settings).fields:
        name, cls = field.name, _struct_in(field.type)
        if cls is not None:
            title = f"`{name}` (a list)" if name in LISTS else f"`{name}`"
            parts.append(_table(title, "" if name in LISTS else f"{name}.", cls, docs))
            parts += [
                _table(f"`{name}.{inner.name}` (a list)", f"{name}.{inner.name}.", item, docs)
                for inner in struct_type(cls).fields
                if (item := _struct_in(inner.type)) is not None
            ]
    rows = "".join(f"| `{variable}` | `{key}` |\n" for variable, key in VARIABLES.items())
    parts.append(f"### Environment\n\n| Variable | Overrides |\n|---|---|\n{rows}")
    return "\n".join(parts)


def starter(source: str) -> str:
    """The commented ``deskhand.yaml`` of a fresh desk: every key with its default and its meaning."""
    docs = docstrings(source)
    lines = [_HEADER, "schema: 1", ""]
    for field in struct_type(Settings).fields:
        cls = _struct_in(field.type)
        if field.name == "schema":
            continue
        if cls is None or (field.name in LISTS and not getattr(Settings(), field.name)):
            lines += [*_comment(docs["Settings", field.name], ""), f"# {field.name}: {_default(field)}", ""]
        elif field.name == "inboxes":
            lines += [*_comment(docs["Settings", "inboxes"], ""), *_inboxes(cls, docs), ""]
        else:
            lines += [*_comment(docs[cls.__name__, ""], ""), f"# {field.name}:"]
            for inner in struct_type(cls).fields:
                lines += _comment(docs[cls.__name__, inner.name], "#   ")
                lines.append(f"#   {inner.name}: {_default(inner)}")
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _inboxes(cls: type[msgspec.Struct], docs: Docs) -> Iterator[str]:
    yield "# inboxes:"
    first = Settings().inboxes[0]
    for index, field in enumerate(struct_type(cls).fields):
        yield from _comment(docs[cls.__name__, field.name], "#     ")
        value = show(getattr(first, field.name), unwrap(field.type)[1])
        yield f"#   {'- ' if index == 0 else '  '}{field.name}: {quoted(value) if value == '*' else value}"


def _comment(text: str, indent: str) -> Iterator[str]:
    """*text* as comment lines of at most 100 characters; indented ones are comments within the commented block."""
    prefix, line = f"{indent}# ", ""
    for word in text.split():
        if line and len(prefix) + len(line) + 1 + len(word) > 100:
            yield prefix + line
            line = ""
        line = f"{line} {word}".strip()
    yield prefix + line


def _struct_in(info: inspect.Type) -> type[msgspec.Struct] | None:
    bare = unwrap(info)[0]
    if isinstance(bare, inspect.VarTupleType):
        bare = unwrap(bare.item_type)[0]
    return bare.cls if isinstance(bare, inspect.StructType) else None


def _table(title: str, prefix: str, cls: type[msgspec.Struct], docs: Docs) -> str:
    rows = [
        f"| `{prefix}{field.name}` | {_code(_default(field))} | {_allowed(field.type)} | "
        f"{docs[cls.__name__, field.name].replace('|', chr(92) + '|')} |"
        for field in struct_type(cls).fields
        if _struct_in(field.type) is None
    ]
    head = "| Key | Default | May be | Meaning |\n|---|---|---|---|"
    return f"### {title}\n\n{docs[cls.__name__, '']}\n\n{head}\n" + "\n".join(rows) + "\n"


def _code(text: str) -> str:
    return text if text == "required" else f"`{text}`"


def _default(field: inspect.Field) -> str:
    value: Any = field.default
    if value is msgspec.NODEFAULT:
        if field.default_factory is msgspec.NODEFAULT:
            return "required"
        value = field.default_factory()
    shown = show(value, unwrap(field.type)[1])
    return quoted(shown) if isinstance(value, str) else shown


def _allowed(info: inspect.Type) -> str:
    bare, unit = unwrap(info)
    end = " or null" if optional(info) else ""
    match bare:
        case inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in bare.values) + end
        case inspect.BoolType():
            return "`true` or `false`" + end
        case inspect.VarTupleType():
            return "list of texts" + end
        case inspect.IntType() | inspect.FloatType():
            return (_number(bare, unit)) + end
        case _:
            return "text" + end


def _number(info: inspect.IntType | inspect.FloatType, unit: str | None) -> str:
    word = {"seconds": "duration", "bytes": "size"}.get(unit or "", "number")
    # The longest duration is the same everywhere and said once, above the tables.
    if unit != "seconds" and info.ge is not None and info.le is not None:
        return f"{word} from {info.ge} to {info.le}"
    if info.gt is not None:
        return f"{word} above {info.gt}"
    return f"{word}, at least {info.ge}" if info.ge else word
