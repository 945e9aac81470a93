"""Backups of a desk that is open in this process: what is in them, what is not, and what a disk that refuses leaves."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deskhand.core.backup_facts import BackupFacts, decode_facts
from deskhand.core.settings import Backup, Settings, Target
from deskhand.core.state import State
from deskhand.engine.at_head import Follower
from deskhand.engine.backing import Made, create
from deskhand.engine.backups import known
from deskhand.engine.pruning import prune
from deskhand.errors import ConfigError, HeldError, IntegrityError, StoreError, UsageError
from deskhand.host.found import init
from deskhand.store import backup_folder
from deskhand.store.archive_check import Verified, verify_file
from deskhand.store.backup_queue import QueueCopy
from deskhand.store.files import Files
from deskhand.testing.faulty_files import Crash, FaultyFiles
from tests.support.desk import recipe
from tests.support.inside import Inside, inside

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


class Open:
    """An open desk, and backups of it by the thread that decides."""

    def __init__(self, opened: Inside) -> None:
        self.inside = opened
        self.desk = opened.session.desk
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str], None] = lambda verb: None
        """Called before each command."""

    def carry(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.before(verb)
        self.said.append((verb, arguments))
        reply = self.inside.command(verb, **arguments)
        self.inside.engine.tick()
        assert isinstance(reply, dict)
        return reply

    def backup(
        self, *, files: Files | None = None, now: float = NOON, settings: Backup | None = None, **more: Any
    ) -> Made:
        chosen = Settings(backup=settings or Backup())
        return create(files or Files(), self.desk, chosen, self.carry, now=lambda: now, **more)

    @property
    def left(self) -> list[str]:
        return sorted(os.listdir(self.desk.backups)) if self.desk.backups.exists() else []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Open]:
    """A fresh desk with a note that was made, and a question that waits."""
    init(tmp_path / "desk")
    with inside(tmp_path / "desk") as opened:
        opened.bless(recipe("ask", "keep", approval="required"), "ask")
        opened.drop(name="a note.txt")
        opened.drop(name="a letter.txt", recipe="ask")
        settle(opened)
        yield Open(opened)


def settle(opened: Inside) -> None:
    """Let everything happen that can happen now."""
    opened.engine.scan_everything()
    opened.until(lambda: opened.engine.idle and not opened.engine.ledger.dirty)


def names(made: Made) -> set[str]:
    """Its entries."""
    with zipfile.ZipFile(made.path) as archive:
        return set(archive.namelist())


def read(made: Made, name: str) -> bytes:
    """One of them."""
    with zipfile.ZipFile(made.path) as archive:
        return archive.read(name)


def facts(made: Made) -> BackupFacts:
    """What it says of itself."""
    return decode_facts(read(made, "backup.json"))


def test_what_is_in_a_backup(desk: Open) -> None:
    made = desk.backup()
    assert made.name == "backup_2026-11-21_12-00-00.zip" and made.verified and verify_file(made.path).ok
    found = names(made)
    waiting = next(name for name in found if name.startswith("data/queue/approvals/") and name.endswith("task.json"))
    assert waiting.replace(".task.json", ".json") in found and waiting.replace(".task.json", ".in.txt") in found
    assert {"data/deskhand.yaml", "README.txt", "MANIFEST.sha256", "audit/head", "data/vault/Dashboard.md"} <= found
    assert any(name.startswith("data/queue/completed/") for name in found)
    assert not [name for name in found if ".salt" in name or "seen" in name or ".work" in name or "backups" in name]
    said = facts(made)
    assert said.counts == {"waiting": 1} and said == made.facts and said.left_out == ("queue/.salt: the desk's secret",)
    assert {name: said.modes[name] for name in said.modes if name.endswith(".in.txt")}
    created = desk.said[-1]
    assert created[0] == "backup_created" and created[1]["sha256"] == backup_folder.digest(made.path)


def test_it_ends_where_the_log_ended_when_it_began(desk: Open) -> None:
    def pause(verb: str) -> None:
        desk.inside.command("resume")  # a record more, which is not durable when the head is told

    desk.before = pause
    head = desk.inside.session.audit.head
    made = desk.backup()
    assert made.facts.head.seq == head.seq
    assert read(made, f"audit/{head.file}").count(b"\n") == head.seq


def test_the_log_is_read_on_from_where_it_was_read_to(desk: Open) -> None:
    """Over a change of file too; it comes to the same as reading all of it."""
    follower, parts = Follower(desk.desk.audit), desk.inside.session.parts
    follower.to(desk.inside.session.audit.head)
    desk.inside.drop(name="another.txt", recipe="ask")
    settle(desk.inside)
    parts.ledger.rotate(())
    desk.inside.drop(name="third.txt")
    settle(desk.inside)
    head = desk.inside.session.audit.head
    found, anew = follower.to(head), Follower(desk.desk.audit).to(head)
    said = [{key: (task.state, task.seq) for key, task in each.items()} for each in (found.tasks, anew.tasks)]
    assert said[0] == said[1] == {key: (task.state, task.seq) for key, task in parts.ledger.tasks.items()}
    assert found.counts == {"waiting": 2} and anew.ended.keys() <= found.ended.keys()


def during(monkeypatch: pytest.MonkeyPatch, call: Callable[[], None]) -> None:
    """Have something happen after the head was taken and replayed, and before anything is read."""
    once = [call]
    real = QueueCopy.copy

    def copy(self: QueueCopy, newer: Callable[[], Any]) -> None:
        if once:
            once.pop()()
        real(self, newer)

    monkeypatch.setattr(QueueCopy, "copy", copy)


def test_a_task_that_moves_on_stands_where_the_log_had_it(desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer_and_drop() -> None:
        request = next(desk.desk.approvals.glob("*-letter-??????.json"))
        request.rename(request.with_name(f"{request.name}.approved"))
        desk.inside.drop(name="newer.txt")
        settle(desk.inside)
        assert not list(desk.desk.approvals.glob("*letter*")) and list(desk.desk.folder("completed").glob("*newer*"))

    during(monkeypatch, answer_and_drop)
    made = desk.backup()
    found = names(made)
    letter = [name for name in found if "letter" in name and name.startswith("data/queue/") and ".requests" not in name]
    assert {name.split("/")[2] for name in letter} == {"approvals"} and len(letter) == 3
    assert not [name for name in found if "newer" in name and name.startswith("data/queue/")]
    assert made.verified and made.facts.counts == {"waiting": 1}


def test_what_vanished_and_is_on_record_since_is_taken_from_a_later_head(
    desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel_and_delete() -> None:
        task = next(iter(desk.inside.session.parts.ledger.tasks.having({State.WAITING})))
        desk.inside.command("cancel", key=task.key)
        settle(desk.inside)
        for path in desk.desk.folder("rejected").glob("*letter*"):
            path.unlink()

    during(monkeypatch, cancel_and_delete)
    made = desk.backup()
    assert [verb for verb, _ in desk.said] == ["backup_head", "scan", "backup_head", "backup_created"]
    assert made.verified and made.facts.counts == {}


def test_what_the_desk_itself_has_not_is_said_and_the_backup_is_not_called_verified(desk: Open) -> None:
    payload = next(desk.desk.approvals.glob("*letter*.in.txt"))
    payload.chmod(0o600)
    payload.write_text("somebody wrote here\n")
    made = desk.backup()
    assert not made.verified and list(made.odd.values()) == ["its input, which is not the one on record"]
    assert made.path.exists() and desk.said[-1][1]["verified"] is False and desk.said[-1][1]["odd"] == 1


def test_what_is_handed_in_and_not_yet_taken_is_in_it(desk: Open) -> None:
    handed = desk.desk.dropped / "20261121-110000-mine-abcdef"
    handed.mkdir()
    (handed / "drop.json").write_text("{}")
    (handed / "payload").write_text("mine\n")
    claimed = desk.desk.claimed / "main~~0123456789ab"
    claimed.mkdir()
    (claimed / "taken.txt").write_text("taken\n")
    found = names(desk.backup())
    assert "data/queue/.staging/dropped/20261121-110000-mine-abcdef/payload" in found
    assert "data/queue/.staging/claimed/main~~0123456789ab/taken.txt" in found


def test_old_results_are_in_full_backups_only(desk: Open) -> None:
    day = desk.desk.folder("completed") / "2026-10-01"
    day.mkdir()
    (day / "20261001-110000-old-abcdef.task.json").write_text("{}")
    daily, full = desk.backup(), desk.backup(full=True)
    assert full.name == "backup_2026-11-21_12-00-00_2.zip"
    assert [any("old-abcdef" in name for name in names(made)) for made in (daily, full)] == [False, True]
    assert any(line.startswith("queue/completed/2026-10-01: ") for line in daily.facts.left_out)


def test_history_has_no_drops(desk: Open) -> None:
    (desk.desk.vault / "_deskhand").mkdir(exist_ok=True)
    (desk.desk.vault / "_deskhand" / "status.md").write_text("well\n")
    made = desk.backup(only="history")
    assert {name.split("/")[0] for name in names(made)} > {"audit", "data", "README.txt"}
    assert all(name.startswith("data/vault/_deskhand/") for name in names(made) if name.startswith("data/"))
    assert made.verified and known(desk.desk)[0].kind == "history"


def test_secrets_links_and_odd_names_in_the_vault(desk: Open) -> None:
    vault = desk.desk.vault
    (vault / "id_rsa").write_text("private\n")
    (vault / "link.md").symlink_to("/etc/passwd")
    (vault / "Note.md").write_text("a\n")
    (vault / "note.md").write_text("b\n")
    (vault / "empty").mkdir()
    (vault / os.fsdecode(b"caf\xe9\\.md")).write_text("c\n")
    os.mkfifo(vault / "pipe")
    made = desk.backup()
    found = names(made)
    assert {"data/vault/Note.md", "data/vault/note~2.md", "data/vault/caf%E9%5C.md"} <= found
    assert "data/vault/id_rsa" not in found and "data/vault/link.md" not in found
    assert made.facts.links == {"data/vault/link.md": "/etc/passwd"} and "data/vault/empty" in made.facts.folders
    assert set(made.facts.escaped) == {"data/vault/note~2.md", "data/vault/caf%E9%5C.md"}
    assert {line.split(":")[0] for line in made.facts.left_out} >= {"vault/id_rsa", "vault/pipe"}


def test_a_note_that_is_renamed_while_it_is_read_is_in_it(desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to a folder that was read already, once onto the name of another."""
    vault = desk.desk.vault
    for name in ("a", "b", "z"):
        (vault / name).mkdir()
    (vault / "z" / "moved.md").write_text("moved\n")
    (vault / "a" / "x.md").write_text("x\n")
    (vault / "z" / "y.md").write_text("y\n")
    for path in vault.rglob("*.md"):
        os.utime(path, (NOON - 60, NOON - 60))
    real = os.listdir

    def listdir(path: Any = ".") -> list[str]:
        found = real(path)
        if isinstance(path, int) and "y.md" in found and "moved.md" in found:
            (vault / "z" / "moved.md").rename(vault / "a" / "moved.md")
            (vault / "a" / "x.md").rename(vault / "b" / "x.md")
            (vault / "z" / "y.md").rename(vault / "a" / "x.md")
            return real(path)
        return found

    monkeypatch.setattr(os, "listdir", listdir)
    made = desk.backup()
    texts = {read(made, name) for name in names(made) if name.startswith("data/vault/")}
    assert {b"moved\n", b"x\n", b"y\n"} <= texts


# -- when it does not work -------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_nothing_and_says_what_to_do(desk: Open) -> None:
    (desk.desk.vault / "large.bin").write_bytes(os.urandom(6 << 20))
    files = FaultyFiles(at=1, error=errno.ENOSPC, only=lambda operation, path: operation == "write")
    with pytest.raises(StoreError) as caught:
        desk.backup(files=files)
    assert files.fired and desk.left == []
    assert "No space left" in caught.value.cause and "make room" in str(caught.value.hint)
    assert desk.said[-1][0] == "backup_failed" and "/" not in desk.said[-1][1]["reason"]


def test_no_room_is_found_before_anything_is_written(desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(desk.desk.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(StoreError, match="bytes are needed"):
        desk.backup()
    assert desk.left == []


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "rename"])
def test_what_a_kill_left_is_removed_by_the_next(desk: Open, operation: str) -> None:
    files = FaultyFiles(at=1, only=lambda called, path: called == operation)
    with pytest.raises(Crash):
        desk.backup(files=files)
    assert not [name for name in desk.left if not name.endswith(".partial")]
    made = desk.backup(now=NOON + 1)
    assert desk.left == [made.name]


def test_only_one_at_a_time(desk: Open) -> None:
    with backup_folder.held(Files(), desk.desk, "testing"):
        partial = desk.desk.backups / "backup_2026-11-21_11-00-00.zip.partial"
        partial.write_text("somebody writes this\n")
        with pytest.raises(HeldError):
            desk.backup()
        assert partial.exists()


def test_what_does_not_read_back_gets_no_name(desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(path: Path, progress: Any = None) -> Verified:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
        return verify_file(path, progress)

    monkeypatch.setattr("deskhand.engine.archiving.verify_file", spoilt)
    with pytest.raises(IntegrityError, match="not what it should be"):
        desk.backup()
    assert desk.left == []


# -- targets and encryption ------------------------------------------------------------------------------------------


def test_second_targets(desk: Open, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "remote").mkdir()
    targets = (
        Target("disk", path=str(disk)),
        Target("absent", path=str(tmp_path / "not mounted")),
        Target("program", command=("cp", "{file}", str(tmp_path / "remote"))),
        Target("proved", command=("true", "{file}"), verify=("test", "-f", "{file}")),
        Target("disproved", command=("true", "{file}"), verify=("false",)),
        Target("broken", command=("sh", "-c", "echo no >&2; exit 3", "{file}")),
        Target("nowhere", command=("/no/such/program", "{file}")),
    )
    made = desk.backup(settings=Backup(targets=targets))
    said = {copy.target: (copy.problem is None, copy.verified, copy.exit) for copy in made.copies}
    assert said == {
        "disk": (True, True, None),
        "absent": (False, False, None),
        "program": (True, False, 0),
        "proved": (True, True, 0),
        "disproved": (False, False, 1),
        "broken": (False, False, 3),
        "nowhere": (False, False, None),
    }
    assert (disk / made.name).read_bytes() == (tmp_path / "remote" / made.name).read_bytes() == made.path.read_bytes()
    assert not (tmp_path / "not mounted").exists(), "a folder that is not there may be a disk that is not mounted"
    one = known(desk.desk)[0]
    assert one.targets == {"disk": True, "program": False, "proved": True}
    assert one.failed_targets == ("absent", "broken", "disproved", "nowhere")
    failed = [said for verb, said in desk.said if verb == "backup_failed"]
    assert len(failed) == 4 and str(tmp_path) not in repr(failed)


def test_a_copy_that_does_not_read_back_is_no_copy(desk: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    real = backup_folder.digest
    monkeypatch.setattr(backup_folder, "digest", lambda path, **more: "0" * 64 if more else real(path))
    made = desk.backup(settings=Backup(targets=(Target("disk", path=str(tmp_path / "disk")),)))
    assert "read back" in str(made.copies[0].problem) and list((tmp_path / "disk").iterdir()) == []


def test_a_program_that_hangs_is_ended(desk: Open) -> None:
    target = Target("slow", command=("sh", "-c", "sleep 60", "{file}"), timeout=0.05)
    made = desk.backup(settings=Backup(targets=(target,)))
    assert "longer than 0.05 s" in str(made.copies[0].problem) and made.seconds < 30


def test_an_encrypted_backup_opens_with_the_identity_only(desk: Open, tmp_path: Path) -> None:
    pyrage = pytest.importorskip("pyrage", reason="needs the extra `age`, which not every platform has")
    identity = pyrage.x25519.Identity.generate()
    made = desk.backup(settings=Backup(encrypt_to=(str(identity.to_public()),)))
    assert made.name.endswith(".zip.age") and made.verified and desk.left == [made.name]
    with pytest.raises(UsageError, match="encrypted"):
        verify_file(made.path)
    pyrage.decrypt_file(str(made.path), str(tmp_path / "plain.zip"), [identity])
    assert verify_file(tmp_path / "plain.zip").ok
    with zipfile.ZipFile(tmp_path / "plain.zip") as archive:
        assert "data/queue/.salt" in archive.namelist()
    assert known(desk.desk)[0].encrypted


def test_who_cannot_encrypt_makes_no_backup(desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyrage", None)
    with pytest.raises(ConfigError, match="pyrage is not installed") as caught:
        desk.backup(settings=Backup(encrypt_to=("age1x",)))
    assert "deskhand[age]" in str(caught.value.hint) and desk.left == []


# -- pruning ---------------------------------------------------------------------------------------------------------

RULES = Backup(keep_last=2, keep_within="")


def series(desk: Open, count: int) -> list[str]:
    """So many backups, a day apart; oldest first."""
    return [desk.backup(now=NOON - (count - number) * 86_400).name for number in range(count)]


def test_pruning_deletes_what_no_rule_keeps_and_says_so_first(desk: Open) -> None:
    made = series(desk, 4)
    tried = prune(Files(), desk.desk, RULES, desk.carry, now=NOON, dry_run=True)
    assert [fate.name for fate in tried.given_up] == made[1::-1] and desk.left == made
    on_disk: list[bool] = []
    desk.before = lambda verb: on_disk.append(len(desk.left) > 2) if verb == "backup_pruned" else None
    prune(Files(), desk.desk, RULES, desk.carry, now=NOON)
    assert desk.left == made[2:] and on_disk == [True, True]
    assert {said["name"] for verb, said in desk.said if verb == "backup_pruned"} == set(made[:2])


def test_nothing_goes_when_the_newest_is_not_what_was_recorded(desk: Open) -> None:
    made = series(desk, 4)
    newest = desk.desk.backups / made[-1]
    data = bytearray(newest.read_bytes())
    data[100] ^= 1
    newest.write_bytes(data)
    decided = prune(Files(), desk.desk, RULES, desk.carry, now=NOON)
    assert desk.left == made and "not the file on record" in str(decided.suspended)
    newest.write_bytes(data[:-1])
    assert [fate.name for fate in prune(Files(), desk.desk, RULES, desk.carry, now=NOON, dry_run=True).given_up] == [
        made[0]
    ]
    newest.unlink()
    assert [fate.name for fate in prune(Files(), desk.desk, RULES, desk.carry, now=NOON).given_up] == [made[0]]


def test_a_backup_that_is_not_on_record_is_left_alone(desk: Open) -> None:
    made = series(desk, 3)
    other = desk.desk.backups / "backup_2020-01-01_00-00-00.zip"
    other.write_bytes((desk.desk.backups / made[0]).read_bytes())
    prune(Files(), desk.desk, RULES, desk.carry, now=NOON)
    assert desk.left == [other.name, *made[1:]]


def test_a_clock_that_jumped_holds_everything(desk: Open) -> None:
    series(desk, 3)
    desk.inside.session.parts.ledger.book.clock_unconfirmed = True
    assert prune(Files(), desk.desk, RULES, desk.carry, now=NOON).given_up == () and len(desk.left) == 3


def test_no_backups_no_pruning(desk: Open) -> None:
    assert prune(Files(), desk.desk, RULES, desk.carry, now=NOON).fates == () and not desk.desk.backups.exists()
