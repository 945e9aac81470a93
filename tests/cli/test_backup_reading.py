"""``deskhand backup verify``, ``restore`` and ``drill``: what they print, what they put on record, and exit codes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from deskhand.cli import backup_choice
from deskhand.host.found import init
from tests.cli.conftest import Console
from tests.support import archives, invariants


@pytest.fixture
def backed_up(console: Console) -> Console:
    """A desk with a finished task, a waiting one and two backups."""
    console.drop("notes.txt", b"milk\n")
    console.drop("letter.txt", b"dear\n", "--recipe", "hand-over")
    (console.desk.root / "vault/Notes/plan.md").write_text("the plan\n")
    console.desk.backups.mkdir()
    for day in (20, 21):
        archives.back_up(console.desk, console.desk.backups / f"backup_2026-09-{day}_12-00-00.zip")
    return console


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def last(console: Console, kind: str) -> dict[str, object]:
    return [record for record in invariants.read(console.desk) if record.type == kind][-1].fields


def test_verify(backed_up: Console) -> None:
    newest = "backup_2026-09-21_12-00-00.zip"
    assert f"{newest}: ok:" in backed_up("backup", "verify").stdout
    assert last(backed_up, "backup.verified")["name"] == newest
    said = backed_up.json("backup", "verify", "--all")
    assert said["ok"] and [one["name"] for one in said["backups"]] == [newest, newest.replace("21", "20", 1)]
    spoil(backed_up.desk.backups / newest)
    text = backed_up("backup", "verify", code=4).stdout
    assert "NOT ok" in text and "ok: 2" not in text
    fields = last(backed_up, "backup.verified")
    assert (fields["ok"], bool(fields["reason"])) == (False, True)
    said = backed_up.json("backup", "verify", "--all", code=4)
    assert [one["ok"] for one in said["backups"]] == [False, True] and not said["ok"]


def test_verify_what_is_on_record_as_something_else(backed_up: Console) -> None:
    """A backup that is whole in itself, and not the one that was made."""
    name = backed_up.json("backup", "create")["name"]
    assert backed_up.json("backup", "verify", name)["backups"][0]["as_recorded"] is True
    path = backed_up.desk.backups / name
    path.unlink()
    archives.back_up(backed_up.desk, path)
    assert "it is not the file on record" in backed_up("backup", "verify", name, code=4).stdout


def test_verify_what_is_encrypted_or_not_there(backed_up: Console, tmp_path: Path) -> None:
    (backed_up.desk.backups / "backup_2026-09-22_12-00-00.zip.age").write_bytes(b"age-encryption.org/v1\n-> X25519\n")
    assert "unknown" in backed_up("backup", "verify", code=1).stdout
    assert backed_up.json("backup", "verify", code=1)["backups"][0]["ok"] is None
    assert "there is no backup" in backed_up("backup", "verify", "nosuch.zip", code=2).output
    shutil.rmtree(backed_up.desk.backups)
    assert "deskhand backup create" in backed_up("backup", "verify", code=2).output


def test_verify_a_desk_whose_log_is_damaged(backed_up: Console) -> None:
    """After a disaster the backups are what counts; that the result is not on record is said."""
    (backed_up.desk.audit / "head").unlink()
    path = next(backed_up.desk.audit.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"task.ready", b"task.Ready", 1))
    result = backed_up("backup", "verify")
    assert ": ok:" in result.stdout and "not put on record" in result.stderr


def test_restore_beside(backed_up: Console) -> None:
    said = backed_up.json("backup", "restore", "backup_2026-09-20_12-00-00.zip")
    root = Path(said["desk"])
    assert root.parent == backed_up.desk.root.parent and root.name.startswith("desk-restored-")
    assert said["unfinished"] == 1
    text = backed_up("backup", "restore", "backup_2026-09-20_12-00-00.zip", "--to", str(root.with_name("x"))).stdout
    assert f"deskhand init --adopt {root.with_name('x')}" in text
    init(root.with_name("x"), adopt=True)
    invariants.check(root.with_name("x"))
    assert "something already" in backed_up("backup", "restore", said["backup"], "--to", str(root), code=2).output


def test_restore_asks_which(backed_up: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    output = backed_up("backup", "restore", code=2).output
    assert output.index("backup_2026-09-21") < output.index("backup_2026-09-20")
    monkeypatch.setattr(backup_choice, "interactive", lambda: True)
    backed_up("backup", "restore", "--to", str(backed_up.desk.root.with_name("x")), answers="2\n")
    assert (backed_up.desk.root.with_name("x") / "vault/Notes/plan.md").read_text() == "the plan\n"


def test_restore_one_note(backed_up: Console, tmp_path: Path) -> None:
    name = "backup_2026-09-21_12-00-00.zip"
    assert (
        "brought back: vault/Notes/plan (restored " in backed_up("backup", "restore", name, "--only", "plan.md").stdout
    )
    (backed_up.desk.root / "vault/Notes/plan.md").unlink()
    assert backed_up.json("backup", "restore", name, "--only", "plan.md")["file"] == "vault/Notes/plan.md"
    backed_up("backup", "restore", name, "--only", "plan.md", "--to", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere/vault/Notes/plan.md").read_text() == "the plan\n"


def test_restore_in_place(backed_up: Console) -> None:
    name = "backup_2026-09-21_12-00-00.zip"
    (backed_up.desk.root / "vault/Notes/plan.md").write_text("spoiled\n")
    assert "--confirm desk" in backed_up("backup", "restore", name, "--in-place", code=2).output
    assert "is not the name" in backed_up("backup", "restore", name, "--in-place", "--confirm", "x", code=2).output
    said = backed_up.json("backup", "restore", name, "--in-place", "--confirm", "desk")
    assert (said["log"], said["gap"], said["missing"]) == ("live", None, 0)
    assert (backed_up.desk.root / "vault/Notes/plan.md").read_text() == "the plan\n"
    assert (Path(said["kept"]) / "vault/Notes/plan.md").read_text() == "spoiled\n"
    assert said["safety_backup"] in os.listdir(backed_up.desk.backups)
    assert last(backed_up, "restore.performed")["name"] == name
    invariants.check(backed_up.desk.root)
    backed_up("backup", "restore", name, "--in-place", "--to", "x", code=2)


def test_restore_in_place_without_a_log(backed_up: Console) -> None:
    shutil.rmtree(backed_up.desk.audit)
    text = backed_up("backup", "restore", "backup_2026-09-21_12-00-00.zip", "--in-place", "--confirm", "desk").stdout
    assert "no backup could be made before" in text and "there is a gap in the audit log" in text
    assert last(backed_up, "desk.adopted")["reason"]
    invariants.check(backed_up.desk.root)


def test_drill(backed_up: Console) -> None:
    said = backed_up.json("backup", "drill")
    assert said["ok"] and said["place"] == "desk" and said["rpo_s"] > 0 and said["rto_s"] >= 0
    assert [(one["opened"], one["unfinished"]) for one in said["backups"]] == [(True, 1), (True, 1)]
    assert all(one["canary"] for one in said["backups"]) and all(one["found"] for one in said["damaged"])
    fields = last(backed_up, "drill.finished")
    assert fields["ok"] is True and fields["rto_s"] == said["rto_s"]
    assert "Passed on" in (backed_up.desk.vault / "_deskhand/drill.md").read_text()
    spoil(backed_up.desk.backups / "backup_2026-09-20_12-00-00.zip")
    assert "FAILED" in backed_up("backup", "drill", code=4).stdout
    assert "**FAILED**" in (backed_up.desk.vault / "_deskhand/drill.md").read_text()
    assert last(backed_up, "drill.finished")["ok"] is False
    shutil.rmtree(backed_up.desk.backups)
    assert "there is no backup of a desk" in backed_up("backup", "drill", code=4).stdout
