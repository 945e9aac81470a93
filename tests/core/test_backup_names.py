"""What backups are called, and what files are called in them."""

from __future__ import annotations

import base64
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import entry_names
from deskhand.core.backup_facts import BackupFacts, HeadFacts, decode_facts, encode_facts
from deskhand.core.backup_name import PARTIAL, backup_name, created, is_partial, order
from deskhand.core.entry_name import EntryNames, plain
from deskhand.core.manifest import encode_manifest

components = st.binary(min_size=1, max_size=60).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
paths = st.lists(components, min_size=1, max_size=4).map(b"/".join)
similar = st.lists(
    st.sampled_from([b"a", b"A", b"a.b", b"A.B", b"a~2", b"e\xcc\x81", b"\xc3\xa9", b"a:", b"a%3A"]), max_size=3
)


@given(st.integers(0, 4_000_000_000), st.integers(1, 999_999))
def test_names_and_times_are_the_same_thing(second: int, number: int) -> None:
    name = backup_name(second, number)
    assert created(name) == created(f"{name}.age") == second
    assert order(name) == (second, number)
    assert is_partial(name + PARTIAL) and not is_partial(name) and created(name + PARTIAL) is None


def test_the_name_is_utc() -> None:
    assert backup_name(0.9) == "backup_1970-01-01_00-00-00.zip"
    assert backup_name(0, 2) == "backup_1970-01-01_00-00-00_2.zip"


@pytest.mark.parametrize(
    "name", ["backup.zip", "backup_2026-13-01_00-00-00.zip", "backup_1970-01-01_00-00-00_1.zip", "x"]
)
def test_other_names_are_none(name: str) -> None:
    assert created(name) is None
    with pytest.raises(ValueError):
        order(name)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        (b"Rechnung M\xc3\xbcller (2).pdf", "Rechnung Müller (2).pdf"),
        (b"100%.txt", "100%.txt"),
        (b"a\\b", "a%5Cb"),
        (b"C:", "C%3A"),
        (b"tab\there", "tab%09here"),
        (b"caf\xe9", "caf%E9"),
        (b"end. ", "end.%20"),
        (b"dot.", "dot%2E"),
        (b"NUL.txt", "%4EUL.txt"),
    ],
)
def test_odd_names_are_escaped(name: bytes, entry: str) -> None:
    assert plain(name) == entry


@given(st.lists(paths | similar.filter(bool).map(b"/".join), unique=True, max_size=20))
def test_every_file_gets_an_entry_of_its_own_that_the_reader_takes(found: list[bytes]) -> None:
    folders = {b"/".join(path.split(b"/")[:end]) for path in found for end in range(1, path.count(b"/") + 1)}
    files = [path for path in found if path not in folders]
    names = EntryNames()
    given_names = [names.give(path) for path in files]
    assert [name for name in given_names if entry_names.fault(f"data/{name}") is not None] == []
    assert entry_names.twins(given_names) is None
    assert given_names == [names.give(path) for path in files], "the same path is the same entry"


@given(st.dictionaries(components, st.binary(max_size=20), max_size=8))
def test_the_manifest_has_one_line_for_each(found: dict[bytes, bytes]) -> None:
    names = EntryNames()
    hashes = {names.give(path): sha256(data).hexdigest() for path, data in found.items()}
    lines = encode_manifest(hashes).decode().splitlines()
    assert len(lines) == len(hashes) and all(line[64:66] == "  " and line[66:] in hashes for line in lines)


def test_sha256sum_takes_the_manifest(tmp_path: Path) -> None:
    files = {"a b.txt": b"1", "ü.md": b"2", "deep/x": b"3"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "M").write_bytes(encode_manifest({name: sha256(data).hexdigest() for name, data in files.items()}))
    done = subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "M"], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"")


def test_facts_come_back() -> None:
    facts = BackupFacts(
        1, "0.1.0", "backup_x.zip", "2026-11-21T00:00:00.000000Z", True, "id", HeadFacts("f", 1, 2, "0" * 64),
        escaped={"data/a%5Cb": base64.b64encode(b"data/a\\b").decode()}, left_out=("x: y",),
    )  # fmt: skip
    assert decode_facts(encode_facts(facts)) == facts
    for data in (b"", b"{}", encode_facts(facts).replace(b'"format": 1', b'"format": 2')):
        with pytest.raises(ValueError, match=r"format|understood"):
            decode_facts(data)
