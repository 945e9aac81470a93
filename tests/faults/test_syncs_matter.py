"""Every sync of the product taken out once: a power cut must then do harm that somebody notices.

The syncs are found in the product's own text, so that a new one cannot be left out: each stands in a table here, with
what shows that it is needed, or among those that carry no safety, with the reason.  On the way to a task's end the
power is cut at the calls behind the missing sync until harm is done; syncs of a single file are tried by themselves.
With the sync no cut does harm: that is ``test_power_cut.py``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from deskhand.core.deliver_path import Place
from deskhand.core.task import Options
from deskhand.store import config_file, desk_salt, machine, recipe_files, skeleton
from deskhand.store.deliver import Result, deliver
from deskhand.store.desk import Desk
from deskhand.store.drop_file import submit
from deskhand.store.files import Files
from deskhand.store.head import decode_head
from deskhand.testing.lossy_files import LossyFiles
from tests.support import backup_cuts, housekeeping, invariants
from tests.support.crash import Table
from tests.support.crash_files import CRASHED, CutFiles, nth
from tests.support.forks import in_child
from tests.support.scenario import Scenario
from tests.support.scenarios import SCENARIOS, furnish
from tests.support.sync_calls import caller, sync_calls, take_out

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
RUN = replace(SCENARIOS["retry"], name="run", plan=("ok",))
KEEP, APPROVE, MIDNIGHT = (SCENARIOS[name] for name in ("keep", "approve", "midnight"))
ALONE = SCENARIOS["keep, one by one"]
TOMORROW = replace(
    MIDNIGHT,
    ends={**MIDNIGHT.ends, "late.txt": RUN.ends["job.txt"]},
    delivered=RUN.delivered,
    late={"work/late.txt": b"late\n"},
    plan=("ok",),
)
"""What happens on the new day is a run that is counted."""


Moment = Callable[[], Callable[[str, str], bool]]
"""What says, anew for each life, at which call the power is cut."""


@dataclass(frozen=True)
class Way:
    """A scenario in which the power is cut at one call after the other."""

    scenario: Scenario
    begin: int = 1
    """So many calls behind the missing sync is the first cut."""
    when: Moment | None = None
    """The one moment of the cut, where it is so short that a number might miss it."""
    reorders: int = 0
    """So many times at each call, by dice; 0: once, and all that was not synced is lost."""
    unsynced: bool = False
    """Whoever dropped did not sync."""
    also: Callable[[Table], None] = lambda table: None
    """What must hold besides, in the end."""


def asked_once(table: Table) -> None:
    """What was asked is still there to be answered."""
    asked = [record for record in invariants.read(table.desk) if record.type == "task.waiting"]
    assert len(asked) == 1, "it was asked anew, not what was asked before"


ON_THE_WAY = {
    "store/together.py sync_everything.sync_filesystem": Way(KEEP, unsynced=True),
    "store/accept.py _sync_each.fsync_file": Way(ALONE, unsynced=True),
    "store/accept.py _sync_description.fsync_file": Way(ALONE),
    "store/accept.py accept.fsync_folders": Way(ALONE),
    "store/requests.py _keep.write_atomic": Way(APPROVE, also=asked_once),
    "store/open_segment.py append.fdatasync": Way(RUN),
    "store/open_segment.py new_segment.create": Way(MIDNIGHT),
    "store/audit_log.py _sync_folder.fsync_folder": Way(replace(TOMORROW, together=False), begin=50),
    "store/attempts.py publish_results.fsync_tree": Way(RUN),
    "store/attempts.py publish_results.fsync_folder": Way(RUN),
    "store/deliver.py to.fsync_folder": Way(KEEP),
    "store/deliver.py _make_folders.fsync_folders": Way(KEEP),
    "store/deliver.py _copy_file.copy": Way(KEEP),
}
"""Sync -> where a power cut does harm without it."""


# -- syncs of a single file --------------------------------------------------------------------------------------------


def handed_in(files: LossyFiles, folder: Path) -> None:
    """What `deskhand drop` said is taken."""
    desk, source = Desk(folder), folder / "letter.txt"
    source.write_bytes(b"dear you\n")
    Files().make_folder(desk.dropped)
    submit(files, desk, source, Options(), now=1.0, suffix="aaaaaa", limit=100)
    files.power_cut()
    found = {path.name: path.read_bytes() for path in desk.dropped.rglob("*") if path.is_file()}
    assert b"dear you\n" in found.values() and all(found.values()), f"a drop that was taken is gone: {found}"


def blessed(files: LossyFiles, folder: Path) -> None:
    """A blessed version, whose hash is about to be recorded."""
    path = folder / "blessed" / "one" / "v0001.yaml"
    recipe_files.publish(files, path, b"id: one\n")
    files.power_cut()
    assert path.is_file() and path.read_bytes() == b"id: one\n", "a blessed recipe is gone"


def blessed_again(files: LossyFiles, folder: Path) -> None:
    """The same, where a crash came after the file got its name."""
    path = folder / "v0001.yaml"
    files.create(path, b"id: one\n", sync=False)
    recipe_files.publish(files, path, b"id: one\n")
    files.power_cut()
    assert path.is_file() and path.read_bytes() == b"id: one\n", "a blessed recipe is gone"


def new_desk(files: LossyFiles, folder: Path) -> None:
    """`deskhand init` said that there is a desk."""
    skeleton.write(files, folder / "new")
    files.power_cut()
    found = {entry.path for entry in skeleton.entries() if (folder / "new" / entry.path).is_file()}
    assert len(found) == len(skeleton.entries()), "a part of the new desk is gone"
    assert all((folder / "new" / entry.path).read_bytes() == entry.data for entry in skeleton.entries()), "it is empty"


def salt(files: LossyFiles, folder: Path) -> None:
    """The secret with which names are committed to in the log."""
    desk = Desk(folder)
    Files().make_folder(desk.queue)
    text = desk_salt.load(files, desk).text
    files.power_cut()
    assert desk_salt.load(Files(), desk).text == text, "the desk's secret is another one"


def configured(files: LossyFiles, folder: Path) -> None:
    """A changed configuration: the old or the new one, never an empty file."""
    desk = Desk(folder)
    desk.config.write_bytes(next(entry.data for entry in skeleton.entries() if entry.path == "deskhand.yaml"))
    config_file.set_value(files, desk, "approval.expires_after", "8d")
    files.power_cut()
    assert b"expires_after: 8d" in desk.config.read_bytes(), "the configuration is gone"


def made_up_machine(files: LossyFiles, folder: Path) -> None:
    """The made-up identity of a machine that has none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_SYSTEM_IDS", ())
        first = machine.machine_id(files, folder)
        files.power_cut()
        assert machine.machine_id(Files(), folder) == first, "it is another machine"


def delivered_again(kind: str, files: LossyFiles, folder: Path) -> None:
    """A delivery that was cut off after the result got its name: it is there, but not durable."""
    desk, out = Desk(folder / "desk"), folder / "desk" / "out"
    out.mkdir(parents=True)
    result, target = folder / "result", out / "result"
    if kind == "file":
        result.write_bytes(b"done\n")
        files.create(target, b"done\n", sync=False)
    else:
        result.mkdir()
        (result / "f").write_bytes(b"done\n")
        files.make_folder(target)
        files.create(target / "f", b"done\n", sync=False)
    place = Place(id="20261120-000000-a-aaaaaa", recipe="one", received=0.0, inbox="main")
    (found,) = deliver(files, desk, [Result(result, "result")], str(target), place)
    assert found.replayed
    files.power_cut()
    durable = target if kind == "file" else target / "f"
    assert durable.is_file() and durable.read_bytes() == b"done\n", "a delivered result is gone"


BY_ITSELF: dict[str, Callable[[LossyFiles, Path], None]] = {
    "store/drop_file.py submit.fsync_tree": handed_in,
    "store/drop_file.py submit.fsync_folder": handed_in,
    "store/recipe_files.py publish.create": blessed,
    "store/recipe_files.py publish.fsync_folder": blessed,
    "store/recipe_files.py _make_folders.fsync_folder": blessed,
    "store/recipe_files.py _is_there.fsync_file": blessed_again,
    "store/skeleton.py write.create": new_desk,
    "store/skeleton.py write.fsync_folders": new_desk,
    "store/desk_salt.py load.write_atomic": salt,
    "store/config_file.py set_value.write_atomic": configured,
    "store/machine.py _made_up.write_atomic": made_up_machine,
    "store/deliver.py _sync.fsync_file": partial(delivered_again, "file"),
    "store/deliver.py _sync.fsync_folder": partial(delivered_again, "file"),
    "store/deliver.py _sync.fsync_tree": partial(delivered_again, "folder"),
    "store/audit_pack.py _pack.copy": housekeeping.packed,
    "store/audit_pack.py _pack.fsync_folder": housekeeping.packed,
    "store/removal.py remove.fsync_folder": housekeeping.removed,
    "store/removal.py _remove.fsync_folders": housekeeping.removed,
    "store/erase.py erase.fsync_folder": housekeeping.erased,
    "store/scrub.py scrub_note.write_atomic": housekeeping.scrubbed,
    "store/scrub.py scrub_log.fdatasync": housekeeping.scrubbed,
    "store/archive_write.py finish.fsync": backup_cuts.made,
    "store/backup_folder.py finish.fsync_folder": backup_cuts.made,
    "store/backup_folder.py held.fsync_folder": backup_cuts.made,
    "store/backup_folder.py copy_to.copy": backup_cuts.copied,
    "store/age_file.py encrypt.fsync": backup_cuts.encrypted,
    "store/incident_notes.py write.create": backup_cuts.note,
    "store/incident_notes.py write.fsync_folders": backup_cuts.note,
    "store/incident_notes.py revise.write_atomic": backup_cuts.note,
    "store/restore_folder.py settle.sync_filesystem": backup_cuts.restored,
    "store/restore_folder.py settle.fsync_tree": backup_cuts.restored_elsewhere,
    "store/restore_folder.py restore_to.fsync_folder": backup_cuts.restored,
    "store/restore_folder.py _write.fsync_file": backup_cuts.brought_back,
    "store/restore_folder.py restore_file.fsync_folders": backup_cuts.brought_back,
    "engine/restoring.py restore_in_place.fsync_folder": backup_cuts.in_place,
}
"""Sync -> what is lost without it."""
REACH = 80
"""A cut this many calls behind a missing sync does harm, or none does."""
RECOVERY = "store/audit_recovery.py _mend.fdatasync"
NO_SAFETY = {
    "store/mirror.py _replace.create": "a mirror that is gone or older is a lower bound all the same",
    "store/mirror.py _replace.fsync_folder": "a mirror that is gone or older is a lower bound all the same",
    "store/head.py __init__.write_atomic": "without a head, or with an older one, the whole log is checked",
    "store/audit_recovery.py _mend.write_atomic": "bytes cut off a torn log are kept for people to look at",
    "store/drop_file.py submit.create": "the tree that it is in is synced right after it",
    "engine/pruning.py prune.fsync_folder": "a backup that is there again is looked at again, and deleted again",
    "store/recipe_drafts.py write_draft.create": "a draft is a proposal, and its author is sitting there",
    "store/recipe_drafts.py write_draft.fsync_folder": "a draft is a proposal, and its author is sitting there",
}
"""Sync -> why nothing is harmed without it."""
NOT_SHOWN = {
    "store/accept.py sync.fsync": "files in a dropped folder were written by others, and the fake disk keeps those",
    "store/accept.py take_in.fsync_folders": "names in a dropped folder are others', and the fake disk keeps those",
    "store/claim.py _publish.fsync_file": "shown by the order of calls, in store/test_claim.py",
    "store/claim.py _publish.fsync_tree": "the fake disk keeps the names in a folder that was renamed since",
    "store/audit_log.py rotate.write_atomic": "matters when older days were archived: else they are read instead",
    "store/queue_folders.py sync.fsync_folder": "matters when older days were archived: else the log still knows",
    "store/deliver.py _copy.fsync_tree": "the fake disk keeps the names in a folder that was renamed since",
}
"""Sync that is needed -> why no test here shows it."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A desk that is put back to its beginning for every cut."""
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("syncs"), furnish, patch)


def test_the_documentation_names_every_sync() -> None:
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    missing = [call for call in sync_calls() if not all(f"`{part}`" in text for part in call.split(" "))]
    assert not missing


def test_every_sync_is_judged() -> None:
    judged = [*ON_THE_WAY, *BY_ITSELF, *NO_SAFETY, *NOT_SHOWN, RECOVERY]
    assert sync_calls() == set(judged)
    assert len(judged) == len(set(judged))


def behind(table: Table, way: Way, call: str) -> list[int]:
    """Numbers of the calls behind each time that the sync is missing, the nearest ones first."""
    table.reset(way.scenario)
    told = table.root / "missing"

    def whole() -> None:
        numbers, missing = count(1), list[str]()

        def listen(operation: str, path: str) -> bool:
            number = next(numbers)
            if operation in ("fsync", "fdatasync", "syncfs") and caller() == call:
                missing.append(str(number))
            return False

        table.live(way.scenario, CutFiles(listen))
        told.write_text(" ".join([*missing, str(next(numbers))]))

    code, said = in_child(whole)
    assert code == 0, said
    *missing, end = map(int, told.read_text().split())
    assert missing, f"{call} is not on the way of {way.scenario.name}"
    near = [number + far for far in range(way.begin, REACH) for number in missing if number + far < end]
    return list(dict.fromkeys(near))


def harm(table: Table, way: Way, moment: Moment, dice: int) -> str:
    """What one power cut does; empty when it does no harm."""
    table.reset(way.scenario)
    lose = partial(random.Random(dice).choice, (True, False)) if way.reorders else lambda: True
    table.cut(way.scenario, moment(), unsynced=way.unsynced, lose=lose)
    try:
        table.recover(way.scenario, "power cut")
        way.also(table)
    except AssertionError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def first_harm(table: Table, way: Way, call: str) -> tuple[Moment, int]:
    """The first power cut that does harm without the sync."""
    with pytest.MonkeyPatch.context() as patch:
        take_out(patch, call)
        moments = [way.when] if way.when else [partial(nth, number) for number in behind(table, way, call)]
        for moment in moments:
            for dice in range(way.reorders or 1):
                if said := harm(table, way, moment, dice):
                    print(f"{call}: {said}")
                    return moment, dice
    pytest.fail(f"{call} was taken out, and nothing noticed")


@pytest.mark.parametrize("call", ON_THE_WAY)
def test_f46_without_this_sync_a_power_cut_does_harm(table: Table, call: str) -> None:
    way = ON_THE_WAY[call]
    moment, dice = first_harm(table, way, call)
    assert not harm(table, way, moment, dice), "it does so with the sync as well"


@pytest.mark.parametrize("call", BY_ITSELF)
def test_f46_without_this_sync_a_file_is_lost(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
    BY_ITSELF[call](LossyFiles(), tmp_path / "with")
    take_out(monkeypatch, call)
    with pytest.raises((AssertionError, FileNotFoundError)):
        BY_ITSELF[call](LossyFiles(), tmp_path / "without")


def after_recovery(table: Table) -> None:
    """Killed before the log was synced; the next life keeps what it finds, acts on it, and then the power is cut."""
    table.reset(RUN)
    calls = table.calls(RUN)
    written = next(number for number, call in enumerate(calls, 1) if call.startswith("rename") and "/pending/" in call)
    before = max(number for number in range(1, written) if calls[number - 1].startswith("fdatasync"))
    table.reset(RUN)
    assert table.crash(RUN, before)
    (log,) = table.desk.audit.glob("audit_2*.jsonl")
    synced = decode_head((table.desk.audit / "head").read_bytes()).offset
    durable = log.read_bytes()[:synced]

    def dark() -> None:
        files = CutFiles(lambda operation, path: operation == "rename" and "/queue/pending/" in path)
        files.unsynced(log, durable)
        table.live(RUN, files, 0)

    code, said = in_child(dark)
    assert code == CRASHED, said
    table.recover(RUN, "power cut after a recovery")


def test_f46_a_recovery_syncs_what_it_kept(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    after_recovery(table)
    take_out(monkeypatch, RECOVERY)
    with pytest.raises(AssertionError):
        after_recovery(table)
