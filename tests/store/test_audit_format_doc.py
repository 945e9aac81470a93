"""The page about the format is true: its verifier verifies, its registry is the registry."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deskhand.core.record import TYPES
from deskhand.core.state import TRANSITIONS
from deskhand.store import audit_pack
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock
from deskhand.testing.sample_log import append_task, three_days

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "audit-log-format.md").read_text()
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell) and shutil.which("sha256sum")]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SHELLS, reason="no POSIX shell with sha256sum here")]


@pytest.fixture(params=SHELLS[:1])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, Path]:
    """Shell, script and log."""
    found = re.search(r"^```shell\n(#!/bin/sh\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    script = tmp_path / "verify.sh"
    script.write_text(found[1])
    log = three_days(tmp_path / "audit_logs", FakeClock())
    append_task(log, 9, upto=2)
    log.commit()
    return request.param, script, tmp_path / "audit_logs"


def verdict(run: tuple[str, Path, Path]) -> tuple[int, str]:
    shell, script, folder = run
    done = subprocess.run([shell, str(script)], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_good_log_passes_in_every_shell(run: tuple[str, Path, Path], shell: str) -> None:
    code, said = verdict((shell, *run[1:]))
    assert code == 0 and said.startswith("ok: 59 is the last record"), said


@pytest.mark.parametrize(("line", "at"), [(0, 12), (3, 200), (5, 30)])
def test_a_flipped_byte_fails_at_its_line(run: tuple[str, Path, Path], line: int, at: int) -> None:
    path = run[2] / "audit_2026-09-21.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:at] + bytes([lines[line][at] ^ 1]) + lines[line][at + 1 :]
    path.write_bytes(b"".join(lines))
    code, said = verdict(run)
    assert code == 1, said
    assert re.search(rf"audit_2026-09-21.jsonl: line ({line + 1}|{line + 2}) ", said), said


def test_a_changed_last_record_and_a_cut_tail_miss_the_head(run: tuple[str, Path, Path]) -> None:
    path = run[2] / "audit_2026-09-23.jsonl"
    good = path.read_bytes()
    for bad in (good.replace(b'"run":', b'"rUn":'), b"".join(good.splitlines(keepends=True)[:-1])):
        last = bad if len(bad) < len(good) else good[:-200] + bad[-200:]
        path.write_bytes(last)
        code, said = verdict(run)
        assert code == 1 and "the head's record 59 is not there" in said, said


def test_archived_days_are_said_to_be_missing(run: tuple[str, Path, Path]) -> None:
    (run[2] / "audit_2026-09-21.jsonl").unlink()
    code, said = verdict(run)
    assert code == 0 and said.startswith("records before 20 are not here: they end with "), said


def test_every_type_and_field_is_on_the_page() -> None:
    table = PAGE[PAGE.index("## Record types") :]
    words = set(re.findall(r"`([a-z_0-9.]+)`", table))
    missing = {kind for kind in TYPES if kind not in words}
    missing |= {name for fields in TYPES.values() for name in fields if name not in words}
    assert missing == set()


def test_the_legal_moves_on_the_page_are_the_legal_moves() -> None:
    table = PAGE[PAGE.index("### Legal moves") : PAGE.index("## What is committed")]
    rows = [re.findall(r"`([a-z_]+)`", row) for row in table.splitlines() if row.startswith("| `")]
    expected = {state.value: {to.value for to in moves} for state, moves in TRANSITIONS.items() if moves}
    assert {row[0]: set(row[1:]) for row in rows} == expected


@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip here")
def test_packed_days_pass_and_fail_like_plain_ones(run: tuple[str, Path, Path]) -> None:
    for segment in audit_pack.candidates(run[2], 4e9):
        assert audit_pack.pack(Files(), segment.path) is not None
        if not segment.name.endswith("21.jsonl"):
            audit_pack.retire(Files(), segment.path)
    code, said = verdict(run)
    assert code == 0 and said.startswith("ok: 59 is the last record"), said
    packed = run[2] / "audit_2026-09-22.jsonl.gz"
    good = packed.read_bytes()
    packed.write_bytes(gzip.compress(gzip.decompress(good).replace(b'"attempt":2', b'"attempt":3', 1)))
    code, said = verdict(run)
    assert code == 1 and "audit_2026-09-22.jsonl.gz: line " in said
    packed.write_bytes(good[:-4])
    code, said = verdict(run)
    assert code == 1 and "it cannot be unpacked" in said
