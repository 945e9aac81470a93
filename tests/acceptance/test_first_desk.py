"""A first day at a desk, as a new user types it: the installed command, a real observer, real renames."""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.core.state import State
from tests.support.desk import Bench, recipe

pytestmark = pytest.mark.acceptance
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """`deskhand init my-desk`."""
    bench = Bench(tmp_path / "my-desk")
    bench.ok("init", bench.root)
    yield bench
    bench.close()


def question(bench: Bench, slug: str) -> Path:
    """The request file of the task whose name contains *slug*."""

    def there() -> list[Path]:
        return [path for path in bench.found(f"queue/approvals/*-{slug}-*.json") if ".task." not in path.name]

    return Path(bench.until(there, f"a request about {slug}")[0])


def test_the_whole_first_day(bench: Bench) -> None:
    bench.start()
    shutil.copy(DATA / "invoice.pdf", bench.root / "watch_inbox" / "invoice.pdf")
    note = bench.wait_for("vault/Notes/invoice.md")
    bench.wait_for("queue/completed/*invoice*.task.json")
    assert hashlib.sha256((DATA / "invoice.pdf").read_bytes()).hexdigest() in note.read_text()

    bench.move_in("letter.txt", b"Dear Ms Okafor\n", "watch_inbox/hand-over")
    request = question(bench, "letter")
    listed = bench.json("approvals")
    assert [entry["id"] for entry in listed["approvals"]] == [request.name.removesuffix(".json")]
    assert not (bench.root / "outbox").exists()
    request.rename(request.with_name(request.name + ".approved"))
    assert bench.wait_for("outbox/letter.txt").read_text() == "Dear Ms Okafor\n"

    bench.move_in("second.txt", b"no\n", "watch_inbox/hand-over")
    second = question(bench, "second").name.removesuffix(".json")
    bench.ok("reject", second[-6:], "--reason", "not this one")
    bench.wait_for("queue/rejected/*second*.task.json")

    third = bench.ok("drop", DATA / "order.json", "--wait").split()[0].rstrip(":")
    assert bench.state(third) == State.COMPLETED
    assert "ok" in bench.ok("audit", "verify")
    assert bench.json("audit", "verify")["ok"] is True
    assert bench.stop() == 0
    states = [task.state for task in bench.check()]
    assert states == [State.COMPLETED, State.COMPLETED, State.REJECTED, State.COMPLETED]
    assert (bench.root / "vault/Dashboard.md").exists()
    assert "letter.txt" in (bench.root / "vault/_deskhand/status.md").read_text()


def test_the_runbooks_own_check_is_found_where_it_says(bench: Bench) -> None:
    bench.start()
    bench.move_in("health_check.txt", b"System health check\n")
    bench.wait_for("queue/completed/*health_check*", timeout=30.0)
    assert bench.stop() == 0
    bench.check()


def test_renaming_the_inbox_away_pauses_the_intake(bench: Bench) -> None:
    bench.start()
    inbox, away = bench.root / "watch_inbox", bench.root / "watch_inbox_disabled"
    inbox.rename(away)
    bench.until(lambda: bench.records("watch.degraded"), "it is noticed")
    (away / "while-away.txt").write_text("later\n")
    assert not inbox.exists()
    away.rename(inbox)
    bench.wait_for("queue/completed/*while-away*.task.json")
    assert bench.stop() == 0
    bench.check()


def test_several_inboxes_each_with_its_own_rule(bench: Bench, tmp_path: Path) -> None:
    downloads = tmp_path / "Downloads"
    downloads.mkdir()
    (bench.root / "deskhand.yaml").write_text(
        "schema: 1\ninboxes:\n  - name: main\n    path: watch_inbox\n"
        f"  - name: downloads\n    path: {downloads}\n    match: '*.pdf'\n    recipe: archive\n    folders: false\n"
    )
    bench.ok("config", "check")
    bench.start()
    (downloads / "notes.txt").write_text("not for us\n")
    shutil.copy(DATA / "invoice.pdf", downloads / "invoice.pdf")
    bench.wait_for("archive/*/*/invoice.pdf")
    assert (downloads / "notes.txt").exists()
    assert bench.stop() == 0
    bench.check()


def test_a_person_is_asked_by_rule_and_sees_what_will_run(bench: Bench) -> None:
    text = recipe("send", "command", argv=["cp", "{input}", "{output_dir}/sent"], approval={"when": "bytes > 10"})
    bench.recipe("send", text)
    bench.start()
    (bench.root / "watch_inbox/send").mkdir()
    bench.move_in("small.txt", b"tiny\n", "watch_inbox/send")
    bench.wait_for("queue/completed/*small*.out/sent")
    bench.move_in("large.txt", b"more than ten bytes\n", "watch_inbox/send")
    request = question(bench, "large")
    shown = request.read_text()
    assert '"large.txt"' in shown
    assert "bytes" in shown
    bench.ok("approve", request.name[:-5][-6:], "--yes")
    bench.wait_for("queue/completed/*large*.out/sent")
    assert bench.stop() == 0
    bench.check()


def test_run_until_idle_takes_what_is_there_and_ends(bench: Bench) -> None:
    (bench.root / "watch_inbox/a.txt").write_text("a\n")
    waiting = bench.root / "watch_inbox/hand-over/b.txt"
    waiting.write_text("b\n")
    bench.ok("run", "--until-idle")
    assert {task.state for task in bench.check()} == {State.COMPLETED, State.WAITING}
    assert bench.command("approve").returncode == 3


def test_two_daemons_and_none(bench: Bench) -> None:
    bench.start()
    second = bench.command("run")
    assert second.returncode == 6
    assert str(bench.daemon.pid if bench.daemon else "") in second.stderr
    assert bench.stop(signal.SIGINT) == 0
    assert bench.command("drop", DATA / "order.json", "--wait").returncode == 6
    bench.ok("run", "--until-idle")
    bench.check()
