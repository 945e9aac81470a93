"""The strict reading of YAML: what is refused, where it is said to be, and that nothing crashes or explodes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import strict_yaml as y


def data(text: str) -> Any:
    document = y.read(text.encode())
    assert document.violations == ()
    assert document.root is not None
    return y.plain(document.root)


def wrong(text: str | bytes) -> list[str]:
    document = y.read(text if isinstance(text, bytes) else text.encode())
    return [violation.at("f") for violation in document.violations]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("off", "off"),
        ("2026-11-20", "2026-11-20"),
        ("2026-11-20 08:00:00", "2026-11-20 08:00:00"),
        ("0x1F", "0x1F"),
        ("012", "012"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("'12'", "12"),
        ('"true"', "true"),
        (".", "."),
        ("-", "-"),
        ("e5", "e5"),
    ],
)
def test_scalars_mean_what_is_written(text: str, value: object) -> None:
    found = data(f"a: {text}" if text != "-" else "a: '-'")["a"]
    assert found == value
    assert type(found) is type(value)


def test_structures() -> None:
    assert data("a: [1, {b: c}]\nd:\n  - x\n  - y: z\n") == {"a": [1, {"b": "c"}], "d": ["x", {"y": "z"}]}
    assert data("# nothing\n") is None
    assert data("on: 1\n2: 3\n") == {"on": 1, "2": 3}, "keys are text"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a:", "twice; the first is in line 1"),
        ("a:\n  b: 1\n  b: 2\n", "f:3:3: a.b:", "twice"),
        ("a: &x 1\n", "f:1:4: a:", "anchors"),
        ("a: *x\n", "f:1:4: a:", "aliases"),
        ("a: [*.exe]\n", "f:1:6:", "quotes"),
        ("<<: {a: 1}\n", "f:1:1: <<:", "merge"),
        ("a: !!str 1\n", "f:1:4: a:", "tags"),
        ("a: !x {b: 1}\n", "f:1:4: a:", "tags"),
        ("a: .nan\n", "f:1:4: a:", "finite"),
        ("a: -.inf\n", "f:1:4: a:", "finite"),
        ("a: 1e999\n", "f:1:4: a:", "finite"),
        ("a: 1111111111111111111\n", "f:1:4: a:", "digits"),
        ("? [a]\n: 1\n", "f:1:3:", "key"),
        ("{{title}}\n", "f:1:2:", "key"),
        ("'': 1\n", "f:1:1:", "empty"),
        ("a: 1\n---\nb: 2\n", "f:2:1:", "second document"),
        ("a:\n\tb: 1\n", "f:2:", "spaces"),
        ("a: b: c\n", "f:1:5:", "not allowed"),
        ("a: [1\n", "f:2:1:", ""),
        ("a: \x07\n", "f:1:4:", "U+0007"),
        ("a: 1\n\ufeffb: 2\n", "f:2:1:", "U+FEFF"),
    ],
)
def test_what_is_refused(text: str, place: str, words: str) -> None:
    found = wrong(text)
    assert found
    assert found[0].startswith(place), found
    assert words in found[0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a: 1".encode("utf-16"), "UTF-16"),
        ("a: 1".encode("utf-16-be"), "UTF-16"),
        (b"a: \0", "UTF-16 or binary"),
        (b"a: 1\nb: \xff\n", "f:2:4: is not UTF-8"),
        (b"# " + b"x" * y.MAX_BYTES, "larger than 256 KiB"),
    ],
)
def test_bytes_that_are_refused(raw: bytes, words: str) -> None:
    assert words in wrong(raw)[0]


def test_several_things_are_reported_at_once() -> None:
    found = wrong("a: &x 1\nb: .nan\na: 2\nc: !t 3\n")
    assert [text.split(":")[1] for text in found] == ["1", "2", "3", "4"]


def test_of_keys_written_twice_the_first_stands() -> None:
    document = y.read(b"a: 1\na: {b: 2}\nc: 3\n")
    assert document.root is not None
    assert y.plain(document.root) == {"a": 1, "c": 3}


def test_a_byte_order_mark_is_noted() -> None:
    document = y.read(b"\xef\xbb\xbfa: 1\n")
    assert document.bom
    assert document.violations == ()
    assert document.text == "a: 1\n"
    assert not y.read(b"a: 1\n").bom


@pytest.mark.parametrize("bomb", ["[" * 200_000, "{a: " * 50_000, "- " * 100_000, "a:\n" + " - " * 80_000])
def test_f33_deep_nesting_is_stopped_early(bomb: str) -> None:
    started = time.perf_counter()
    assert "deeper than 20" in wrong(bomb)[-1]
    assert time.perf_counter() - started < 2


def test_twenty_levels_are_fine() -> None:
    assert data("[" * y.MAX_DEPTH + "]" * y.MAX_DEPTH) is not None
    assert wrong("[" * (y.MAX_DEPTH + 1) + "]" * (y.MAX_DEPTH + 1)) != []


def test_f33_alias_bomb_is_refused_without_being_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    started = time.perf_counter()
    assert all("anchors and aliases" in text for text in wrong("\n".join(lines)))
    assert time.perf_counter() - started < 2


def test_spans_are_offsets_into_the_text() -> None:
    text = "# é😀\r\nname: 'x y'\r\nrun:\r\n  workers: 12 # many\r\n"
    document = y.read(text.encode())
    for path, written in (("name", "'x y'"), ("run.workers", "12")):
        span = y.locate(document.root, path)
        assert document.text[span.start : span.end] == written
        assert y.position(document.text, span.start) == (span.line, span.column)


def test_locate_finds_the_nearest_ancestor() -> None:
    root = y.read(b"a:\n  b: [1, 2]\n").root
    assert y.locate(root, "a.b[1]").column == 10
    assert y.locate(root, "a.b[7]") == y.locate(root, "a.b")
    assert y.locate(root, "x.y").line == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    document = y.read(raw)
    assert document.root is not None or document.violations


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text("ab*&!{}[]:#'\"é \n-", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(_values)
def test_json_reads_back(value: object) -> None:
    assert data(json.dumps(value)) == value
