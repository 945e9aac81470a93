"""Recipes on disk: only what the log vouches for runs, and blessing survives a crash at every step."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from deskhand.core.recipe import Pin
from deskhand.core.recipe_draft import Answers
from deskhand.core.record import Record
from deskhand.errors import ConfigError, DeskhandError, IntegrityError, StoreError, UsageError
from deskhand.store import skeleton
from deskhand.store.desk import Desk
from deskhand.store.files import Files, FsyncError, StrPath
from deskhand.store.recipe_files import MAX_CODE
from deskhand.store.recipes import Recipes, starter_recipes
from deskhand.testing.faulty_files import Crash, FaultyFiles

STARTER = ["archive", "hand-over", "note"]


@pytest.fixture
def recipes(desk: Desk) -> Recipes:
    return Recipes(Files(), desk)


def blessed(recipes: Recipes, identifier: str) -> Pin:
    blessing = recipes.prepare_blessing(identifier)
    recipes.place(blessing)
    recipes.refresh([*recipes.current.pins, blessing.pin])
    return blessing.pin


def change_draft(recipes: Recipes, identifier: str, old: str, new: str) -> None:
    path = recipes.draft_path(identifier)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def records(*pins: Pin) -> list[Record]:
    return [
        Record("0" * 64, seq, 0.0, "recipe.adopted", {"recipe": msgspec.to_builtins(pin)}, "r", 0)
        for seq, pin in enumerate(pins)
    ] + [Record("0" * 64, 9, 0.0, "log.heartbeat", {"recipe": "no"}, "r", 0)]


def test_starter_recipes_are_adopted(recipes: Recipes) -> None:
    pins = recipes.starter()
    assert [pin.id for pin in pins] == STARTER
    found = recipes.catalogue(records(*pins))
    assert [recipe.id for recipe in found.recipes] == STARTER
    assert (found.damaged, found.unblessed) == ((), ())
    note, hand_over = recipes.get(pins[2]), recipes.get(pins[1])
    assert (note.kind, note.approval.mode, note.idempotent, note.deliver) == (
        "note",
        "never",
        True,
        "vault/Notes/{name}",
    )
    assert (hand_over.kind, hand_over.approval.mode, hand_over.deliver) == ("keep", "required", "outbox/{name}")
    assert found.ids == set(STARTER)
    assert recipes.is_inline("archive")
    assert not recipes.is_inline("note")
    for pin in pins:
        assert stat.S_IMODE(recipes.paths.version(pin.id, 1).stat().st_mode) == 0o444


def test_starter_recipes_and_skeleton_agree(recipes: Recipes, desk: Desk) -> None:
    skeleton.write(Files(), desk.root)
    assert [pin.id for pin in recipes.starter()] == STARTER
    assert recipes.starter() == recipes.starter()
    assert len(starter_recipes()) == len(STARTER)


def test_nothing_runs_before_the_log_was_asked(recipes: Recipes) -> None:
    pins = recipes.starter()
    with pytest.raises(IntegrityError, match="not blessed"):
        recipes.get(pins[0])
    assert recipes.current.recipes == ()


def test_a_changed_file_never_runs(recipes: Recipes) -> None:
    pins = recipes.starter()
    recipes.refresh(pins)
    path = recipes.paths.version("hand-over", 1)
    text = path.read_bytes()
    overwrite(path, text.replace(b"approval: required", b"approval: never   "))
    with pytest.raises(IntegrityError, match="not what was blessed") as caught:
        recipes.get(pins[1])
    assert caught.value.hint
    found = recipes.refresh(pins)
    assert [item.pin.id for item in found.damaged] == ["hand-over"]
    assert "SHA-256" in found.unavailable["hand-over"]
    assert [recipe.id for recipe in found.recipes] == ["archive", "note"]
    overwrite(path, text)
    assert recipes.get(pins[1]).approval.mode == "required"


def test_a_change_with_the_same_size_and_time_is_seen(recipes: Recipes) -> None:
    pins = recipes.starter()
    recipes.refresh(pins)
    path = recipes.paths.version("note", 1)
    before = path.stat()
    overwrite(path, path.read_bytes().replace(b"never", b"Never"))
    path.chmod(stat.S_IMODE(before.st_mode))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(IntegrityError):
        recipes.get(pins[2])


def test_missing_files_and_links_never_run(recipes: Recipes, tmp_path: Path) -> None:
    pins = recipes.starter()
    recipes.paths.version("note", 1).unlink()
    other = recipes.paths.version("archive", 1)
    other.rename(tmp_path / "copy.yaml")
    other.symlink_to(tmp_path / "copy.yaml")
    found = recipes.refresh(pins)
    assert sorted(found.unavailable) == ["archive", "note"]
    assert "No such file" in found.unavailable["note"]


def test_an_unrecorded_version_never_runs(recipes: Recipes) -> None:
    pins = recipes.starter()
    path = recipes.paths.version("note", 2)
    path.write_bytes(recipes.paths.version("note", 1).read_bytes())
    found = recipes.refresh(pins)
    assert [item.path for item in found.unblessed] == [path]
    assert "not blessed" in found.unblessed[0].reason
    note = found.get("note")
    assert note is not None
    assert note.version == 1
    with pytest.raises(IntegrityError, match="not blessed"):
        recipes.get(msgspec.structs.replace(pins[2], version=2))


def test_an_older_version_does_not_replace_a_damaged_newer_one(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine", kind="keep"))
    first = blessed(recipes, "mine")
    change_draft(recipes, "mine", "attempts: 1", "attempts: 2")
    second = blessed(recipes, "mine")
    assert (first.version, second.version) == (1, 2)
    overwrite(recipes.paths.version("mine", 2), b"x")
    found = recipes.refresh([first, second])
    assert found.recipes == ()
    assert "mine" in found.unavailable
    assert recipes.get(first).retry.attempts == 1, "tasks pinned to the old version still have it"


def test_a_version_recorded_twice_with_different_contents_is_damaged(recipes: Recipes) -> None:
    pins = recipes.starter()
    found = recipes.refresh([*pins, msgspec.structs.replace(pins[2], sha256="0" * 64)])
    assert "note" in found.unavailable
    assert found.get("note") is None


@pytest.mark.parametrize("kind", ["command", "python", "note", "keep"])
def test_new_check_bless(recipes: Recipes, kind: str) -> None:
    answers = msgspec.convert({"id": "mine", "kind": kind}, Answers)
    path = recipes.new(answers)
    assert path == recipes.draft_path("mine")
    assert recipes.check_draft("mine").problems == ()
    pin = blessed(recipes, "mine")
    recipe = recipes.get(pin)
    assert (recipe.id, recipe.kind, recipe.version, recipe.sha256) == ("mine", kind, 1, pin.sha256)
    assert recipes.paths.version("mine", 1).read_bytes() == path.read_bytes()
    assert (pin.code_sha256 is not None) == (kind == "python")


def test_new_overwrites_nothing(recipes: Recipes) -> None:
    path = recipes.new(Answers(id="mine"))
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        recipes.new(Answers(id="mine"))
    assert path.read_text() == "precious"


def test_new_refuses_answers_that_make_no_recipe(recipes: Recipes) -> None:
    with pytest.raises(ConfigError, match=r"approval\.when") as caught:
        recipes.new(Answers(id="mine", approval="byte > 3", deliver="../x"))
    assert "deliver" in caught.value.cause
    with pytest.raises(ConfigError):
        recipes.new(Answers(id="../x"))
    assert not recipes.draft_path("mine").exists()


def test_code_is_snapshotted_and_guarded(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine", kind="python"))
    pin = blessed(recipes, "mine")
    draft = recipes.paths.draft_code("mine.py")
    assert recipes.code(pin) == draft.read_bytes()
    draft.write_text("def run(input, output_dir, params):\n    return 'changed'\n")
    assert recipes.get(pin).code_sha256 == pin.code_sha256
    second = blessed(recipes, "mine")
    assert (second.version, second.sha256 == pin.sha256) == (2, True), "changed code is a new version"
    overwrite(recipes.code_path(second), b"import os\n")
    for call in (recipes.get, recipes.code):
        with pytest.raises(IntegrityError, match=r"v0002\.py is not what was blessed"):
            call(second)


@pytest.mark.parametrize(
    ("code", "words"), [(None, "no file mine"), ("def ran(): pass\n", "mine.*: defines no function 'run'")]
)
def test_a_draft_without_its_code_is_not_blessed(recipes: Recipes, code: str | None, words: str) -> None:
    recipes.new(Answers(id="mine", kind="python"))
    path = recipes.paths.draft_code("mine.py")
    path.unlink()
    if code is not None:
        path.write_text(code)
    with pytest.raises(ConfigError, match=words):
        recipes.prepare_blessing("mine")


def test_bless_reports_every_violation(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine"))
    change_draft(recipes, "mine", "attempts: 1", "atempts: 1\n  backoff: soon")
    with pytest.raises(ConfigError) as caught:
        recipes.prepare_blessing("mine")
    assert ["mine.yaml:" in line for line in caught.value.cause.splitlines()] == [True, True]
    with pytest.raises(UsageError, match="no such draft"):
        recipes.prepare_blessing("other")
    with pytest.raises(UsageError, match="no name of a recipe"):
        recipes.check_draft("../../x")


def test_an_unchanged_draft_is_not_blessed_again(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine"))
    pin = blessed(recipes, "mine")
    with pytest.raises(UsageError, match="exactly what was blessed as version 1"):
        recipes.prepare_blessing("mine")
    overwrite(recipes.paths.version("mine", 1), b"x")
    recipes.refresh([pin])
    blessing = recipes.prepare_blessing("mine")
    assert (blessing.pin.version, blessing.previous) == (2, 1), "a damaged one can be blessed anew"


def test_a_placed_but_unrecorded_version_is_taken_over_or_left(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine"))
    first = recipes.prepare_blessing("mine")
    recipes.place(first)
    assert recipes.prepare_blessing("mine").pin == first.pin
    change_draft(recipes, "mine", "attempts: 1", "attempts: 2")
    second = recipes.prepare_blessing("mine")
    assert (second.pin.version, second.previous) == (2, None)
    recipes.place(second)
    assert recipes.paths.version("mine", 1).read_bytes() == first.data


def test_place_never_replaces(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine"))
    blessing = recipes.prepare_blessing("mine")
    path = recipes.paths.version("mine", 1)
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    with pytest.raises(StoreError, match="another file stands"):
        recipes.place(blessing)
    assert path.read_text() == "precious"


def test_place_never_replaces_what_appears_meanwhile(recipes: Recipes, desk: Desk) -> None:
    recipes.new(Answers(id="mine"))
    path = recipes.paths.version("mine", 1)

    class Rival(Files):
        def before(self, operation: str, target: StrPath | int) -> None:
            if operation in ("rename", "replace"):
                path.write_text("precious")

    with pytest.raises(StoreError, match="another file stands"):
        Recipes(Rival(), desk).place(recipes.prepare_blessing("mine"))
    assert path.read_text() == "precious"


def test_f45_a_crash_at_any_step_of_blessing(recipes: Recipes, tmp_path: Path) -> None:
    def fresh(name: str) -> Desk:
        made = Desk(tmp_path / name)
        made.root.mkdir()
        Recipes(Files(), made).new(Answers(id="mine", kind="python"))
        return made

    counting = FaultyFiles()
    desk = fresh("count")
    recipes = Recipes(counting, desk)
    recipes.place(recipes.prepare_blessing("mine"))
    assert len(counting.calls) > 10
    for at in range(1, len(counting.calls) + 1):
        desk = fresh(f"crash{at}")
        broken = Recipes(FaultyFiles(at), desk)
        with pytest.raises(Crash):
            broken.place(broken.prepare_blessing("mine"))
        again = Recipes(Files(), desk)
        assert again.refresh([]).recipes == ()
        pin = blessed(again, "mine")
        assert pin.version == 1
        assert again.get(pin).function == "run"
        names = sorted(path.name for path in (desk.recipes / "blessed" / "mine").iterdir())
        assert names == ["v0001.py", "v0001.yaml"], "no temporary file is left"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_f48_errors_of_the_disk_are_said(desk: Desk, error: int) -> None:
    Recipes(Files(), desk).new(Answers(id="mine"))
    counting = FaultyFiles()
    Recipes(counting, Desk(desk.root)).place(Recipes(Files(), desk).prepare_blessing("mine"))
    for at in range(1, len(counting.calls) + 1):
        shutil.rmtree(desk.recipes / "blessed")
        broken = Recipes(FaultyFiles(at, error), desk)
        blessing = broken.prepare_blessing("mine")
        with pytest.raises((StoreError, FsyncError)) as caught:
            broken.place(blessing)
        assert isinstance(caught.value, FsyncError) == counting.calls[at - 1].startswith("fsync"), "fsync ends a daemon"
        Recipes(Files(), desk).place(blessing)
        assert Recipes(Files(), desk).prepare_blessing("mine").pin == blessing.pin


def test_reading_is_cached(recipes: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = recipes.starter()
    recipes.refresh(pins)
    first = recipes.get(pins[0])
    monkeypatch.setattr("deskhand.store.recipes.read_bytes", None)
    assert recipes.get(pins[0]) is first


def test_f27_huge_code_is_refused_before_it_is_read(recipes: Recipes) -> None:
    recipes.new(Answers(id="mine", kind="python"))
    recipes.paths.draft_code("mine.py").write_bytes(b"#" * (MAX_CODE + 1))
    with pytest.raises(DeskhandError, match="larger than"):
        recipes.check_draft("mine")
