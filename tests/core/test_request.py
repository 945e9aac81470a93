"""What a person reads before saying yes."""

from __future__ import annotations

import json

from deskhand.core.recipe import Parameter, Recipe, Retry
from deskhand.core.request import difference, render, render_doubt
from deskhand.core.task import InputFile, Options, Source, TaskFile

ID = "20261120-195331-letter-abcdef"
TASK = TaskFile(
    schema=1,
    id=ID,
    name="letter.txt",
    received=1_790_000_000.0,
    inbox="main",
    kind="file",
    files=(InputFile("", "a" * 64, 12),),
    salt="s",
    source=Source(1, 2, 12, 3, 4),
    input=f"{ID}.in.txt",
    options=Options(params={"to": "office"}),
)
RECIPE = Recipe(
    id="send", kind="command", purpose="Sends the letter.", environment="mail", inputs="text", outputs="none",
    safety="It cannot be taken back.", observability="the log", argv=("mail", "{param.to}"), deliver="outbox/{name}",
    params={"to": Parameter("whom"), "copy": Parameter("c", default="none")}, retry=Retry(attempts=3), version=2,
    sha256="b" * 64,
)  # fmt: skip


def asked(**more: object) -> dict[str, object]:
    """A request, read as a person's tool would."""
    facts: dict[str, object] = {
        "files": TASK.files,
        "command": ["mail", "office"],
        "parameters": {"to": "office", "copy": "none"},
        "goes_to": "outbox/letter.txt",
        "why": "The recipe asks every time.",
        "revision": 1,
        "asked": 1_790_000_000.0,
        "expires": 1_790_600_000.0,
        **more,
    }
    body: dict[str, object] = json.loads(render(TASK, RECIPE, **facts))  # type: ignore[arg-type]
    return body


def test_everything_the_answer_covers_stands_in_it() -> None:
    body = asked()
    assert body["command"] == ["mail", "office"]
    assert body["parameters"] == {"to": "office", "copy": "none"}
    assert body["files"] == [{"name": "letter.txt", "sha256": "a" * 64, "bytes": 12}]
    assert body["input_sha256"] == "a" * 64
    assert body["recipe"] == {"id": "send", "version": 2, "sha256": "b" * 64, "code": None}
    assert body["delivers_to"] == "outbox/letter.txt"
    assert body["attempts"] == 3
    assert body["expires"] == "2026-09-28T12:53:20.000000Z"


def test_it_says_how_to_answer() -> None:
    body = asked()
    assert f"{ID}.json.approved" in str(body["yes"])
    assert f"{ID}.json.rejected" in str(body["no"])
    assert "deskhand approve abcdef" in str(body["yes"])


def test_any_difference_in_what_is_covered_is_a_difference_in_bytes() -> None:
    one = json.dumps(asked())
    for change in (
        {"files": (InputFile("", "c" * 64, 12),)},
        {"parameters": {"to": "everybody"}},
        {"command": ["rm"]},
        {"revision": 2},
        {"expires": 1.0},
    ):
        assert json.dumps(asked(**change)) != one


def test_a_large_folder_is_shortened_but_covered() -> None:
    files = tuple(InputFile(f"{number:03}", f"{number:064}", 1) for number in range(80))
    body = asked(files=files)
    assert len(body["files"]) == 50  # type: ignore[arg-type]
    assert body["more_files"] == 30
    assert body["input_sha256"] != asked(files=files[:79])["input_sha256"]


def test_f38_an_edit_is_shown_as_a_difference() -> None:
    before = render(
        TASK,
        RECIPE,
        files=TASK.files,
        command=[],
        parameters={},
        goes_to=None,
        why="x",
        revision=1,
        asked=0.0,
        expires=1.0,
    )
    lines = difference(before, before.replace(b"Sends", b"Burns"))
    assert any(line.startswith("-") and "Sends" in line for line in lines)
    assert any(line.startswith("+") and "Burns" in line for line in lines)
    assert difference(before, before) == ["(the same lines, other bytes)"]
    assert difference(before, b"\xff\xfe" * 10_000)


def test_a_question_about_a_cut_off_run_has_three_answers() -> None:
    body = json.loads(render_doubt(TASK, RECIPE, files=TASK.files, attempt=1, why="cut off", revision=1, asked=0.0))
    assert {"run_it_again", "it_happened", "give_it_up"} <= body.keys()
    assert (
        json.loads(render_doubt(TASK, None, files=TASK.files, attempt=1, why="x", revision=1, asked=0.0))["recipe"]
        is None
    )
