"""Reading, overriding, editing and documenting the settings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import settings as settings_module
from deskhand.core import settings_doc, settings_file
from deskhand.core.settings import Inbox, Settings
from deskhand.core.settings_edit import edit

ROOT = Path(__file__).parents[2]
SOURCE = inspect.getsource(settings_module)
STARTER = ROOT / "daemon" / "deskhand" / "starter" / "deskhand.yaml"


def read(text: str, **environment: str) -> Settings:
    loaded = settings_file.read(text.encode(), environment)
    assert loaded.violations == ()
    assert loaded.settings is not None
    return loaded.settings


def wrong(text: str, **environment: str) -> list[str]:
    loaded = settings_file.read(text.encode(), environment)
    assert loaded.settings is None
    return [violation.at("deskhand.yaml") for violation in loaded.violations]


@pytest.mark.parametrize("text", ["", "# nothing\n", "schema: 1\n", "run:\n  # workers: 3\nlogs: ~\n", "{}\n"])
def test_nothing_said_is_all_defaults(text: str) -> None:
    assert read(text) == Settings()


def test_values_and_units() -> None:
    found = read(
        """
name: Ada's desk
scan_interval: 1h
keep_flat: 0
inboxes:
  - {name: main, path: watch_inbox}
  - name: scanner
    path: ~/Scans
    poll: true
    recipe: archive
    match: "*.pdf"
intake: {settle: 200ms, max_size: 10MB, ignore: ["*.bak"]}
run: {workers: 8, output_cap: 0, environment: [], max_cycles: 3}
approval: {notify: off}
"""
    )
    assert (found.name, found.scan_interval, found.keep_flat) == ("Ada's desk", 3600.0, 0.0)
    assert found.inboxes[1] == Inbox("scanner", "~/Scans", "archive", True, "*.pdf")
    assert (found.intake.max_size, found.intake.ignore) == (10_000_000, ("*.bak",))
    assert (found.run.workers, found.run.environment, found.run.max_cycles) == (8, (), 3)
    assert found.approval.notify == "off"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("runn: {}\n", "deskhand.yaml:1:1: runn:", "did you mean 'run'?"),
        ("run:\n  wokers: 3\n", "deskhand.yaml:2:3: run.wokers:", "did you mean 'workers'?"),
        ("run:\n  workers: 3\n  workers: 4\n", "deskhand.yaml:3:3: run.workers:", "twice"),
        ("run:\n  workers: 0\n", "deskhand.yaml:2:12: run.workers:", "from 1 to 256"),
        ("run: 3\n", "run:", "mapping of keys"),
        ("run: {timeout: 0s}\n", "run.timeout:", "more than 0"),
        ("approval: {expires_after: 200000000d}\n", "approval.expires_after:", "at most 3650d"),
        ("keep_flat: 1e300\n", "keep_flat:", "at most 3650d"),
        ("intake: {settle: -1}\n", "intake.settle:", "at least 0"),
        ("run: {workers: null}\n", "run.workers:", "whole number"),
        ("scan_interval: soon\n", "scan_interval:", "200ms, 10s"),
        ("scan_interval: true\n", "scan_interval:", "must be a number"),
        ("intake: {max_size: 2G}\n", "intake.max_size:", "GB or GiB"),
        ("schema: 2\n", "schema:", "must be 1"),
        ("name: ''\n", "name:", "1 to 80"),
        ("paused: yes\n", "paused:", "true or false"),
        ("logs: {level: verbose}\n", "logs.level:", "debug or"),
        ("inboxes: []\n", "inboxes:", "at least one"),
        ("inboxes: [{name: a}]\n", "inboxes[0].path:", "is required"),
        ("inboxes: [{name: A, path: b}]\n", "inboxes[0].name:", "a-z"),
        ("inboxes: [{name: drop, path: b}]\n", "inboxes[0].name:", "not drop"),
        ("inboxes: [{name: a, path: b}, {name: a, path: c}]\n", "inboxes[1].name:", "another inbox"),
        ("inboxes: [{name: a, path: ''}]\n", "inboxes[0].path:", "folder"),
        ("inboxes: [{name: a, path: b}, {name: c, path: b/}]\n", "inboxes[1].path:", "another inbox"),
        ("inboxes: [{name: a, path: .}]\n", "inboxes[0].path:", "desk itself"),
        ("inboxes: [{name: a, path: x/../..}]\n", "inboxes[0].path:", "around it"),
        ("inboxes: [{name: a, path: /}]\n", "inboxes[0].path:", "desk itself"),
        ("inboxes: [{name: a, path: x/../queue/inbox}]\n", "inboxes[0].path:", "own folders"),
        ("inboxes: [{name: a, path: vault}]\n", "inboxes[0].path:", "own folders"),
        ("inboxes: [{name: a, path: vault/recipes/drafts}]\n", "inboxes[0].path:", "own folders"),
        ("schedule: {heartbeat: '0 0 * * *'}\n", "schedule.heartbeat:", "hourly"),
        ("schedule: {tidy: daily}\n", "schedule.tidy:", "five cron fields"),
        ("- a\n", "deskhand.yaml:1:1:", "mapping"),
        ("a: [\n", "deskhand.yaml:2:1:", ""),
    ],
)
def test_what_is_refused(text: str, place: str, words: str) -> None:
    found = wrong(text)
    assert len(found) == 1, found
    assert place in found[0]
    assert words in found[0]


def test_everything_is_reported_at_once() -> None:
    found = wrong("x: 1\nrun: {workers: 0, drian: 3s}\npaused: no\n", DESKHAND_LOG_LEVEL="loud")
    assert [line.split(": ")[1] for line in found] == [
        *("environment DESKHAND_LOG_LEVEL", "x", "run.workers", "run.drian", "paused")
    ]


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("DESKHAND_DEBUG", "1", "logs.level", "debug"),
        ("DESKHAND_DEBUG", "no", "logs.level", "warning"),
        ("DESKHAND_LOG_LEVEL", "ERROR", "logs.level", "error"),
        ("DESKHAND_LOG_LEVEL", "", "logs.level", "warning"),
        ("DESKHAND_TIMEOUT_SECONDS", "90", "run.timeout", 90.0),
        ("DESKHAND_TIMEOUT_SECONDS", "2m", "run.timeout", 120.0),
        ("DESKHAND_DRY_RUN", "true", "run.dry_run", True),
        ("DESKHAND_MAX_CYCLES", "5", "run.max_cycles", 5),
        ("DESKHAND_TASK_ID", "anything", "run.workers", 4),
    ],
)
def test_the_environment_overrides(variable: str, text: str, key: str, value: object) -> None:
    loaded = settings_file.read(b"logs: {level: warning}\n", {variable: text})
    effective = {item.key: item for item in loaded.effective}
    assert effective[key].value == value
    if value not in ("warning", 4):
        assert effective[key].source == f"environment {variable}"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DESKHAND_DEBUG", "maybe"),
        ("DESKHAND_LOG_LEVEL", "loud"),
        ("DESKHAND_TIMEOUT_SECONDS", "0"),
        ("DESKHAND_TIMEOUT_SECONDS", "nan"),
        ("DESKHAND_MAX_CYCLES", "-1"),
        ("DESKHAND_DRY_RUN", "2"),
    ],
)
def test_a_variable_without_sense_is_an_error(variable: str, text: str) -> None:
    found = wrong("", **{variable: text})
    assert len(found) == 1
    assert f"environment {variable}:" in found[0]


def test_the_log_level_wins_over_debug() -> None:
    assert read("", DESKHAND_DEBUG="1", DESKHAND_LOG_LEVEL="error").logs.level == "error"


def test_every_key_has_value_and_source() -> None:
    text = "name: x\nrun:\n  workers: 3\ninboxes:\n  - name: a\n    path: b\n"
    effective = {item.key: item for item in settings_file.read(text.encode()).effective}
    assert (effective["run.workers"].shown, effective["run.workers"].source) == ("3", "deskhand.yaml:3")
    assert (effective["run.timeout"].shown, effective["run.timeout"].source) == ("10m", "default")
    assert effective["intake.max_size"].shown == "2GiB"
    assert effective["inboxes[0].path"].source == "deskhand.yaml:6"
    assert effective["inboxes[0].poll"].source == "default"
    assert set(effective) >= {key for key, _, _ in settings_file.leaves(Settings())}


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        ("run:\n  workers: 2 # mine\n# end\n", "run.workers", "3", "run:\n  workers: 3 # mine\n# end\n"),
        ("run: {workers: 2, drain: 5s} # x\n", "run.workers", "3", "run: {workers: 3, drain: 5s} # x\n"),
        ("run: {drain: 5s}\n", "run.workers", "3", "run: {drain: 5s, workers: 3}\n"),
        ("run: {}\n", "run.workers", "3", "run: {workers: 3}\n"),
        ("{}\n", "run.workers", "3", "{run: {workers: 3}}\n"),
        ("{name: a}\n", "paused", "true", "{name: a, paused: true}\n"),
        ("run:\n  drain: 5s # a\n  # b\n\nname: x\n", "run.workers", "3",
         "run:\n  drain: 5s # a\n  workers: 3\n  # b\n\nname: x\n"),
        ("run:\n  # workers: 2\nname: x\n", "run.workers", "3", "run:\n  workers: 3\n  # workers: 2\nname: x\n"),
        ("run: ~ # a\nname: x\n", "run.workers", "3", "run:\n  workers: 3 # a\nname: x\n"),
        ("name: x # a\n# b\n", "run.workers", "3", "name: x # a\nrun:\n  workers: 3\n# b\n"),
        ("# only this", "run.workers", "3", "# only this\nrun:\n  workers: 3\n"),
        ("", "name", "My desk", "name: My desk\n"),
        ("name: 'old' # a\n", "name", "a: b # c", 'name: "a: b # c" # a\n'),
        ("name: |\n  old\n\npaused: false\n", "name", "new", "name: new\n\npaused: false\n"),
        ("name: old", "paused", "true", "name: old\npaused: true"),
        ("name: x\r\n", "run.workers", "3", "name: x\r\nrun:\r\n  workers: 3\r\n"),
        ("\ufeffname: x\n", "name", "y", "\ufeffname: y\n"),
        ("name: '😀é' # 😀\npaused: true\n", "paused", "false", "name: '😀é' # 😀\npaused: false\n"),
        ("intake:\n  ignore: # why\n    - a\n    - b # c\n  threads: 1\n", "intake.ignore", "['*.x', y]",
         'intake:\n  ignore: ["*.x", y] # c\n  threads: 1\n'),
        ("intake:\n  ignore: [a]\n", "intake.ignore", "[]", "intake:\n  ignore: []\n"),
        ("run:\n  max_cycles: 5\n", "run.max_cycles", "null", "run:\n  max_cycles: null\n"),
        ("", "logs.level", "debug", "logs:\n  level: debug\n"),
        ("", "schedule.tidy", "0 3 * * *", 'schedule:\n  tidy: "0 3 * * *"\n'),
        ("scan_interval: 10s\n", "scan_interval", "1h", "scan_interval: 1h\n"),
    ],
)  # fmt: skip
def test_a_value_is_set_in_place(text: str, key: str, value: str, expected: str) -> None:
    found = edit(text.encode(), key, value)
    assert found.data.decode() == expected


@pytest.mark.parametrize(
    ("text", "key", "value", "words"),
    [
        ("", "run.wokers", "3", "did you mean 'run.workers'?"),
        ("", "run", "3", "is a section; set one of run.workers"),
        ("", "inboxes", "[]", "edit it in deskhand.yaml"),
        ("", "inboxes[0].path", "x", "edit it in deskhand.yaml"),
        ("", "name.x", "3", "no setting"),
        ("", "run.workers", "0", "from 1 to 256"),
        ("", "run.workers", "3 # x", "single plain value"),
        ("", "run.workers", "3\nname: y", "single plain value"),
        ("", "run.workers", "[3]", "single plain value"),
        ("", "run.timeout", "soon", "200ms"),
        ("", "logs.level", "loud", "debug or"),
        ("", "intake.ignore", "a, b", "list of texts"),
        ("", "intake.ignore", "[[a]]", "list of texts"),
        ("", "schedule.heartbeat", "0 0 * * *", "hourly"),
        ("x: 1\n", "run.workers", "3", "has to be right first"),
        ("", "name", "", "1 to 80"),
    ],
)
def test_what_cannot_be_set(text: str, key: str, value: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        edit(text.encode(), key, value)
    assert words in str(caught.value)


def test_before_and_after() -> None:
    found = edit(b"run: {timeout: 60}\n", "run.timeout", "2h")
    assert (found.before, found.after) == ("1m", "2h")


@given(st.text(min_size=1, max_size=20))
def test_any_name_is_set_exactly_or_refused(name: str) -> None:
    try:
        found = edit(b"# c\nname: x # y\nrun:\n  workers: 3\n", "name", name)
    except ValueError:
        return
    loaded = settings_file.read(found.data).settings
    assert loaded is not None
    assert (loaded.name, loaded.run.workers) == (name, 3)
    assert found.data.endswith(b" # y\nrun:\n  workers: 3\n")


@pytest.mark.parametrize(
    "key", [key for key, _, _ in settings_file.leaves(Settings()) if not key.startswith(("inboxes", "maintenance"))]
)
def test_every_key_can_be_set_in_the_starter_file(key: str) -> None:
    item = {item.key: item for item in settings_file.read(b"").effective}[key]
    found = edit(STARTER.read_bytes(), key, item.shown)
    loaded = settings_file.read(found.data)
    assert loaded.settings == Settings()
    assert {item.key: item.source for item in loaded.effective}[key].startswith("deskhand.yaml:")


def test_the_starter_file_is_fresh() -> None:
    assert STARTER.read_text() == settings_doc.starter(SOURCE)
    assert read(STARTER.read_text()) == Settings()


def test_the_starter_file_shows_the_defaults() -> None:
    known = {*Settings.__struct_fields__, *(name for _, name in settings_doc.docstrings(SOURCE))}
    pattern = re.compile(r"# ( *(?:- )?([a-z_]+):.*)")
    found = [match for match in map(pattern.fullmatch, STARTER.read_text().splitlines()) if match]
    loaded = settings_file.read("\n".join(match[1] for match in found if match[2] in known).encode())
    assert loaded.settings == Settings()
    assert [item.key for item in loaded.effective if item.source == "default"] == ["schema"]


def test_the_documentation_is_fresh() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    block = text.split("<!-- settings: begin -->\n")[1].split("<!-- settings: end -->")[0]
    assert block == settings_doc.document(SOURCE)


def test_every_setting_has_a_docstring() -> None:
    docs = settings_doc.docstrings(SOURCE)
    classes = [cls for cls, field in docs if not field and "__struct_fields__" in dir(getattr(settings_module, cls))]
    sections = {name for name in Settings.__struct_fields__ if hasattr(getattr(Settings(), name), "__struct_fields__")}
    assert len(classes) >= 8 and all(docs[cls, ""] for cls in classes)
    for cls in classes:
        names = getattr(settings_module, cls).__struct_fields__
        assert [name for name in names if name not in sections and not docs.get((cls, name))] == []


def test_maintenance_windows_are_read_and_judged() -> None:
    found = read("maintenance:\n  - {name: weekly, cron: 0 2 * * 0, length: 2h}\n")
    assert [(window.name, window.length, window.mutes_from) for window in found.maintenance] == [
        ("weekly", 7200.0, "P2")
    ]
    assert wrong("maintenance:\n  - {name: W!, cron: daily, length: 8d}\n  - {name: w}\n") == [
        "deskhand.yaml:2:37: maintenance[0].length: must be at most 7d",
        "deskhand.yaml:3:5: maintenance[1].cron: is required",
        "deskhand.yaml:3:5: maintenance[1].length: is required",
    ]
    form = "must be five cron fields: minute, hour, day, month, weekday, as in '15 0 * * *'"
    assert wrong("maintenance:\n  - {name: W!, cron: daily, length: 8h}\n") == [
        "deskhand.yaml:2:12: maintenance[0].name: must be 1 to 40 characters of a-z, 0-9 and '-'",
        f"deskhand.yaml:2:22: maintenance[0].cron: {form}",
    ]
