"""The desk folders at the top are a fresh desk, as ``deskhand init`` writes it, and stay so while the daemon runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deskhand.core.names import ignored
from deskhand.store import skeleton
from deskhand.store.files import Files

DESK = ("queue", "vault", "audit_logs", "watch_inbox", "logs", "backups", "outbox", "archive", "deskhand.yaml")


def test_the_clone_is_a_fresh_desk(root: Path, project_files: tuple[Path, ...], tmp_path: Path) -> None:
    skeleton.write(Files(), tmp_path)
    fresh = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    here = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in project_files
        if path.relative_to(root).parts[0] in DESK
    }
    assert here == fresh, (
        "write it again: deskhand.store.skeleton.write(Files(), Path('.')) after removing the old files"
    )


@pytest.mark.parametrize("path", [entry.path for entry in skeleton.entries()])
def test_version_control_takes_the_skeleton(path: str, root: Path) -> None:
    assert _ignored(root, path) is False


@pytest.mark.parametrize(
    "path",
    [
        *("queue/.lock", "queue/.staging/claimed/x/y.txt", "queue/.work/1/in/a", "queue/.control.sock"),
        *("queue/pending/20261120-195331-a-abcdef.task.json", "queue/completed/2026-11-20/a.json", "queue/new.txt"),
        *("audit_logs/audit_2026-11-20.jsonl", "audit_logs/head", "logs/deskhand.log", "watch_inbox/invoice.pdf"),
        *("vault/_deskhand/status.md", "vault/Notes/letter.md", "vault/recipes/drafts/mine.yaml", "outbox/letter.txt"),
        *("vault/recipes/blessed/mine/v0001.yaml", "vault/recipes/blessed/note/v0002.yaml", "vault/.obsidian/app.json"),
        *("archive/2026/11/a.pdf", "backups/backup_2026-11-20_10-00-00.zip"),
    ],
)
def test_version_control_takes_nothing_that_work_leaves(path: str, root: Path) -> None:
    assert _ignored(root, path) is True


def test_keepers_are_never_a_drop() -> None:
    assert ignored(skeleton.KEEP)


def _ignored(root: Path, path: str) -> bool:
    # --no-index: what the rules say, whether or not the file is there or already taken.
    command = ["git", "-C", str(root), "check-ignore", "--no-index", "-q", path]
    code = subprocess.run(command, check=False, capture_output=True).returncode
    if code not in (0, 1):
        pytest.skip("not a clone")
    return code == 0
