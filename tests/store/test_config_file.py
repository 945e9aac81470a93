"""`deskhand.yaml` on disk."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from deskhand.core.settings import Settings
from deskhand.errors import ConfigError, ExitCode, StoreError
from deskhand.store import config_file
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.testing.faulty_files import Crash, FaultyFiles

TEXT = "# mine\nrun:\n  workers: 2 # two\n"


@pytest.fixture
def written(desk: Desk) -> Desk:
    desk.config.write_text(TEXT)
    return desk


def test_load(written: Desk) -> None:
    loaded = config_file.load(written, {"DESKHAND_TIMEOUT_SECONDS": "5"})
    assert loaded.settings is not None
    assert (loaded.settings.run.workers, loaded.settings.run.timeout) == (2, 5.0)
    written.config.write_text("")
    assert config_file.load(written).settings == Settings()


def test_every_violation_is_in_the_error(written: Desk) -> None:
    written.config.write_text("runn: 1\nrun:\n  workers: 0\n")
    with pytest.raises(ConfigError) as caught:
        config_file.load(written)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.cause.splitlines() == [
        "deskhand.yaml:1:1: runn: no such key; did you mean 'run'?",
        "deskhand.yaml:3:12: run.workers: must be from 1 to 256, not 0",
    ]
    assert len(config_file.check(written).violations) == 2


def test_no_file_is_no_desk(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        config_file.load(desk)
    assert "deskhand init" in str(caught.value.hint)


def test_a_huge_file_is_refused_without_reading_it_whole(written: Desk) -> None:
    with open(written.config, "r+b") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        config_file.load(written)


def test_set_keeps_comments_and_mode(written: Desk) -> None:
    written.config.chmod(0o640)
    before = hashlib.sha256(TEXT.encode()).hexdigest()
    change = config_file.set_value(Files(), written, "run.workers", "5")
    assert written.config.read_text() == TEXT.replace("2 #", "5 #")
    assert written.config.stat().st_mode & 0o777 == 0o640
    after = hashlib.sha256(written.config.read_bytes()).hexdigest()
    assert (change.before, change.after, change.before_sha256, change.after_sha256) == ("2", "5", before, after)


def test_set_refuses_what_would_not_load(written: Desk) -> None:
    with pytest.raises(ConfigError, match="from 1 to 256"):
        config_file.set_value(Files(), written, "run.workers", "0")
    assert written.config.read_text() == TEXT


def test_set_follows_a_link(written: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "dotfiles.yaml"
    written.config.rename(elsewhere)
    written.config.symlink_to(elsewhere)
    config_file.set_value(Files(), written, "run.workers", "5")
    assert written.config.is_symlink()
    assert "workers: 5" in elsewhere.read_text()


def test_f45_a_crash_leaves_the_old_or_the_new_file(written: Desk) -> None:
    calls = FaultyFiles()
    config_file.set_value(calls, written, "run.workers", "5")
    new = written.config.read_text()
    for at in range(1, len(calls.calls) + 1):
        written.config.write_text(TEXT)
        with pytest.raises(Crash):
            config_file.set_value(FaultyFiles(at), written, "run.workers", "5")
        assert written.config.read_text() in (TEXT, new)


def test_f48_a_full_disk_is_said_and_changes_nothing(written: Desk) -> None:
    with pytest.raises(StoreError, match="No space left"):
        config_file.set_value(FaultyFiles(2, errno.ENOSPC), written, "run.workers", "5")
    assert written.config.read_text() == TEXT
    assert [path.name for path in written.root.iterdir()] == ["deskhand.yaml"]
