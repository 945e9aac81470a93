"""A record becomes a line and comes back the same; what does not fit the registry or the size never becomes one."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core.line_check import check_line
from deskhand.core.record import (
    MAX_LINE,
    TYPES,
    ZERO_HASH,
    Draft,
    Stamp,
    check,
    decode,
    encode,
    line_hash,
    parse_timestamp,
    timestamp,
)

STAMP = Stamp(ZERO_HASH, 1, 1_790_000_000.25, "run", 5, "A" * 22)
TEXT = st.text(st.characters(codec="utf-8"), max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    kind = draw(st.sampled_from(sorted(TYPES)))
    names = draw(st.lists(st.sampled_from(sorted(TYPES[kind])), unique=True))
    return Draft(kind, {name: draw(VALUES) for name in names})


@given(drafts(), st.integers(1, 10**18), st.integers(0, 2**62), st.floats(0, 4e9))
def test_what_is_written_is_read_back_and_passes_the_check(draft: Draft, seq: int, mono: int, ts: float) -> None:
    line = encode(draft, Stamp(ZERO_HASH, seq, ts, "r1", mono, "-_" * 11))
    record = decode(line)
    assert (record.type, record.fields, record.seq, record.mono) == (draft.type, draft.fields, seq, mono)
    assert record.ts == pytest.approx(ts, abs=1e-6)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert check_line(line) == record


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(b"x" + data)
    try:
        check_line(data + b"\n")
    except ValueError:
        return
    pytest.fail("no short random bytes are a line")


@given(drafts(), st.data())
def test_one_changed_byte_is_another_hash(draft: Draft, data: st.DataObject) -> None:
    line = encode(draft, STAMP)
    at = data.draw(st.integers(0, len(line) - 1))
    changed = line[:at] + bytes([line[at] ^ data.draw(st.integers(1, 255))]) + line[at + 1 :]
    assert line_hash(changed) != line_hash(line) == hashlib.sha256(line).hexdigest()


def test_prev_stands_in_columns_10_to_73_and_seq_follows() -> None:
    line = encode(Draft("log.heartbeat", {"uptime_s": 1}), Stamp("ab" * 32, 7, 0.0, "r", 0, "s" * 22))
    assert line[9:73] == b"ab" * 32
    assert line[73:].startswith(b'","seq":7,"ts":"1970-01-01T00:00:00.000000Z","type":"log.heartbeat"')


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (Draft("task.exploded"), "no such record type"),
        (Draft("log.heartbeat", {"prev": "0"}), "no field"),
        (Draft("task.ready", {"password": "x"}), "password"),
    ],
)
def test_the_registry_is_closed(draft: Draft, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(draft)
    with pytest.raises(ValueError, match=words):
        encode(draft, STAMP)


def test_a_line_has_at_most_16_kib() -> None:
    size = len(encode(Draft("desk.paused", {"reason": ""}), STAMP))
    fits = encode(Draft("desk.paused", {"reason": "x" * (MAX_LINE - size)}), STAMP)
    assert len(fits) == MAX_LINE
    assert check_line(fits).seq == 1
    with pytest.raises(ValueError, match="longer"):
        encode(Draft("desk.paused", {"reason": "x" * (MAX_LINE - size + 1)}), STAMP)


GOOD = encode(Draft("log.heartbeat", {"uptime_s": 1}), STAMP)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (GOOD[:-1], "no line feed"),
        (GOOD.replace(b',"ts"', b', "ts"'), "spaces outside strings"),
        (GOOD[:-1] + b" \n", "spaces outside strings"),
        (GOOD.replace(b'"uptime_s":1', b'"uptime_s":1,"uptime_s":2'), "stands twice"),
        (GOOD.replace(b'"uptime_s":1', b'"uptime_s":{"a":1,"a":2}'), "stands twice"),
        (GOOD.replace(b"uptime_s", b"downtime"), "no field"),
        (GOOD.replace(b"log.heartbeat", b"log.heartbeet"), "no such record type"),
        (GOOD.replace(b'"run":"run"', b'"run":"\xff\xfe"'), "UTF-8|utf-8"),
        (GOOD.replace(b'"mono":5', b'"mono":-5'), "mono is negative"),
        (GOOD.replace(b'"mono":5', b'"mono":"5"'), "mono is missing or no int"),
        (GOOD.replace(b".250000Z", b".25Z"), "ts is not written"),
        (GOOD.replace(b"AAA", b"AA!"), "salt is not written"),
        (GOOD.replace(b'"uptime_s":1', b'"uptime_s":' + b"[" * 8000), "not a record"),
        (GOOD.replace(b'"seq":1', b'"seq":01'), "does not begin"),
        (GOOD.replace(b'{"prev"', b'{ "prev"'), "does not begin"),
    ],
)
def test_a_line_that_breaks_a_rule_is_refused_with_the_rule(line: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_line(line)


def test_another_writers_escapes_are_no_fault() -> None:
    draft = Draft("desk.paused", {"reason": "é / x"})
    line = encode(draft, STAMP).replace("é /".encode(), b"\\u00e9 \\/")
    assert check_line(line).fields == draft.fields


@pytest.mark.parametrize("ts", [0.0, 1_790_000_000.123456, 4_102_444_800.0, -86_400.5])
def test_timestamps_come_back(ts: float) -> None:
    assert parse_timestamp(timestamp(ts)) == pytest.approx(ts, abs=1e-6)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "yesterdayZ"])
def test_other_timestamps_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_timestamp(text)


def test_fields_are_what_a_reader_gets() -> None:
    fields: dict[str, Any] = {"task": "k", "actor": {"kind": "person", "uid": 0}}
    assert decode(encode(Draft("approval.ignored", fields), STAMP)).fields == fields
