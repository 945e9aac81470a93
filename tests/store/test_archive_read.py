"""Row 70: a hostile archive is refused before anything is read from it or written for it."""

from __future__ import annotations

import base64
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deskhand.core import entry_names, zip_format
from deskhand.core.backup_facts import FACTS_NAME, MANIFEST_NAME, README_NAME, BackupFacts, HeadFacts
from deskhand.errors import IntegrityError, StoreError, UsageError
from deskhand.store import archive_read
from deskhand.store.archive_read import Damaged, open_archive
from tests.support import archives

FACTS = BackupFacts(1, "0", "x.zip", "2026-09-21T12:26:40.000000Z", True, "log", HeadFacts("a", 1, 1, "0" * 64))
PLAIN = {"data/deskhand.yaml": b"name: desk\n" * 20, "audit/head": b"h"}


def refused(path: Path) -> str:
    """Why the archive at *path* is."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(IntegrityError) as caught:
        open_archive(path)
    assert sorted(path.parent.iterdir()) == before
    assert caught.value.path == str(path) and caught.value.hint
    return caught.value.cause


def with_names(tmp_path: Path, *names: str) -> Path:
    return archives.write(tmp_path / "x.zip", {**PLAIN, **dict.fromkeys(names, b"x")}, FACTS)


def test_a_plain_one_is_read(tmp_path: Path) -> None:
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    with open_archive(path) as archive:
        assert {name: archive.read(name) for name in archive.files} == PLAIN
        assert [archive.real(name) for name in archive.files] == ["deskhand.yaml", "audit_logs/head"]
    assert zipfile.ZipFile(path).testzip() is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("data/../../etc/cron.d/x", "leads out of its folder"),
        ("data/./x", "leads out"),
        ("data//x", "empty part"),
        ("/etc/passwd", "absolute"),
        ("C:/windows/x", "absolute"),
        ("data\\..\\x", "backslash"),
        ("data/a\nb", "control character"),
        (f"data/{'n' * 256}", "too long"),
        (f"data/{'n/' * 3000}x", "too long"),
        ("elsewhere/x", "belongs to no backup"),
        ("data/DESKHAND.yaml", "are one name"),
        ("data/deskhand.yaml/x", "the folder of the other"),
    ],
)
def test_f70_names_that_lead_elsewhere_or_are_twins(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in refused(with_names(tmp_path, name))


def test_f70_names_that_differ_in_how_letters_are_composed(tmp_path: Path) -> None:
    assert "are one name" in refused(with_names(tmp_path, "data/caf\u00e9", "data/cafe\u0301"))


def test_folders_may_differ_in_case(tmp_path: Path) -> None:
    """A desk on Linux may have both, and no file takes another's place."""
    with open_archive(with_names(tmp_path, "data/vault/a", "data/Vault/b")) as archive:
        assert len(archive.files) == 4


def test_f70_two_entries_of_one_name(tmp_path: Path) -> None:
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    info = zipfile.ZipInfo("data/deskhand.yaml")
    info.external_attr = 0o100600 << 16
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(info, b"x")
    assert "are one name" in refused(path)


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_f70_entries_that_the_manifest_does_not_have(tmp_path: Path, change: str) -> None:
    entries = {README_NAME: b"By hand: unzip, sha256sum -c.\n", **PLAIN, FACTS_NAME: b""}
    listed = (
        {**entries, "data/more": b""} if change == "more" else {k: v for k, v in entries.items() if "yaml" not in k}
    )
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS, manifest=archives.manifest_of(listed))
    assert ("which is not in the archive" if change == "more" else "and not in MANIFEST") in refused(path)


def _info(attributes: int, flags: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("data/odd")
    info.external_attr = attributes
    info.flag_bits = flags
    return info


@pytest.mark.parametrize(
    "mode", [0o120777, 0o040755, 0o010644, 0o060644, 0o140644, 0o104755, 0o102755, 0o101777, 0o000644]
)
def test_f70_links_and_special_files(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_info(mode << 16), b"/etc/passwd")
    assert ("somebody else" if mode & 0o7000 else "no plain file") in refused(path)


def patched(tmp_path: Path, change: Callable[[bytearray], None]) -> Path:
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def directory(data: bytearray) -> int:
    """Offset of the directory's first entry."""
    return int.from_bytes(data[-6:-2], "little")


def test_f70_an_encrypted_entry(tmp_path: Path) -> None:
    def change(data: bytearray) -> None:
        data[directory(data) + 8] |= 1

    assert "encrypted" in refused(patched(tmp_path, change))


def test_f70_overlapping_entries(tmp_path: Path) -> None:
    """Two entries that share their bytes: how a small file unpacks to petabytes."""

    def change(data: bytearray) -> None:
        second = data.index(b"PK\x01\x02", directory(data) + 4)
        data[second + 42 : second + 46] = bytes(4)

    assert "another name at its place" in refused(patched(tmp_path, change))


def test_f70_overlapping_entries_of_one_name() -> None:
    entry = zip_format.Entry("a", 8, 0, 100, 100, 0, 0o600, 0, 20, (0, 0), local_size=31)
    inside = zip_format.Entry("b", 8, 0, 60, 100, 40, 0o600, 0, 20, (0, 0), local_size=31)
    with pytest.raises(ValueError, match="overlaps"):
        zip_format.check_layout([entry, inside], zip_format.End(2, 131, 100))


@pytest.mark.parametrize("where", ["before", "behind", "between"])
def test_f70_something_around_the_entries(tmp_path: Path, where: str) -> None:
    """A zip file inside another file, or with room for a second one that other programs would find."""
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    data = path.read_bytes()
    middle = directory(bytearray(data))
    parts = {
        "before": b"#!/bin/sh\n" + data,
        "behind": data + b"more",
        "between": data[:middle] + b"PK" + data[middle:],
    }
    path.write_bytes(parts[where])
    assert "it does not end like" in (said := refused(path)) or "something stands before" in said


def test_f70_something_hidden_between_two_entries(tmp_path: Path) -> None:
    """Every place in the directory is right, and there is room for what nobody looks at."""
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    data = bytearray(path.read_bytes())
    places, at = [], directory(data)
    while data[at : at + 4] == b"PK\x01\x02":
        places.append(at + 42)
        name, extra, comment = struct.unpack_from("<3H", data, at + 28)
        at += 46 + name + extra + comment
    hole = struct.unpack_from("<L", data, places[1])[0]
    for place in [*places[1:], len(data) - 6]:
        struct.pack_into("<L", data, place, struct.unpack_from("<L", data, place)[0] + 6)
    path.write_bytes(data[:hole] + b"hidden" + data[hole:])
    assert zipfile.ZipFile(path).testzip() is None, "other programs see nothing"
    assert "something unknown before it" in refused(path)


def test_f70_another_end_hidden_in_a_comment(tmp_path: Path) -> None:
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\x05\x06" + bytes(18)
    assert "its directory" in (said := refused(path)) or "comment" in said or "directory has" in said


def test_f70_a_size_that_no_packing_gives(tmp_path: Path) -> None:
    def change(data: bytearray) -> None:
        at = directory(data)
        data[at + 24 : at + 28] = struct.pack("<L", 1 << 31)

    assert "cannot be that large" in (said := refused(patched(tmp_path, change))) or "two sizes" in said


def test_f70_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_read, "RATIO_FREE", 1000)
    path = archives.write(tmp_path / "x.zip", {**PLAIN, "data/zeros": bytes(5_000_000)}, FACTS)
    assert "times its own size" in refused(path)


def test_f70_an_entry_that_goes_on_behind_its_size(tmp_path: Path) -> None:
    """Both places say 10 bytes, and there are a million: no more than one block is ever unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(1_000_000)) + packer.flush()
    path = archives.write(tmp_path / "x.zip", {**PLAIN, "data/zeros": bytes(1_000_000)}, FACTS)
    data = path.read_bytes().replace(struct.pack("<2L", len(packed), 1_000_000), struct.pack("<2L", len(packed), 10))
    path.write_bytes(data)
    assert "would unpack to" in refused(path), "backup.json knows better"


def test_f70_an_entry_with_another_length_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    with open_archive(path) as archive:
        name = "data/deskhand.yaml"
        entry = archive.entries[name]
        for size in (entry.size - 1, entry.size + 1):
            archive.entries[name] = zip_format.Entry(
                *(entry.name, entry.method, entry.crc, entry.packed, size, entry.offset, entry.mode, entry.flags),
                *(entry.version, entry.moment, entry.local_size),
            )
            with pytest.raises(Damaged):
                archive.read(name)
        archive.entries[name] = replace(entry, size=10)
        given: list[bytes] = []
        with pytest.raises(Damaged, match="longer than the 10 bytes"):
            given.extend(archive.blocks(name))
        assert given == [], "no more is ever given than was announced"


def test_f70_large_sizes_where_none_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = _info(0o100600 << 16)
        info.extra = struct.pack("<2HQ", 1, 8, 10)
        archive.writestr(info, b"x")
    assert "does not say plainly how large" in refused(path)


def test_large_sizes_where_they_are(tmp_path: Path) -> None:
    """What ``zipfile`` writes for a file whose length it does not know beforehand."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open(_info(0o100600 << 16), "w", force_zip64=True) as entry:
        entry.write(b"large")
    assert "it has no backup.json" in refused(path)


def test_many_entries(tmp_path: Path) -> None:
    """More than the old record of the end can count."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"data/{number}", b"")
    data = path.read_bytes()
    end = zip_format.read_end(data[-98:], len(data))
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 70_000, 70_000, end.size, end.offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(data) - 22, 1)
    old = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, end.size, end.offset, 0)
    tail = large + locator + old
    assert zip_format.read_end(tail, len(data) - 22 + len(tail)).entries == 70_000
    other = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, end.size, end.offset, 0)
    with pytest.raises(ValueError, match="contradict"):
        zip_format.read_end(large + locator + other, len(data) - 22 + len(tail))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"modes": {"data/deskhand.yaml": "4755"}}, "permissions"),
        ({"modes": {"data/nowhere": "600"}}, "permissions"),
        ({"escaped": {"data/deskhand.yaml": "ZGF0YS8uLi94"}}, "leads out"),
        ({"escaped": {"data/deskhand.yaml": "L2V0Yy94"}}, "absolute"),
        ({"escaped": {"data/deskhand.yaml": "?"}}, "not understood"),
        ({"escaped": {"data/deskhand.yaml": "YXVkaXQvaGVhZA=="}}, "elsewhere"),
        ({"folders": ("data/../x",)}, "leads elsewhere"),
        ({"folders": ("data/deskhand.yaml/x",)}, "a file and a folder"),
    ],
)
def test_f70_facts_that_lead_elsewhere(tmp_path: Path, facts: dict[str, object], reason: str) -> None:
    path = archives.write(tmp_path / "x.zip", PLAIN, replace(FACTS, **facts))
    assert reason in refused(path)


def test_f70_two_names_for_one_file(tmp_path: Path) -> None:
    real = base64.b64encode(b"data/deskhand.yaml").decode()
    entries = {**PLAIN, "data/b%FF": b""}
    assert "the same real name" in refused(
        archives.write(tmp_path / "x.zip", entries, replace(FACTS, escaped={"data/b%FF": real}))
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"entries": 2}, "it has 3 files and backup.json says 2"),
        ({"modes": {"data/deskhand.yaml": "644"}}, "other permissions than"),
        ({"mtimes_ns": {"data/nowhere": 1}}, "a time for 'data/nowhere'"),
    ],
)
def test_f70_facts_that_are_not_so(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    assert reason in refused(archives.write(tmp_path / "x.zip", PLAIN, FACTS, wrong=wrong))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda listed: listed[:-1], "is cut off"),
        (lambda listed: b"odd\n" + listed, "line 1 of MANIFEST.sha256 is no line"),
        (lambda listed: listed + listed[listed.index(b"\n") + 1 :], "comes again"),
        (lambda listed: re.sub(rb"\w{64}(?=  backup.json)", b"0" * 64, listed), "is not the one in MANIFEST"),
    ],
)
def test_f70_a_manifest_that_is_odd(tmp_path: Path, change: Callable[[bytes], bytes], reason: str) -> None:
    with open_archive(archives.write(tmp_path / "x.zip", PLAIN, FACTS)) as archive:
        listed = archive.read(MANIFEST_NAME)
    assert reason in refused(archives.write(tmp_path / "x.zip", PLAIN, FACTS, manifest=change(listed)))


@pytest.mark.parametrize(
    ("limit", "reason"), [("ENTRIES_MAX", "more entries than any desk"), ("ABOUT_MAX", "is longer than any")]
)
def test_f70_what_is_too_much_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, reason: str
) -> None:
    path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
    monkeypatch.setattr(archive_read, limit, 3)
    assert reason in refused(path)


def test_f70_something_behind_the_end_of_what_is_packed(tmp_path: Path) -> None:
    name = "data/long"
    with open_archive(archives.write(tmp_path / "x.zip", {**PLAIN, name: bytes(1000)}, FACTS)) as archive:
        entry = archive.entries[name]
        archive.entries[name] = replace(entry, packed=entry.packed + 5)
        with pytest.raises(Damaged, match="something stands behind its end"):
            archive.read(name)


def test_a_name_that_was_escaped(tmp_path: Path) -> None:
    facts = replace(FACTS, escaped={"data/b%FF": "ZGF0YS9i/w=="})
    path = archives.write(tmp_path / "x.zip", {**PLAIN, "data/b%FF": b""}, facts)
    with open_archive(path) as archive:
        assert archive.real("data/b%FF") == "b\udcff"


def test_no_file_or_an_encrypted_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_archive(tmp_path / "none.zip")
    with pytest.raises(IntegrityError, match="no file"):
        open_archive(tmp_path)
    (tmp_path / "x.zip.age").write_bytes(b"age-encryption.org/v1\n-> X25519 abc\n")
    with pytest.raises(UsageError, match="encrypted"):
        open_archive(tmp_path / "x.zip.age")


@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_bytes_are_read_as_anything_but_a_refusal(data: bytes, size: int) -> None:
    """Whatever stands there, the answer is a reason."""
    end = zip_format.End(1, 0, len(data))
    for call in (
        lambda: zip_format.read_end(data, size),
        lambda: zip_format.read_directory(b"PK\x01\x02" + data, end),
        lambda: zip_format.local_size(data),
    ):
        with pytest.raises(ValueError, match=r"."):
            call()


@given(st.lists(st.text("a./\\:\0\n ~é", max_size=8), max_size=6))
def test_a_name_that_may_be_stays_inside(parts: list[str]) -> None:
    name = "/".join(parts)
    if entry_names.fault(name) is None:
        assert posixpath.normpath(f"/root/{name}") == f"/root/{name}"


def test_the_three_names(tmp_path: Path) -> None:
    for missing in (README_NAME, FACTS_NAME, MANIFEST_NAME):
        path = archives.write(tmp_path / "x.zip", PLAIN, FACTS)
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "y.zip", "w") as target:
            for info in source.infolist():
                if info.filename != missing:
                    target.writestr(info, source.read(info))
        assert missing in refused(tmp_path / "y.zip")
