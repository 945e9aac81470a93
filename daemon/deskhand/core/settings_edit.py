"""Change one value in the text of ``deskhand.yaml`` and leave everything else, comments included, as it is.

The place is found from the positions of the parsed nodes.  Whatever the edit did, its result is read again: it must
load, hold exactly the wanted value, and agree with the old settings in every other key; else nothing is returned.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, inspect

from deskhand.core import settings_file
from deskhand.core import strict_yaml as y
from deskhand.core.settings import Settings
from deskhand.core.shape import MISSING, Shaper, struct_type, suggest, unwrap

_PLAIN = re.compile(r"[A-Za-z0-9.+~-][A-Za-z0-9.+ -]*\Z", re.ASCII)


class Edit(Struct, frozen=True):
    """What an edit makes of the file."""

    data: bytes
    """The new content of the file."""
    before: str
    """The old value, as `config show` prints it."""
    after: str


def edit(data: bytes, key: str, value: str) -> Edit:
    """Set *key* (``run.workers``) to *value* as a person writes it (``3``, ``10m``, ``[a, b]``).

    ValueError with a sentence when the key is unknown, the value is wrong, or the file itself cannot be read.
    """
    info = field_type(key)
    rendered = _rendered(info, value)
    wanted = _wanted(info, rendered, key)
    old = settings_file.read(data)
    if old.settings is None:
        raise ValueError(f"the file has to be right first: {y.lines(old.violations, 'deskhand.yaml')}")
    document = y.read(data)
    text = _edited(document, key.split("."), rendered)
    changed = (b"\xef\xbb\xbf" if document.bom else b"") + text.encode("utf-8")
    new = settings_file.read(changed)
    if new.settings is None:
        raise ValueError(y.lines(new.violations, "deskhand.yaml"))
    before, after = _values(old), _values(new)
    if after != {**before, key: wanted} or after[key] != wanted:
        raise ValueError(f"{key} cannot be changed in this file without changing something else; edit it by hand")
    shown = {item.key: item.shown for item in old.effective}, {item.key: item.shown for item in new.effective}
    return Edit(changed, shown[0][key], shown[1][key])


def field_type(key: str) -> inspect.Type:
    """The type of a single setting; ValueError for sections, lists of inboxes and what does not exist."""
    if key.startswith("inboxes"):
        raise ValueError("inboxes is a list of folders; edit it in deskhand.yaml")
    if key.startswith("maintenance"):
        raise ValueError("maintenance is a list of windows; edit it in deskhand.yaml")
    names = [name for name, _, _ in settings_file.leaves(Settings())]
    cls: type[Struct] = Settings
    *sections, last = key.split(".")
    for section in sections:
        info = next((unwrap(field.type)[0] for field in struct_type(cls).fields if field.name == section), None)
        if not isinstance(info, inspect.StructType):
            raise ValueError(f"there is no setting {key!r}{suggest(key, names)}")
        cls = info.cls
    found = next((field.type for field in struct_type(cls).fields if field.name == last), None)
    if found is None:
        raise ValueError(f"there is no setting {key!r}{suggest(key, names)}")
    if isinstance(unwrap(found)[0], inspect.StructType):
        inside = [name for name in names if name.startswith(f"{key}.")]
        raise ValueError(f"{key} is a section; set one of {', '.join(inside)}")
    return found


def _rendered(info: inspect.Type, value: str) -> str:
    """The text that goes into the file."""
    bare = unwrap(info)[0]
    match bare:
        case inspect.StrType():
            return settings_file.quoted(value)
        case inspect.LiteralType() if all(isinstance(word, str) for word in bare.values):
            return settings_file.quoted(value)
        case inspect.VarTupleType():
            root = y.read(value.encode("utf-8", "surrogatepass")).root
            items = Shaper().value(root, bare, "") if isinstance(root, y.Sequence) else MISSING
            if items is MISSING:
                raise ValueError("must be a list of texts, as in [a, b]")
            return settings_file.show(items, None)
        case _:
            if not _PLAIN.match(value.strip()):
                raise ValueError(f"must be a single plain value, not {value[:40]!r}")
            return value.strip()


def _wanted(info: inspect.Type, rendered: str, key: str) -> Any:
    document = y.read(rendered.encode("utf-8", "surrogatepass"))
    shaper = Shaper()
    wanted = MISSING if document.root is None else shaper.value(document.root, info, key)
    violations = (*document.violations, *shaper.violations)
    if wanted is MISSING or violations:
        raise ValueError("; ".join(violation.message for violation in violations) or "is not a value")
    return wanted


def _values(loaded: settings_file.Loaded) -> dict[str, Any]:
    return {item.key: item.value for item in loaded.effective}


def _edited(document: y.Document, steps: list[str], rendered: str) -> str:
    text, root = document.text, document.root
    newline = "\r\n" if "\r\n" in text else "\n"
    if not isinstance(root, y.Mapping):
        gap = "" if not text or text.endswith(("\n", "\r")) else newline
        return text + gap + _block(steps, rendered, 0, newline) + newline
    entry = _entry(root, steps[0])
    if entry is None:
        return _inserted(text, root, steps, rendered, newline)
    if len(steps) == 1:
        return _replaced(text, entry, rendered, newline)
    if not isinstance(entry.node, y.Mapping):
        indent = entry.key.span.column + 1
        inner = newline + " " * indent + _block(steps[1:], rendered, indent, newline)
        return text[: _colon(text, entry)] + inner + text[entry.node.span.end :]
    inner_entry = _entry(entry.node, steps[1])
    if inner_entry is None:
        return _inserted(text, entry.node, steps[1:], rendered, newline)
    return _replaced(text, inner_entry, rendered, newline)


def _entry(mapping: y.Mapping, key: str) -> y.Entry | None:
    return next((entry for entry in mapping.entries if entry.key.text == key), None)


def _block(steps: list[str], rendered: str, indent: int, newline: str) -> str:
    """``a:`` with ``b: rendered`` below it, or ``b: rendered`` alone; the first line without its indentation."""
    if len(steps) == 1:
        return f"{steps[0]}: {rendered}"
    return f"{steps[0]}:{newline}{' ' * (indent + 2)}{steps[1]}: {rendered}"


def _colon(text: str, entry: y.Entry) -> int:
    """The offset behind the colon of a key."""
    return text.index(":", entry.key.span.end) + 1


def _content_end(text: str, node: y.Node) -> int:
    """Where the last thing of a node ends; a block's own span goes on over the comments behind it."""
    match node:
        case y.Sequence(flow=False) if node.items:
            return _content_end(text, node.items[-1])
        case y.Mapping(flow=False) if node.entries:
            return _content_end(text, node.entries[-1].node)
        case y.Scalar(style="|" | ">"):
            return len(text[: node.span.end].rstrip("\r\n "))
        case _:
            return node.span.end


def _replaced(text: str, entry: y.Entry, rendered: str, newline: str) -> str:
    node = entry.node
    if isinstance(node, y.Scalar) and node.style not in ("|", ">") and node.span.end > node.span.start:
        return text[: node.span.start] + rendered + text[node.span.end :]
    if not isinstance(node, y.Scalar) and node.flow:
        return text[: node.span.start] + rendered + text[node.span.end :]
    return f"{text[: _colon(text, entry)]} {rendered}{text[_content_end(text, node) :]}"


def _inserted(text: str, mapping: y.Mapping, steps: list[str], rendered: str, newline: str) -> str:
    if mapping.flow:
        value = rendered if len(steps) == 1 else f"{{{steps[1]}: {rendered}}}"
        pair = f"{steps[0]}: {value}"
        if not mapping.entries:
            return text[: mapping.span.start + 1] + pair + text[mapping.span.start + 1 :]
        end = _content_end(text, mapping.entries[-1].node)
        return f"{text[:end]}, {pair}{text[end:]}"
    end = _content_end(text, mapping)
    found = re.compile(r"[\r\n]").search(text, end)
    end = found.start() if found else len(text)
    indent = mapping.entries[0].key.span.column - 1
    return text[:end] + newline + " " * indent + _block(steps, rendered, indent, newline) + text[end:]
