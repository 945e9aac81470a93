"""The hash chain of the audit log: does this run of raw lines continue that one, and if not, why not.

The rule: every line begins ``{"prev":"<64 hex>","seq":N,`` where ``prev`` is the SHA-256 of the raw line before it,
LF included, and ``N`` is one more than the line before it has.  Both stand at fixed places (``prev`` in columns 10-73),
so checking the chain needs no JSON.

What is inside a line is judged by ``core.line_check``; where lines come from is the store's matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import NamedTuple

from deskhand.core.record import MAX_LINE, ZERO_HASH

_CLAIM = re.compile(rb'\{"prev":"([0-9a-f]{64})","seq":([1-9][0-9]{0,18}),')
_LF = 10


class Link(NamedTuple):
    """A place in the chain: what the next line must build on."""

    seq: int
    """Sequence number of the line; 0 before the first."""
    hash: str
    """SHA-256 of the raw line, LF included (hex); 64 zeros before the first."""


START = Link(0, ZERO_HASH)
"""Where the first line ever begins."""


class Claim(NamedTuple):
    """What a line says about its own place."""

    prev: str
    seq: int


class Break(NamedTuple):
    """Why a line does not continue the chain."""

    before: bool
    """True when the line before is the one that was changed."""
    reason: str


def claim(line: bytes) -> Claim | None:
    """What *line* says about its place; None when it does not begin like a line of the log."""
    found = _CLAIM.match(line)
    return None if found is None else Claim(found[1].decode(), int(found[2]))


def link_of(line: bytes, seq: int) -> Link:
    """The place that *line*, as number *seq*, makes for the next one."""
    return Link(seq, sha256(line).hexdigest())


def follow(link: Link, lines: Sequence[bytes]) -> tuple[Link, int]:
    """Check a run of raw lines that should continue *link*.

    Returns the link after the last line that does, and how many do; fewer than given means that the next one breaks
    the chain (:func:`explain` says why).  A line without its LF never counts.
    """
    hashes = [link.hash.encode(), *(sha256(line).hexdigest().encode() for line in lines)]
    # One pass over all lines per check, without a loop of our own: this is what verifying a long log consists of.
    starts = [b'{"prev":"%b","seq":%d,' % place for place in zip(hashes[:-1], count(link.seq + 1), strict=False)]
    good = len(lines)
    if not (all(map(bytes.startswith, lines, starts)) and {line[-1] for line in lines} <= {_LF}):
        right = (line.startswith(start) and line[-1] == _LF for line, start in zip(lines, starts, strict=True))
        good = next(index for index, is_right in enumerate(right) if not is_right)
    return Link(link.seq + good, hashes[good].decode()), good


def explain(link: Link, line: bytes, vouched: str | None) -> Break:
    """Why *line* does not continue *link*.

    *vouched* is the hash that *line* should have according to whatever follows it (the next line's ``prev``, or the
    head); None when nothing does.  With it the changed one of two lines can be told from the other.
    """
    if not line.endswith(b"\n"):
        what = "longer than the format allows" if len(line) >= MAX_LINE else "incomplete (no line feed at its end)"
        return Break(False, f"the line is {what}")
    says = claim(line)
    if says is None:
        return Break(False, 'the line does not begin with {"prev":"<64 hex>","seq":<number>,')
    expected = link.seq + 1
    if says.prev == link.hash:
        return Break(False, f"its seq is {says.seq}, but {expected} comes next")
    if says.seq > expected:
        gap = f"record {expected} is" if says.seq == expected + 1 else f"records {expected} to {says.seq - 1} are"
        return Break(False, f"{gap} missing before this line")
    if says.seq < expected:
        return Break(False, f"record {says.seq} stands where {expected} should: duplicated or moved")
    if vouched is not None and vouched == sha256(line).hexdigest():
        return Break(True, f"the line was changed: its SHA-256 is {link.hash}, but record {expected} says {says.prev}")
    return Break(False, f"its prev is {says.prev}, but the SHA-256 of the line before is {link.hash}")
