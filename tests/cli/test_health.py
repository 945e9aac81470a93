"""``deskhand health`` and its incidents, without a daemon."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from deskhand.core.settings import Settings
from deskhand.engine.health import Look, Standing
from deskhand.errors import DeskhandError, IntegrityError, StoreError, UsageError
from deskhand.operations.health_work import Work
from deskhand.store import log_end
from deskhand.store.files import Files
from deskhand.store.head import read_head

from .conftest import Console

FRESH = {"daemon": "down", "loop": "unknown", "watcher": "unknown", "scheduler": "unknown"}
"""What is not ok without a daemon."""
NEVER = {"backup": "unknown", "drill": "unknown"}


def checks(console: Console, *options: str, code: int = 1) -> dict[str, dict[str, Any]]:
    found = console.json("health", *options, code=code)["checks"]
    assert len({check["name"] for check in found}) == len(found)
    return {check["name"]: check for check in found}


def bad(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: check["verdict"] for name, check in found.items() if check["verdict"] != "ok"}


def test_a_fresh_desk_without_a_daemon(console: Console) -> None:
    found = checks(console)
    assert bad(found) == {**FRESH, **NEVER}
    assert all(check["fix"] for check in found.values() if check["verdict"] != "ok")
    assert all(check["latency_ms"] is not None for name, check in found.items() if name not in FRESH)
    output = console("health", code=1).output
    assert "down      daemon" in output and "-> deskhand run" in output
    assert output.splitlines()[-1] == "overall: down, 6 of 17 checks not ok"


def test_full_reads_the_whole_log_and_looks_for_every_file(console: Console) -> None:
    identifier = console.drop("letter.txt", b"dear\n", "--recipe", "hand-over")
    found = checks(console, "--full")
    assert bad(found) == {**FRESH, **NEVER}
    assert "all of it was read" in found["audit"]["reason"] and "1 unfinished task " in found["files"]["reason"]
    console.erase(identifier, "approvals")
    assert bad(checks(console, "--full")) == {**FRESH, **NEVER, "files": "down"}
    assert "files" not in checks(console)


def test_a_damaged_log_is_an_exit_code_of_its_own(console: Console) -> None:
    checks(console)  # from here on only what is new is read
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    data = bytearray(segment.read_bytes())
    data[300] ^= 1
    segment.write_bytes(data)
    assert "audit" not in bad(checks(console))
    assert bad(checks(console, "--full", code=4))["audit"] == "down"
    (console.desk.logs / "verified.json").unlink()
    assert bad(checks(console, code=4))["audit"] == "down"


def test_a_log_that_was_rolled_back_is_noticed(console: Console) -> None:
    kept = {path: path.read_bytes() for path in console.desk.audit.iterdir()}
    console("pause")
    for path, data in kept.items():
        path.write_bytes(data)
    found = checks(console, code=4)
    assert found["mirror"]["verdict"] == "down" and "behind" in found["mirror"]["reason"]


def test_each_check_of_the_disk_can_come_out_badly(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = console.desk
    console("config", "set", "health.disk_free", "1TB")
    (desk.recipes / "blessed" / "note" / "v0002.yaml").write_text("id: note\n")
    desk.audit.chmod(0o777)
    found = checks(console)
    assert bad(found) == {
        **FRESH,
        **NEVER,
        "disk": "degraded",
        "recipes": "degraded",
        "permissions": "degraded",
    }
    desk.audit.chmod(0o755)
    desk.config.write_text("schema: 1\nrun:\n  worker: 3\n")
    wrong = checks(console)["configuration"]
    assert wrong["verdict"] == "down" and "run.worker" in wrong["detail"] and "worker" not in wrong["reason"]


def test_what_cannot_be_looked_at_is_unknown_with_its_reason(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("deskhand.engine.health.room", refuse)
    found = checks(console)
    assert found["disk"]["verdict"] == "unknown" and found["inodes"]["verdict"] == "unknown"
    assert found["disk"]["reason"] == "it could not be looked at: Permission denied"
    assert found["disk"]["detail"].startswith(str(console.desk.root))


def test_a_backup_counts_while_it_is_there(console: Console) -> None:
    desk, name = console.desk, "backup_2026-11-20_02-00-00.zip"
    look = Look(desk, Settings(), 1_790_000_000.0, {})
    said = Standing(Work(), backups={name: 1_790_000_000.0, "backup_2026-11-19_02-00-00.zip": 1_789_000_000.0})

    def backup() -> str:
        return next(check.verdict for check in look.quick(said, None) if check.name == "backup")

    assert backup() == "unknown"
    (desk.root / "backups").mkdir(exist_ok=True)
    (desk.root / "backups" / "backup_2026-11-19_02-00-00.zip").touch()
    assert backup() == "degraded"
    (desk.root / "backups" / name).touch()
    assert backup() == "ok"


def test_a_head_that_was_read_a_moment_before_the_mirror_is_no_rollback(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = read_head(console.desk.audit)
    console("pause")
    answers = iter([early])
    monkeypatch.setattr(log_end, "read_head", lambda folder: next(answers, None) or read_head(folder))
    found = log_end.remembered(Files(), console.desk, os.environ)
    assert found is not None and found.verdict == "ok"


@pytest.mark.parametrize(("error", "verdict"), [(StoreError, "unknown"), (IntegrityError, "down")])
def test_what_is_not_as_recorded_is_down(
    console: Console, monkeypatch: pytest.MonkeyPatch, error: type[DeskhandError], verdict: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise error("listing recipes", "so it is", path="/somewhere")

    monkeypatch.setattr("deskhand.engine.health.Recipes.refresh", refuse)
    found = checks(console)["recipes"]
    assert (found["verdict"], found["reason"], found["detail"]) == (verdict, "listing recipes: so it is", "/somewhere")


def test_a_daemon_that_does_not_say_how_it_is(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def request(desk: object, verb: str, **more: object) -> dict[str, Any]:
        if verb == "ping":
            return {}
        raise UsageError("command", "the daemon does not know 'health'")

    monkeypatch.setattr("deskhand.cli.health_looks.request", request)
    found = checks(console)
    assert found["daemon"]["verdict"] == "degraded" and "does not know" in found["daemon"]["reason"]
    assert found["watcher"]["verdict"] == "unknown"
    monkeypatch.setattr("deskhand.cli.health_looks.request", lambda desk, verb, **more: {})
    assert "of another version" in checks(console)["daemon"]["reason"]


def test_a_log_that_cannot_be_read_is_down_and_the_rest_is_looked_at(console: Console) -> None:
    (segment,) = console.desk.audit.glob("audit_*.jsonl")
    segment.write_bytes(b"nothing\n" + segment.read_bytes())
    found = checks(console, code=4)
    assert found["audit"]["verdict"] == "down" and found["disk"]["verdict"] == "ok"


def test_after_a_recovery(console: Console) -> None:
    found = checks(console, "--post-recovery")
    assert bad(found) == {**FRESH, **NEVER, "canary": "unknown", "log": "down"}
    assert found["doubt"]["verdict"] == "ok"


def test_the_quick_look_changes_nothing_but_its_mark(console: Console) -> None:
    def everything() -> dict[str, int]:
        return {str(path): os.lstat(path).st_size for path in console.desk.root.rglob("*")}

    before = everything()
    checks(console)
    assert set(everything()) - set(before) <= {str(console.desk.logs), str(console.desk.logs / "verified.json")}


# -- incidents ---------------------------------------------------------------------------------------------------------


def test_an_incident_from_its_opening_to_its_end(console: Console) -> None:
    console("pause")
    reply = console.json("health", "incident", "open", "p1", "The scanner is slow")
    incident = reply["incident"]["id"]
    assert reply["response"] == "within 15 minutes"
    note = console.desk.root / reply["note"]
    text = note.read_text()
    assert "severity: P1\nstatus: open\n" in text and "desk paused: asked" in text and "**daemon** down" in text
    (listed,) = console.json("health", "incident", "list")["incidents"]
    assert listed == {**reply["incident"], "opened": listed["opened"], "closed": None}
    assert listed["opened"] == pytest.approx(reply["incident"]["opened"], abs=1e-5)  # the log has microseconds
    assert [each["id"] for each in console.json("status")["incidents"]] == [incident]
    assert "P1 The scanner is slow" in console("status").output
    note.write_text(text.replace("- [ ] What was the cause?", "- [x] What was the cause? A cable."))
    console("resume")
    console("health", "incident", "close", "@last", "--reason", "Its cable was loose")
    done = note.read_text()
    assert "status: closed\n" in done and "A cable." in done and "desk resumed" in done
    assert "incident closed (P1): Its cable was loose" in done
    assert "no incident is open" in console("health", "incident", "list").output
    (closed,) = console.json("health", "incident", "list", "--all")["incidents"]
    assert closed["id"] == incident and closed["closed"] >= closed["opened"]
    assert "was no incident" not in console("health", "incident", "list", "--all").output
    console("health", "incident", "close", incident, code=2)


def test_no_id_is_given_twice(console: Console) -> None:
    ids = []
    for _ in range(3):
        ids.append(console.json("health", "incident", "open", "P3", "A blemish")["incident"]["id"])
        console("health", "incident", "close", "@last")
    assert [each.rpartition("-")[2] for each in ids] == ["1", "2", "3"]


def test_an_incident_whose_note_is_gone_is_closed_all_the_same(console: Console) -> None:
    reply = console.json("health", "incident", "open", "P3", "A blemish")
    Path(console.desk.root / reply["note"]).unlink()
    assert "its note is gone" in console("health", "incident", "close", reply["incident"]["id"]).output


def test_what_is_no_severity_or_has_no_title_is_refused(console: Console) -> None:
    console("health", "incident", "open", "P4", "x", code=2)
    console("health", "incident", "open", "P1", "", code=2)
    console("health", "incident", "open", "P1", "x" * 201, code=2)
    console("health", "incident", "close", "nosuch", code=2)
    assert console.json("health", "incident", "list", "--all")["incidents"] == []
