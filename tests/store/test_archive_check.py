"""A backup is verified: what is whole passes, and what was changed anywhere is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.core.backup_facts import FACTS_NAME, MANIFEST_NAME, HeadFacts
from deskhand.errors import IntegrityError
from deskhand.host.found import init
from deskhand.store.archive_check import Verified, verify_file
from deskhand.store.archive_read import open_archive
from deskhand.store.files import Files
from deskhand.store.head import Head, encode_head
from deskhand.store.restore_folder import restore_to
from tests.support import archives
from tests.support.inside import inside


class Sample:
    """A desk with tasks in several states, and a backup of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = init(folder / "desk")[0]
        with inside(self.desk.root) as desk:
            done = desk.drop(name="done.txt")
            desk.until_state(done, "completed")
            self.waits = desk.drop(b"dear\n", name="letter.txt", recipe="hand-over")
            desk.until_state(self.waits, "waiting")
            self.parked = desk.drop(b"odd\n", name="odd.txt", recipe="nosuch")
            desk.until_state(self.parked, "parked")
            desk.engine.tick()
        self.path = archives.back_up(self.desk, folder / "backup_2026-09-21_12-26-40.zip")
        self.data = self.path.read_bytes()

    def entry(self, end: str) -> str:
        """The one entry whose name ends so."""
        return next(name for name in archives.content(self.desk) if name.endswith(end))

    def changed(self, entries: dict[str, bytes | None], **facts: object) -> Verified:
        """Verify a backup in which these entries are others (None: missing), and everything else agrees with that."""
        content = {**archives.content(self.desk), **entries}
        path = self.folder / "changed.zip"
        kept = {name: data for name, data in content.items() if data is not None}
        archives.write(path, kept, archives.facts_of(self.desk, path.name, **facts))
        return verify_file(path)

    def bytes(self, data: bytes) -> Verified:
        """Verify an archive with these bytes."""
        path = self.folder / "bytes.zip"
        path.write_bytes(data)
        return verify_file(path)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, _nothing_of_this_user: None) -> Sample:
    """One for all tests here; none changes it."""
    return Sample(tmp_path_factory.mktemp("sample"))


def test_a_whole_backup(sample: Sample) -> None:
    told: list[tuple[int, int]] = []
    found = verify_file(sample.path, lambda done, total: told.append((done, total)))
    assert found.problems == () and found.ok
    assert (found.unfinished, found.facts and found.facts.counts) == (2, {"waiting": 1, "parked": 1})
    assert told[-1] == (found.bytes, found.bytes)


@settings(max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True))
def test_a_flipped_byte_anywhere_is_found(sample: Sample, where: float) -> None:
    at = int(where * len(sample.data))
    data = bytearray(sample.data)
    data[at] ^= 0xFF
    assert not sample.bytes(bytes(data)).ok, f"byte {at} of {len(data)}"


@settings(max_examples=30)
@given(where=st.floats(0, 1, exclude_max=True))
def test_a_cut_archive_is_found(sample: Sample, where: float) -> None:
    assert not sample.bytes(sample.data[: int(where * len(sample.data))]).ok


def test_a_swapped_manifest(sample: Sample) -> None:
    """Somebody changed a file and gave the archive a manifest that goes with it: the chain and the log still tell."""
    payload = sample.entry(f"-{sample.waits[-6:]}.in.txt")
    found = sample.changed({payload: b"dear, pay me\n"})
    assert [(problem.entry, problem.reason) for problem in found.problems] == [
        (payload, "it is not the input on record")
    ]
    other = archives.manifest_of(dict.fromkeys(archives.content(sample.desk), b""))
    path = sample.folder / "manifest.zip"
    content, facts = archives.content(sample.desk), archives.facts_of(sample.desk, "x")
    archives.write(path, content, facts, manifest=other)
    assert "in the archive and not in" in str(verify_file(path).reason)


def test_a_file_that_is_not_the_one_in_the_manifest(sample: Sample) -> None:
    """Packed without any fault, and something else than was backed up."""
    content, facts = archives.content(sample.desk), archives.facts_of(sample.desk, "x")
    path = archives.write(sample.folder / "other.zip", content, facts)
    with open_archive(path) as archive:
        hashes = {**archive.manifest, "data/deskhand.yaml": "0" * 64}
    manifest = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()
    found = verify_file(archives.write(path, content, facts, manifest=manifest))
    assert [(problem.entry, problem.reason) for problem in found.problems] == [
        ("data/deskhand.yaml", "its bytes are not those in MANIFEST.sha256")
    ]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (".task.json", "the task file of {} (parked) is missing"),
        (".in.txt", "the input is missing"),
    ],
)
def test_files_of_an_unfinished_task_that_are_missing(sample: Sample, end: str, reason: str) -> None:
    found = sample.changed({sample.entry(f"-{sample.parked[-6:]}{end}"): None})
    assert found.problems[0].reason == reason.format(sample.parked)


def test_a_request_that_is_missing(sample: Sample) -> None:
    kept = next(name for name in archives.content(sample.desk) if "/.requests/" in name)
    shown = sample.entry(f"-{sample.waits[-6:]}.json")
    assert sample.changed({kept: None}).ok, "one of the two is enough"
    assert sample.changed({shown: None}).ok
    found = sample.changed({kept: None, shown: None})
    assert [problem.reason for problem in found.problems] == ["the request that waits for an answer is missing"]


def test_what_claims_to_be_a_task(sample: Sample) -> None:
    stray = "data/queue/pending/20260101-000000-stray-abcdef.task.json"
    found = sample.changed({stray: b"{}"})
    assert [(problem.entry, problem.reason) for problem in found.problems] == [
        (stray, "the log knows of no unfinished task that it is of")
    ]
    own = sample.entry(f"-{sample.parked[-6:]}.in.txt")
    moved = own.replace("/pending/", "/inbox/")
    found = sample.changed({own: None, moved: b"odd\n"})
    assert {problem.entry for problem in found.problems} == {own, moved}


def test_the_log_in_it(sample: Sample) -> None:
    name = next(name for name in archives.content(sample.desk) if name.endswith(".jsonl"))
    log = archives.content(sample.desk)[name]
    found = sample.changed({name: log.replace(b'"parked"', b'"parkEd"', 1)})
    (problem,) = found.problems
    assert problem.entry == "audit/" and problem.reason.startswith(f"{name.removeprefix('audit/')}:"), (
        "its line is named"
    )
    lines = log.splitlines(keepends=True)
    first = Head(1, hashlib.sha256(lines[0]).hexdigest(), name.removeprefix("audit/"), len(lines[0]))
    found = sample.changed({"audit/head": encode_head(first)})
    assert "its head: it is record 1, and backup.json says" in str(found.reason)
    found = sample.changed({name: b"".join(lines[:-1])})
    assert not found.ok, "a record is missing at the end"
    found = sample.changed({name: log + lines[-1]})
    assert not found.ok, "it goes on behind the head"


def test_facts_that_do_not_agree(sample: Sample) -> None:
    assert "it counts" in str(sample.changed({}, counts={"parked": 2}).reason)
    head = HeadFacts("audit_2026-01-01.jsonl", 1, 1, "0" * 64)
    assert "backup.json says 1" in str(sample.changed({}, head=head).reason)
    assert "backup.json says" in str(sample.changed({}, log_id="another").reason)
    assert FACTS_NAME in str(sample.changed({}, format=2).reason) or "format 2" in str(
        sample.changed({}, format=2).reason
    )


def test_what_is_no_whole_desk_is_not_made_one(sample: Sample, tmp_path: Path) -> None:
    kept = {name: data for name, data in archives.content(sample.desk).items() if ".in.txt" not in name}
    other = archives.write(tmp_path / "other.zip", kept, archives.facts_of(sample.desk, "x"))
    with open_archive(other) as archive, pytest.raises(IntegrityError, match="the input is missing"):
        restore_to(Files(), archive, tmp_path / "made")
    history = archives.back_up(sample.desk, tmp_path / "history.zip", only="history")
    with open_archive(history) as archive, pytest.raises(IntegrityError, match="no desk can be made of it"):
        restore_to(Files(), archive, tmp_path / "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.zip", "other.zip"]


def test_every_check_is_of_the_manifest(sample: Sample) -> None:
    """The manifest is what ``sha256sum -c`` reads: sorted, and of everything but itself."""
    content = archives.content(sample.desk)
    lines = archives.manifest_of(content).decode().splitlines()
    assert [line[66:] for line in lines] == sorted(content)
    assert MANIFEST_NAME not in content
