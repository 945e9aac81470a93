"""The hash that stands for an input."""

from __future__ import annotations

import hashlib

from hypothesis import assume, given
from hypothesis import strategies as st

from deskhand.core.task import InputFile, manifest_sha256

A, B = "a" * 64, "b" * 64
NAMES = st.text(alphabet="ab\\\n\r n/", min_size=1, max_size=6)
FILES = st.lists(st.builds(InputFile, NAMES, st.sampled_from([A, B]), st.just(1)), max_size=3).map(tuple)


def hashed(*lines: str) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_one_file_is_its_own_hash() -> None:
    assert manifest_sha256((InputFile("", A, 1),)) == A


def test_plain_names_stand_as_they_are_sorted() -> None:
    files = (InputFile("b c", A, 1), InputFile("a/é", B, 1), InputFile("a", A, 1))
    assert manifest_sha256(files) == hashed(f"{A}  a\n", f"{A}  b c\n", f"{B}  a/é\n")


def test_names_that_could_be_mistaken_are_written_as_sha256sum_does() -> None:
    files = (InputFile("a\nb", A, 1), InputFile("c\\d", A, 1), InputFile("e\rf", A, 1))
    assert manifest_sha256(files) == hashed(f"\\{A}  a\\nb\n", f"\\{A}  c\\\\d\n", f"\\{A}  e\\rf\n")


def test_a_name_with_a_newline_is_not_two_files() -> None:
    two = (InputFile("x", A, 1), InputFile("y", B, 1))
    one = (InputFile(f"x\n{B}  y", A, 1),)
    assert manifest_sha256(two) != manifest_sha256(one)


@given(FILES, FILES)
def test_different_folders_have_different_hashes(first: tuple[InputFile, ...], second: tuple[InputFile, ...]) -> None:
    assume(sorted(map(repr, first)) != sorted(map(repr, second)))
    assert manifest_sha256(first) != manifest_sha256(second)
