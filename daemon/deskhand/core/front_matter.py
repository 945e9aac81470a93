"""What a dropped text says about itself: the key ``deskhand:`` in its front matter.

    ---
    title: whatever other tools use
    deskhand:
      recipe: hand-over
      priority: -2
      not_before: 2026-11-24 08:00
    ---

Front matter without that key belongs to other tools and is none of our business.  With it, the whole block must be
strict YAML and every option must be right: anything else is a problem, and the drop is quarantined instead of being
run in a way that was not meant.  A drop can make things stricter and later, never looser or sooner.  Problems repeat
neither values nor keys of the drop: they stand in the audit log.
"""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from deskhand.core import strict_yaml as y
from deskhand.core.names import extension
from deskhand.core.options import check_options
from deskhand.core.shape import MISSING, Field, Shaper
from deskhand.core.task import Options

HEAD_BYTES = 64 * 1024
"""The front matter must end within these."""
EXTENSIONS = frozenset({".md", ".markdown", ".txt"})
"""Names that can have front matter."""

_FENCE = re.compile(r"---[ \t]*(?:\r\n|\r|\n)")
_END = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_MENTIONED = re.compile(r"^[ \t{,?\"']*deskhand[\"']?[ \t]*:", re.MULTILINE)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class FrontMatter(NamedTuple):
    """At most one of the two is there; neither = the text says nothing to deskhand."""

    options: Options | None = None
    problem: str | None = None


NOTHING = FrontMatter()


def applies(name: str) -> bool:
    """Whether a file of this name can have front matter."""
    return extension(name) in EXTENSIONS


def read(head: bytes, *, zone: tzinfo = UTC) -> FrontMatter:
    """Read the first ``HEAD_BYTES`` of a file; *zone* is that of a ``not_before`` without one.  Never raises."""
    head = head[:HEAD_BYTES]
    text, encoded = _decode(head)
    opening = _FENCE.match(text)
    if opening is None:
        return NOTHING
    body = text[opening.end() :].replace("\r\n", "\n").replace("\r", "\n")
    ending = _END.search(body)
    block = body[: ending.start()] if ending else body
    mentioned = _MENTIONED.search(block) is not None
    if not encoded:
        return _problem("it is not UTF-8; save it as UTF-8 text") if mentioned else NOTHING
    if ending is None:
        return _problem(f"it has no end within {HEAD_BYTES // 1024} KiB; close it with ---") if mentioned else NOTHING
    document = y.read(block.encode("utf-8"))
    ours = document.root.get("deskhand") if isinstance(document.root, y.Mapping) else None
    if ours is None:
        return _violated(document.violations) if mentioned and document.violations else NOTHING
    return _options(document, ours, zone)


def _decode(head: bytes) -> tuple[str, bool]:
    """The text, and whether it is UTF-8.  A character cut off at the end of *head* is no error."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return head.decode(encoding, "replace").lstrip("\ufeff"), False
    if b"\0" in head:
        return head.replace(b"\0", b"").decode("latin-1"), False
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        return decoder.decode(head, final=len(head) < HEAD_BYTES), True
    except UnicodeDecodeError as error:
        text = head.decode("latin-1").removeprefix("\xef\xbb\xbf")
        return _only_block(head, error.start) or (text, False)


def _only_block(head: bytes, bad: int) -> tuple[str, bool] | None:
    """The part before the byte *bad*, if the front matter ends in it: what follows is not ours to judge."""
    text = head[:bad].decode("utf-8-sig")
    whole = text[: text.rfind("\n") + 1].replace("\r\n", "\n")
    opening = _FENCE.match(whole)
    if opening is not None and _END.search(whole[opening.end() :]):
        return whole, True
    return None


def _options(document: y.Document, ours: y.Node, zone: tzinfo) -> FrontMatter:
    readers = _Readers(zone)
    if isinstance(ours, y.Scalar) and ours.value is None:
        found: Any = {}
    else:
        found = readers.shaper.fields(ours, Options, "deskhand")
    if found is not MISSING:
        readers.check(ours, found)
    violations = tuple(sorted({*document.violations, *readers.shaper.violations}))
    return _violated(violations) if violations else FrontMatter(Options(**found))


class _Readers:
    """The fields that have a form of their own."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        custom: dict[Field, Any] = {(Options, "not_before"): self._not_before, (Options, "after"): self._after}
        self.shaper = Shaper(custom, reveal=False)

    def _not_before(self, node: y.Node, path: str) -> Any:
        message = "must be a date or a time such as 2026-11-24 or 2026-11-24 08:00+01:00"
        if not isinstance(node, y.Scalar) or not isinstance(node.value, str):
            return self.shaper.wrong(node.span, path, message)
        try:
            moment = datetime.fromisoformat(node.value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).timestamp()
        except (ValueError, OverflowError):
            return self.shaper.wrong(node.span, path, message)

    def _after(self, node: y.Node, path: str) -> Any:
        items = node.items if isinstance(node, y.Sequence) else (node,)
        names = []
        for item in items:
            if not isinstance(item, y.Scalar) or item.value is None or isinstance(item.value, bool):
                return self.shaper.wrong(item.span, path, "must be a key, or a list of keys")
            names.append(item.text)
        return tuple(names)

    def check(self, ours: y.Node, found: dict[str, Any]) -> None:
        """Lengths and ranges."""
        for problem in check_options(Options(**found)):
            self.shaper.wrong(y.locate(ours, problem.option), f"deskhand.{problem.option}", problem.message)


def _violated(violations: tuple[y.Violation, ...]) -> FrontMatter:
    shown = [f"line {v.line + 1}: {_known_path(v.path)}{v.message}" for v in violations[:5]]
    more = f"; and {len(violations) - 5} more" if len(violations) > 5 else ""
    return _problem("; ".join(shown) + more)


def _known_path(path: str) -> str:
    """The option, if it is one of ours: what else a drop calls its keys is its own business."""
    steps = path.split(".")
    return f"{steps[1]}: " if steps[0] == "deskhand" and steps[1:] and steps[1] in Options.__struct_fields__ else ""


def _problem(text: str) -> FrontMatter:
    return FrontMatter(problem=f"the front matter speaks to deskhand, but {text}")
