"""Rows 71 and 72: a restore that is killed leaves the old desk or the new one, whole; a drill finds every damage."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.engine import drill as drills
from deskhand.engine.clock import SystemClock
from deskhand.engine.drill import Place, drill
from deskhand.host.found import init
from deskhand.store import archive_check
from deskhand.store.archive_check import Verified, verify_file
from deskhand.store.archive_read import open_archive
from deskhand.store.files import Files
from deskhand.store.restore_folder import restore_to
from deskhand.testing.faulty_files import Crash, FaultyFiles
from tests.support import archives, campaign, invariants
from tests.support.restores import NOTE, Scene, picture

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="two folders that swap their names in one step"),
    pytest.mark.timeout(campaign.patience(300)),
]
Spoil = Callable[[Scene], object]
SPOILED: dict[str, Spoil] = {
    "its log goes on": lambda scene: None,
    "its log is gone": lambda scene: shutil.rmtree(scene.desk.audit),
}


class Table:
    """One scene that is put back to its beginning for every point."""

    def __init__(self, folder: Path, spoil: Spoil) -> None:
        self.scene = Scene(folder / "work")
        spoil(self.scene)
        self._saved = folder / "saved"
        shutil.copytree(folder / "work", self._saved, symlinks=True)

    def reset(self) -> None:
        shutil.rmtree(self.scene.folder)
        shutil.copytree(self._saved, self.scene.folder, symlinks=True)


def content(scene: Scene) -> dict[str, str]:
    """The desk but for its log, in which every restore writes other times and salts, and what follows from it."""
    return {name: said for name, said in picture(scene.desk.root).items() if not name.startswith("audit_logs/")}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_f71_restore_in_place_killed_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    table = Table(tmp_path, SPOILED[spoiled])
    scene = table.scene
    old, before = content(scene), picture(scene.desk.root)
    counting = FaultyFiles()
    scene.restore(counting)
    new = content(scene)
    assert old[NOTE] != new[NOTE]
    calls = counting.calls
    swap = next(number for number, call in enumerate(calls, 1) if call == f"exchange {scene.desk.root}")
    for at in range(1, len(calls) + 1):
        table.reset()
        with pytest.raises(Crash):
            scene.restore(FaultyFiles(at))
        where = f"killed at call {at} of {len(calls)} ({calls[at - 1]})"
        if at <= swap:
            assert content(scene) == old, where
            assert picture(scene.desk.root).items() >= before.items() or not scene.desk.audit.exists(), where
        else:
            assert content(scene) == new, where
            kept = [path for path in scene.folder.glob("desk-*-2026-09-22") if (path / NOTE).exists()]
            assert [(path / NOTE).read_text() for path in kept] == ["somebody spoiled it\n"], where
            init(scene.desk.root, adopt=True)
            invariants.check(scene.desk.root)
    campaign.tried(f"restore in place killed, {spoiled}", f"{len(calls)} points, every one; the swap is call {swap}")


def test_f71_restore_to_a_new_folder_killed_at_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    scene = Scene(tmp_path / "work")
    target = tmp_path / "made" / "again"
    target.parent.mkdir()
    counting = FaultyFiles()
    with open_archive(scene.zip) as archive:
        restore_to(counting, archive, target)
        whole = picture(target)
        named = next(number for number, call in enumerate(counting.calls, 1) if call.startswith(f"rename {target}"))
        for at in range(1, len(counting.calls) + 1):
            shutil.rmtree(target.parent)
            target.parent.mkdir()
            with pytest.raises(Crash):
                restore_to(FaultyFiles(at), archive, target)
            assert picture(target) == (whole if at > named else {}), f"killed at call {at}: {counting.calls[at - 1]}"
    campaign.tried("restore to a new folder killed", f"{len(counting.calls)} points, every one")


def test_f72_every_flipped_byte_and_every_cut_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    data = bytearray(Scene(tmp_path / "work").zip.read_bytes())
    assert verify_file(tmp_path / "work" / "backup_2026-09-21_12-26-40.zip").ok
    path = tmp_path / "x.zip"
    step = 1 if campaign.WHOLE else 7
    for at in range(0, len(data), step):
        data[at] ^= 0xFF
        path.write_bytes(data)
        data[at] ^= 0xFF
        assert not verify_file(path).ok, f"byte {at} of {len(data)}"
        path.write_bytes(data[:at])
        assert not verify_file(path).ok, f"cut at {at} of {len(data)}"
    campaign.tried("a flipped byte, and a cut", f"{len(range(0, len(data), step))} places of {len(data)}, each")


def test_f72_a_drill_fails_with_a_damaged_backup_and_with_a_verifier_that_sees_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    scene = Scene(tmp_path / "work")
    newer = archives.back_up(scene.desk, scene.folder / "backup_2026-09-22_12-26-40.zip")
    place = Place("desk", scene.folder, (newer.name, scene.zip.name))
    done = drill(Files(), place, clock=SystemClock(), dice=random.Random(1))
    assert done.ok and [one.name for one in done.backups] == [newer.name, scene.zip.name]
    assert [one.opened for one in done.backups] == [True, True]
    good = scene.zip.read_bytes()
    dice = random.Random(campaign.SEED)
    for _ in range(20):
        at = dice.randrange(len(good))
        scene.zip.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        done = drill(Files(), place, clock=SystemClock(), dice=random.Random(1))
        assert not done.ok and str(done.reason).startswith(scene.zip.name), f"byte {at} of {len(good)}"
        assert done.rto_s is not None, "the newest one is whole"
    scene.zip.write_bytes(good)

    def blind(path: Path) -> Verified:
        return archive_check.Verified(True, path, 0, 0, 0, 0, ())

    monkeypatch.setattr(drills, "verify_file", blind)
    done = drill(Files(), place, clock=SystemClock(), dice=random.Random(1))
    assert not done.ok and "was not noticed" in str(done.reason)
