"""Restoring in place: the log goes on, what is finished stays finished, and what cannot be known is put to a person."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from deskhand.engine.clock import SystemClock
from deskhand.engine.joining import ASIDE
from deskhand.engine.restoring import restore_in_place
from deskhand.errors import HeldError, IntegrityError, UsageError
from deskhand.host.found import init
from deskhand.store.archive_read import open_archive
from deskhand.store.audit_verify import verify
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.restore_folder import restore_file, restore_to
from deskhand.testing.faulty_files import Crash, FaultyFiles
from tests.support import archives, invariants
from tests.support.desk import recipe
from tests.support.inside import inside
from tests.support.restores import NOTE, PERSON, Scene, picture


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Scene(tmp_path)


def test_the_log_goes_on(scene: Scene) -> None:
    before = scene.desk.root.stat().st_ino
    found = scene.restore()
    assert (found.log, found.gap, found.missing, found.drops_aside) == ("live", None, 0, 1)
    assert scene.desk.root.stat().st_ino != before == found.kept.stat().st_ino
    assert (scene.desk.root / NOTE).read_text() == "the plan\n"
    assert (found.kept / NOTE).read_text() == "somebody spoiled it\n"
    assert (scene.desk.root / ASIDE / "dropped.txt").read_text() == "waits\n"
    assert verify(scene.desk.audit).ok
    record = invariants.read(scene.desk)[-2]
    assert record.type == "restore.performed" and record.fields["gap"] is None
    init(scene.desk.root, adopt=True)
    invariants.check(scene.desk.root)
    assert scene.states() == {scene.waits: "waiting", scene.other: "rejected", scene.newer: "waiting"}
    assert scene.of(scene.newer, "approvals") == ["in.txt", "json", "task.json"]
    with inside(scene.desk.root) as desk:
        assert desk.engine.ledger.book.paused == "all"


def test_a_task_whose_files_are_gone_or_damaged_gets_them_from_the_backup(scene: Scene) -> None:
    for path in scene.desk.approvals.glob(f"*-{scene.waits[-6:]}*"):
        path.unlink()
    shutil.rmtree(scene.desk.requests)
    for path in scene.desk.folder("rejected").glob(f"*-{scene.other[-6:]}*"):
        path.unlink()
    damaged = next(scene.desk.approvals.glob(f"*-{scene.newer[-6:]}.in.txt"))
    damaged.chmod(0o600)
    damaged.write_bytes(b"spoiled\n")
    found = scene.restore()
    assert (found.log, found.missing) == ("live", 1), "the newer one is in no backup"
    assert scene.of(scene.waits, "approvals") == ["in.txt", "task.json"]
    assert scene.of(scene.other, "rejected") == ["in.txt", "task.json"], "it is over, and stays so"
    init(scene.desk.root, adopt=True)
    with inside(scene.desk.root) as desk:
        desk.command("resume")
        desk.engine.scan_everything()
        desk.until(lambda: desk.task(scene.newer) is None)
    assert scene.states() == {scene.waits: "waiting", scene.other: "rejected", scene.newer: "lost"}


def test_what_is_filed_away_is_not_put_back_a_second_time(scene: Scene) -> None:
    filed = scene.desk.folder("rejected") / "2026-09-01"
    filed.mkdir()
    for path in scene.desk.folder("rejected").glob(f"*-{scene.other[-6:]}*"):
        path.rename(filed / path.name)
    scene.restore()
    assert scene.of(scene.other, "rejected") == []
    assert len(list((scene.desk.folder("rejected") / "2026-09-01").iterdir())) == 3


def test_without_its_log_the_backups_log_goes_on_and_the_gap_is_named(scene: Scene) -> None:
    shutil.rmtree(scene.desk.audit)
    found = scene.restore()
    assert found.log == "backup" and "is gone; records after" in str(found.gap)
    aside = [path.read_bytes() for path in (scene.desk.root / ASIDE).iterdir()]
    assert sorted(aside) == [b"new\n", b"waits\n"], "what was taken since is known to no log any more"
    assert [record.type for record in invariants.read(scene.desk)][-3:-1] == ["restore.performed", "desk.adopted"]
    assert invariants.read(scene.desk)[-3].fields["gap"] == found.gap
    with pytest.raises(IntegrityError, match="older copy"), inside(scene.desk.root):
        pass
    init(scene.desk.root, adopt=True)
    assert scene.states() == {scene.waits: "waiting", scene.other: "waiting"}
    invariants.check(scene.desk.root)


def test_f71_what_may_have_run_in_the_gap_is_put_to_a_person(scene: Scene) -> None:
    """A task that was ready at the backup's head, and whose recipe must not be repeated blindly, is not started."""
    with inside(scene.desk.root) as desk:
        desk._drops = 8
        desk.bless(recipe("once", "command", argv=["true"]), "once")
        desk.engine.stop_starting()
        ready = desk.drop(b"go\n", name="go.txt", recipe="once")
        desk.until_state(ready, "ready")
    scene.zip.unlink()
    archives.back_up(scene.desk, scene.zip)
    shutil.rmtree(scene.desk.audit)
    assert scene.restore().in_doubt == 1
    init(scene.desk.root, adopt=True)
    with inside(scene.desk.root) as desk:
        desk.command("resume")
        desk.engine.scan_everything()
        desk.until_state(ready, "waiting")
    assert not [record for record in invariants.read(scene.desk) if record.type == "task.started"]


def test_a_damaged_log(scene: Scene) -> None:
    path = next(scene.desk.audit.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"rejected", b"approved", 1))
    found = scene.restore()
    assert found.log == "backup" and "damaged" in str(found.gap)
    assert verify(scene.desk.audit).ok and not verify(found.kept / "audit_logs").ok


def test_a_backup_of_another_desk_or_of_another_past(scene: Scene, tmp_path: Path) -> None:
    other = init(tmp_path / "another")[0]
    with open_archive(scene.zip) as archive, pytest.raises(UsageError, match="of another desk"):
        restore_in_place(Files(), other, archive, clock=SystemClock(), actor=PERSON, stamp="x")
    assert sorted(path.name for path in tmp_path.glob("another*")) == ["another"]


def test_a_daemon_that_runs(scene: Scene) -> None:
    with inside(scene.desk.root), pytest.raises(HeldError):
        scene.restore()


def test_what_no_backup_has_comes_along(scene: Scene) -> None:
    (scene.desk.root / ".git").mkdir()
    (scene.desk.root / ".git" / "config").write_text("x")
    (scene.desk.root / "backups").mkdir()
    (scene.desk.root / "backups" / "old.zip").write_text("zip")
    salt = scene.desk.salt.read_bytes()
    scene.restore()
    assert (scene.desk.root / ".git" / "config").read_text() == "x"
    assert (scene.desk.root / "backups" / "old.zip").read_text() == "zip"
    assert scene.desk.salt.read_bytes() == salt


def test_f71_killed_right_before_and_right_after_the_swap(scene: Scene) -> None:
    old = picture(scene.desk.root)
    files = FaultyFiles(1, only=lambda operation, path: operation == "exchange" and str(path).endswith("desk"))
    with pytest.raises(Crash):
        scene.restore(files)
    assert picture(scene.desk.root) == old
    shutil.rmtree(scene.folder / "desk-restoring-2026-09-22")
    files = FaultyFiles(1, only=lambda operation, path: operation == "rename" and "before-restore" in str(path))
    with pytest.raises(Crash):
        scene.restore(files)
    assert picture(scene.folder / "desk-restoring-2026-09-22") == old
    assert (scene.desk.root / NOTE).read_text() == "the plan\n"
    init(scene.desk.root, adopt=True)
    invariants.check(scene.desk.root)


def test_an_error_leaves_the_old_desk_and_nothing_beside_it(scene: Scene) -> None:
    old = picture(scene.desk.root)
    files = FaultyFiles(40, 28)
    with pytest.raises(Exception, match="No space left"):
        scene.restore(files)
    assert files.fired and picture(scene.desk.root) == old
    assert sorted(os.listdir(scene.folder))[:3] == ["backup_2026-09-21_12-26-40.zip", "desk", "letter.txt"]


def test_a_new_folder(scene: Scene) -> None:
    target = scene.folder / "elsewhere" / "again"
    target.parent.mkdir()
    with open_archive(scene.zip) as archive:
        made = restore_to(Files(), archive, target)
        assert len(made.tasks) == 2
        with pytest.raises(UsageError, match="something already"):
            restore_to(Files(), archive, target)
    assert (target / NOTE).read_text() == "the plan\n"
    assert (target / NOTE).stat().st_mtime_ns == archives.STAMP
    assert os.listdir(target.parent) == ["again"]
    with pytest.raises(IntegrityError, match="original with the same log"), inside(target):
        pass
    init(target, adopt=True)
    invariants.check(target)


def test_one_lost_note(scene: Scene) -> None:
    with open_archive(scene.zip) as archive:
        made = [restore_file(Files(), archive, "plan.md", scene.desk.root, "2026-09-22") for _ in range(2)]
        assert [path.name for path in made] == ["plan (restored 2026-09-22).md", "plan (restored 2026-09-22 2).md"]
        assert (scene.desk.root / NOTE).read_text() == "somebody spoiled it\n"
        assert made[0].read_text() == "the plan\n"
        (scene.desk.root / NOTE).unlink()
        assert restore_file(Files(), archive, NOTE, scene.desk.root, "2026-09-22") == scene.desk.root / NOTE
        with pytest.raises(UsageError, match="no file of the vault"):
            restore_file(Files(), archive, "queue/.salt", scene.desk.root, "2026-09-22")


def test_a_note_is_not_written_through_a_link(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    shutil.rmtree(scene.desk.root / "vault" / "Notes")
    (scene.desk.root / "vault" / "Notes").symlink_to(tmp_path / "outside")
    with open_archive(scene.zip) as archive, pytest.raises(UsageError, match="leads out of the desk"):
        restore_file(Files(), archive, NOTE, Desk(scene.desk.root).root, "2026-09-22")
    assert os.listdir(tmp_path / "outside") == []
