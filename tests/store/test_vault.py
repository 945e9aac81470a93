"""deskhand's corner of the vault."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from deskhand.errors import StoreError
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from deskhand.store.vault import Vault
from deskhand.testing.faulty_files import FaultyFiles


def test_rewritten_only_on_change(desk: Desk) -> None:
    vault = Vault(Files(), desk)
    assert vault.write_status("one\n") is True
    first = vault.status.stat()
    assert vault.write_status("one\n") is False
    assert vault.status.stat() == first, "not even touched"
    assert vault.write_status("one\ntwo\n") is True
    assert vault.status.read_text() == "one\ntwo\n"
    assert [path.name for path in vault.status.parent.iterdir()] == ["status.md"]


def test_a_change_by_somebody_else_is_put_right(desk: Desk) -> None:
    vault = Vault(Files(), desk)
    vault.write_status("one\n")
    vault.status.write_text("one\nmore\n")
    assert vault.write_status("one\n") is True
    vault.status.unlink()
    assert vault.write_status("one\n") is True
    assert vault.status.read_text() == "one\n"


def test_a_link_is_replaced_not_followed(desk: Desk, tmp_path: Path) -> None:
    vault = Vault(Files(), desk)
    victim = tmp_path / "victim.md"
    victim.write_text("keep me")
    vault.status.parent.mkdir(parents=True)
    vault.status.symlink_to(victim)
    assert vault.write_status("status") is True
    assert victim.read_text() == "keep me"
    assert not vault.status.is_symlink()


def test_a_refusing_disk_is_an_error_and_leaves_the_old_note(desk: Desk) -> None:
    Vault(Files(), desk).write_status("old")
    vault = Vault(FaultyFiles(2, errno.ENOSPC), desk)
    with pytest.raises(StoreError, match="No space left"):
        vault.write_status("new")
    assert vault.status.read_text() == "old"
    assert [path.name for path in vault.status.parent.iterdir()] == ["status.md"]


def test_text_that_is_no_utf8_is_escaped(desk: Desk) -> None:
    vault = Vault(Files(), desk)
    assert vault.write_status("name \udcff") is True
    assert vault.status.read_text() == "name \\udcff"
