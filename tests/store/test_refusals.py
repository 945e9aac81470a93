"""What is not what it should be is refused, one check at a time."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from deskhand.core.settle import Observation
from deskhand.core.task import manifest_sha256
from deskhand.errors import IntegrityError
from deskhand.store import task_files
from deskhand.store.accept import take_in
from deskhand.store.attempts import Attempts
from deskhand.store.claim import Claimed, Declined, Gone, Outcome, Postponed, claim, declined
from deskhand.store.claim_batch import Batch
from deskhand.store.claim_copy import SourceError
from deskhand.store.desk import Desk
from deskhand.store.drop_file import DROP_FILE, DROP_FILE_MAX, PAYLOAD, read
from deskhand.store.dropped import take
from deskhand.store.files import Files, StrPath
from deskhand.store.folder import Folder
from deskhand.store.observe import look
from deskhand.store.place import Place
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.requests import Requests
from deskhand.store.staging import Mark
from deskhand.testing.intake_bench import make_folders

ID = "20260921-141320-a-aaaaaa"


@pytest.fixture(autouse=True)
def _folders(desk: Desk) -> None:
    make_folders(desk)
    QueueFolders(Files(), desk).ensure()


# -- tasks -------------------------------------------------------------------------------------------------------------


def test_a_description_that_is_not_the_one_on_record_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.task.json"
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="not the one on record"):
        task_files.read(path, "0" * 64)


def test_f52_an_input_that_is_not_the_one_on_record_is_not_prepared(desk: Desk, tmp_path: Path) -> None:
    payload = tmp_path / "in.txt"
    payload.write_text("right\n")
    sha256 = manifest_sha256(take_in(None, payload, "file")[0])
    payload.write_text("wrong\n")
    with pytest.raises(IntegrityError, match="not what was recorded"):
        Attempts(Files(), desk).prepare("k-1", payload, "in.txt", sha256)
    assert not list(desk.work.iterdir())


def test_a_link_that_was_put_into_an_input_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").symlink_to("/etc/hostname")
    with pytest.raises(IntegrityError, match="link"):
        task_files.manifest(tmp_path / "in")


def test_a_kept_request_that_somebody_changed_is_not_shown_as_what_was_asked(desk: Desk) -> None:
    requests = Requests(Files(), desk)
    digest = requests.prepare(ID, b'{"revision": 1}\n')
    (copy,) = desk.requests.iterdir()
    copy.write_bytes(b'{"revision": 2}\n')
    with pytest.raises(IntegrityError, match="not the one on record"):
        requests.asked(ID, digest)


# -- drops -------------------------------------------------------------------------------------------------------------


def seen(desk: Desk, name: str) -> Observation:
    """A drop as it is now."""
    with Folder.open(desk.inbox) as folder:
        return look(place(desk, name), folder.look(name), 1000)


def place(desk: Desk, name: str) -> Place:
    """Where it stands."""
    return Place("main", desk.inbox, None, name)


def claimed(desk: Desk, name: str, as_seen: Observation, files: Files | None = None) -> Outcome:
    """What comes of a drop that was last seen so."""
    batch = Batch(files or Files(), desk)
    outcome = claim(batch, place(desk, name), as_seen)
    batch.close()
    return outcome


def test_f12_a_file_that_changed_since_it_was_seen_is_not_taken(desk: Desk) -> None:
    path = desk.inbox / "a.txt"
    path.write_text("one line\n")
    before = seen(desk, "a.txt")
    with path.open("a") as file:
        file.write("and another\n")
    assert isinstance(claimed(desk, "a.txt", before), Postponed)
    assert path.exists()


def test_f12_a_folder_that_changed_since_it_was_seen_is_not_taken(desk: Desk) -> None:
    folder = desk.inbox / "trip"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    before = seen(desk, "trip")
    (folder / "b.txt").write_text("b")
    assert isinstance(claimed(desk, "trip", before), Postponed)
    assert folder.exists()


class Meanwhile(Files):
    """Lets somebody write something right before the first call of one operation."""

    def __init__(self, operation: str, path: Path) -> None:
        self.operation = operation
        self.path = path

    def before(self, operation: str, path: StrPath | int) -> None:
        """Write, once."""
        if operation == self.operation:
            self.operation = ""
            self.path.write_text("meanwhile\n")


def test_f18_a_folder_that_changes_while_it_is_copied_is_not_taken(desk: Desk, tmp_path: Path) -> None:
    folder = desk.inbox / "trip"
    folder.mkdir()
    (tmp_path / "a.txt").write_text("a")
    os.link(tmp_path / "a.txt", folder / "a.txt")  # so it is copied
    files = Meanwhile("copy", folder / "b.txt")
    assert isinstance(claimed(desk, "trip", seen(desk, "trip"), files), Postponed)
    assert not list(desk.partial.iterdir())


def test_f16_a_folder_that_is_written_to_as_it_is_moved_is_given_back(desk: Desk) -> None:
    folder = desk.inbox / "trip"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    files = Meanwhile("rename", folder / "a.txt")
    assert isinstance(claimed(desk, "trip", seen(desk, "trip"), files), Postponed)
    assert (folder / "a.txt").read_text() == "meanwhile\n"


@pytest.mark.parametrize(
    ("number", "outcome", "unreadable"),
    [
        (errno.ENOENT, Gone, False),
        (errno.ELOOP, Postponed, False),
        (errno.EIO, Postponed, True),
        (errno.EHOSTDOWN, Postponed, True),
        (errno.EACCES, Declined, False),
        (errno.ENAMETOOLONG, Declined, False),
        (errno.EINVAL, Declined, False),
    ],
)
def test_f48_what_an_error_in_reading_a_drop_means_for_it(
    number: int, outcome: type[Outcome], unreadable: bool
) -> None:
    found = declined(SourceError(number, os.strerror(number)), 5)
    assert isinstance(found, outcome)
    assert getattr(found, "unreadable", False) is unreadable
    if number in (errno.EACCES, errno.ENAMETOOLONG):
        assert isinstance(found, Declined) and not found.reason.startswith("it cannot be read")


# -- what `deskhand drop` would not make -------------------------------------------------------------------------------


def handed(desk: Desk) -> Path:
    """A folder as the command makes it, with an empty folder as its payload."""
    folder = desk.dropped / ID
    (folder / PAYLOAD).mkdir(parents=True)
    (folder / DROP_FILE).write_text(json.dumps({"schema": 1, "id": ID, "name": "a"}))
    return folder


def taken(desk: Desk, *, free: bool = True) -> Outcome:
    """What comes of it."""
    batch = Batch(Files(), desk)
    outcome = take(batch, ID, lambda key: free)
    batch.close()
    return outcome


def test_what_the_command_makes_is_taken(desk: Desk) -> None:
    handed(desk)
    outcome = taken(desk)
    assert isinstance(outcome, Claimed) and outcome.mark is Mark.PLAIN and outcome.drop is not None


@pytest.mark.parametrize("what", ["file", "folder"])
def test_f33_an_id_that_is_used_already_is_not_believed(desk: Desk, what: str) -> None:
    folder = handed(desk)
    if what == "file":
        (folder / PAYLOAD).rmdir()
        (folder / PAYLOAD).write_text("x")
    outcome = taken(desk, free=False)
    assert isinstance(outcome, Claimed) and outcome.mark is Mark.FORGED


@pytest.mark.parametrize("what", ["a link", "a second name"])
def test_f33_a_payload_that_is_not_only_ours_is_not_believed(desk: Desk, tmp_path: Path, what: str) -> None:
    inner, other = handed(desk) / PAYLOAD / "x", tmp_path / "other"
    other.write_text("x")
    if what == "a link":
        inner.symlink_to(other)
    else:
        os.link(other, inner)
    outcome = taken(desk)
    assert isinstance(outcome, Claimed) and outcome.mark is Mark.FORGED


def test_f26_a_pipe_where_a_drop_belongs_is_declined(desk: Desk) -> None:
    os.mkfifo(desk.dropped / ID)
    assert isinstance(taken(desk), Declined)


def test_f33_a_description_that_is_too_long_is_refused_before_it_is_read() -> None:
    text = json.dumps({"schema": 1, "id": ID, "name": "a"})
    assert read(text.encode(), ID).name == "a"
    with pytest.raises(ValueError, match="longer than"):
        read(text.ljust(DROP_FILE_MAX + 1).encode(), ID)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_f35_a_payload_of_somebody_else_is_not_believed(desk: Desk) -> None:
    payload = handed(desk) / PAYLOAD
    payload.rmdir()
    payload.write_text("x")
    os.chown(payload, 12345, 12345)
    outcome = taken(desk)
    assert isinstance(outcome, Claimed) and outcome.mark is Mark.FORGED
