"""Reading recipes: every violation at once, with its line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.core import recipe_draft, recipe_file
from deskhand.core.recipe import Approve, Kind, Limits, Match, Parameter, Recipe, Retry
from deskhand.core.recipe_draft import Answers

PROSE = """schema: 1
id: stamp
purpose: Puts a stamp on it.
environment: None.
inputs: PDF.
outputs: PDF.
safety: Copies.
observability: The log.
"""
COMMAND = PROSE + "kind: command\nargv: [stamp, '{input}']\n"
KEEP = PROSE + "kind: keep\n"


def read(text: str) -> Recipe:
    found = recipe_file.read(text.encode())
    assert found.violations == ()
    assert found.recipe is not None
    return found.recipe


def wrong(text: str, **more: str) -> list[str]:
    found = recipe_file.read(text.encode(), **more)  # type: ignore[arg-type]
    assert found.recipe is None
    return [violation.at("f") for violation in found.violations]


def test_everything_a_recipe_can_say() -> None:
    text = (
        COMMAND.replace("'{input}'", "'--x={param.text}', '{input}', '{output_dir}/{name}', '{print $1}'")
        + """
roles: [owner, office]
selectable: false
params:
  text: {description: Words., default: 012, choices: [012, PAID]}
match: {names: ["*.pdf"], inboxes: [main]}
deliver: "out/{year}/{stem}-{param.text}{ext}"
approval:
  when: bytes > 10MiB or param.text == "PAID"
timeout: 2m
retry: {attempts: 100, backoff: 500ms, max_backoff: 1h}
idempotent: true
concurrency: 1
output_cap: 10KiB
limits: {memory: 512MiB, cpu: 30s}
priority: -10
env: {MODE: fast, LEVEL: 3}
"""
    )
    found = read(text)
    assert found.argv == ("stamp", "--x={param.text}", "{input}", "{output_dir}/{name}", "{print $1}")
    assert found.params == {"text": Parameter("Words.", "012", ("012", "PAID"))}
    assert found.match == Match(("*.pdf",), ("main",))
    assert found.approval == Approve("when", 'bytes > 10MiB or param.text == "PAID"')
    assert found.retry == Retry(100, 0.5, 3600.0)
    assert found.limits == Limits(512 * 1024**2, 30.0)
    assert (found.timeout, found.output_cap, found.priority, found.concurrency) == (120.0, 10240, -10, 1)
    assert found.env == {"MODE": "fast", "LEVEL": "3"}
    assert found.roles == ("owner", "office")
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_defaults_are_the_careful_ones() -> None:
    found = read(KEEP)
    assert found.approval == Approve("required")
    assert not found.idempotent
    assert found.retry.attempts == 1


@pytest.mark.parametrize("section", recipe_file.PROSE)
def test_every_section_is_required(section: str) -> None:
    assert f"f:1:1: {section}: is required" in wrong(re.sub(rf"(?m)^{section}:.*\n", "", KEEP))
    line = KEEP.splitlines().index(next(line for line in KEEP.splitlines() if line.startswith(section))) + 1
    empty = wrong(re.sub(rf"(?m)^{section}:.*$", f"{section}: ' '", KEEP))
    assert empty == [f"f:{line}:{len(section) + 3}: {section}: must not be empty; a sentence is enough"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (KEEP.replace("schema: 1\n", ""), "schema:", "write 'schema: 1' first"),
        (KEEP.replace("schema: 1", "schema: 2"), "schema:", "must be 1"),
        (KEEP.replace("schema: 1", "schema: true"), "schema:", "must be 1"),
        (KEEP + "aproval: never\n", "f:10:1: aproval:", "did you mean 'approval'?"),
        (KEEP + "sha256: abc\n", "f:10:1: sha256:", "no such key"),
        (KEEP + "version: 7\n", "version:", "no such key"),
        (KEEP.replace("id: stamp", "id: Stamp"), "f:2:5: id:", "a-z, 0-9"),
        (KEEP.replace("id: stamp", "id: ../x"), "id:", "a-z, 0-9"),
        (KEEP.replace("id: stamp", "id: con"), "id:", "device"),
        (KEEP.replace("id: stamp", "id: -x"), "id:", "a-z, 0-9"),
        (KEEP.replace("kind: keep", "kind: kept"), "f:9:7: kind:", "did you mean 'keep'?"),
        (KEEP + "argv: [x]\n", "argv:", "belongs to kind command"),
        (KEEP + "code: x.py\n", "code:", "belongs to kind python"),
        (PROSE + "kind: command\n", "argv:", "is required for kind command"),
        (PROSE + "kind: command\nargv: []\n", "argv:", "is required for kind command"),
        (PROSE + "kind: command\nargv: ['']\n", "argv[0]:", "must be a program"),
        (PROSE + "kind: command\nargv: ['{input}']\n", "argv[0]:", "fixed program"),
        (PROSE + "kind: command\nargv: rm -rf\n", "argv:", "must be a list"),
        (PROSE + "kind: command\nargv: [x, '{inptu}']\n", "f:10:11: argv[1]:", "did you mean 'input'?"),
        (PROSE + "kind: command\nargv: [x, '{param.y}']\n", "argv[1]:", "'y' is not declared"),
        (PROSE + "kind: python\n", "code:", "is required for kind python"),
        (PROSE + "kind: python\ncode: ../x.py\n", "code:", "plain file name"),
        (PROSE + "kind: python\ncode: x.py\nfunction: a b\n", "function:", "name of a function"),
        (KEEP + "deliver: out/{nam}\n", "deliver:", "did you mean 'name'?"),
        (KEEP + "deliver: ../{name}\n", "deliver:", "'..'"),
        (KEEP + "deliver: a/../../{name}\n", "deliver:", "'..'"),
        (KEEP + "deliver: out/\n", "deliver:", "must end in a file's name"),
        (KEEP + "deliver: ~/{name}\n", "deliver:", "not expanded"),
        (KEEP + "deliver: queue/pending/{name}\n", "deliver:", "deskhand's own"),
        (KEEP + "deliver: ./audit_logs/{name}\n", "deliver:", "deskhand's own"),
        (KEEP + "deliver: '{input}'\n", "deliver:", "no such placeholder"),
        (KEEP + "approval: sometimes\n", "approval:", "must be required, never"),
        (KEEP + "approval: Never\n", "approval:", "did you mean 'never'?"),
        (KEEP + "approval: {when: byte > 3}\n", "f:10:18: approval.when:", "did you mean 'bytes'"),
        (KEEP + "approval: {when: param.x > 3}\n", "approval.when:", "'x' is not declared"),
        (KEEP + "approval: {wen: a}\n", "approval.wen:", "no such key"),
        (KEEP + "approval: {}\n", "approval.when:", "must be a rule"),
        (KEEP + "approval: true\n", "approval:", "must be required"),
        (KEEP + "retry: {attempts: 0}\n", "f:10:19: retry.attempts:", "from 1 to 100"),
        (KEEP + "retry: {attempts: 101}\n", "retry.attempts:", "from 1 to 100"),
        (KEEP + "retry: {attempts: 1.5}\n", "retry.attempts:", "whole number"),
        (KEEP + "retry: {backoff: 2h}\n", "retry.max_backoff:", "shorter"),
        (KEEP + "retry: 3\n", "retry:", "must be a mapping"),
        (KEEP + "priority: 11\n", "priority:", "from -10 to 10"),
        (KEEP + "timeout: 0\n", "timeout:", "more than 0"),
        (KEEP + "timeout: 5 parsecs\n", "timeout:", "unknown unit"),
        (KEEP + "timeout: -5\n", "timeout:", "more than 0"),
        (KEEP + "concurrency: 0\n", "concurrency:", "at least 1"),
        (KEEP + "limits: {memory: 512M}\n", "limits.memory:", "MB or MiB"),
        (KEEP + "limits: {cpu: 0s}\n", "limits.cpu:", "more than 0"),
        (KEEP + "idempotent: yes\n", "idempotent:", "true or false"),
        (KEEP + "roles: []\n", "roles:", "at least one role"),
        (KEEP + "roles: [Big Boss]\n", "roles[0]:", "a role is"),
        (KEEP + "params: {A: {description: x}}\n", "params.A:", "begins with a letter"),
        (KEEP + "params: {a: {}}\n", "params.a.description:", "is required"),
        (KEEP + "params: {a: {description: x, default: -r}}\n", "params.a.default:", "'-'"),
        (KEEP + "params: {a: {description: x, choices: [b, -c]}}\n", "params.a.choices[1]:", "'-'"),
        (KEEP + "params: {a: {description: x, default: d, choices: [b]}}\n", "params.a.default:", "not one of"),
        (KEEP + "params: {a: {description: x, default: true}}\n", "params.a.default:", "put true in quotes"),
        (KEEP + "match: {inboxes: [main]}\n", "match.names:", "is required beside"),
        (KEEP + "match: {names: [a/b]}\n", "match.names[0]:", "single name"),
        (KEEP + "match: {names: '*.pdf'}\n", "match.names:", "must be a list"),
        (KEEP + "env: {DESKHAND_X: a}\n", "env.DESKHAND_X:", "deskhand itself"),
        (KEEP + "env: {API_TOKEN: a}\n", "env.API_TOKEN:", "secret"),
        (KEEP + "env: {a-b: c}\n", "env.a-b:", "environment variable"),
        (KEEP + "purpose: again\n", "f:10:1: purpose:", "twice"),
        ("[]\n", "f:1:1:", "a recipe is a mapping"),
        ("", "f:1:1:", "a recipe is a mapping"),
        ("a: [\n", "f:2:1:", ""),
    ],
)
def test_one_mistake_is_one_violation(text: str, place: str, words: str) -> None:
    found = wrong(text)
    assert len(found) == 1, found
    assert place in found[0]
    assert words in found[0]


def test_all_mistakes_are_reported_at_once_in_order() -> None:
    text = KEEP.replace("purpose: Puts a stamp on it.\n", "").replace("None.", "''")
    found = wrong(text + "retry: {attempts: 0}\nprioritty: 3\ndeliver: '{x}/../y'\ntimeout: never\nid: again\n")
    assert [line.split(": ")[1] for line in found] == [
        *("purpose", "environment", "retry.attempts", "prioritty", "deliver", "deliver", "timeout", "id")
    ]


def test_the_place_of_the_file_counts() -> None:
    assert "the place of this file says 'other'" in wrong(KEEP, expected_id="other")[0]
    assert recipe_file.read(KEEP.encode(), expected_id="stamp").recipe is not None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"def run(input, output_dir, params):\n    pass\n", None),
        (b"def ran(): pass\n", "did you mean 'ran'"),
        (b"x = 1\n", "defines no function 'run'"),
        (b"class A:\n    def run(self): pass\n", "at its top level"),
        (b"def run(:\n", "is not Python"),
        (b"def run(): pass\0", "is not Python"),
        (b"\xff\xfe", "is not Python"),
    ],
)
def test_code_is_judged_without_running_it(code: bytes, words: str | None) -> None:
    found = recipe_file.check_code(code, "run")
    assert (words is None) == (found == ())
    assert words is None or words in found[0].message


@pytest.mark.parametrize("kind", ["command", "python", "note", "keep"])
@pytest.mark.parametrize("approval", ["never", "bytes > 1MiB"])
def test_a_new_draft_is_right(kind: Kind, approval: str) -> None:
    answers = Answers(id="my-own", kind=kind, approval=approval, names=("*.pdf",), deliver="out/{name}", timeout="5m")
    found = read(recipe_draft.draft(answers))
    assert (found.id, found.kind, found.deliver, found.timeout) == ("my-own", kind, "out/{name}", 300.0)
    assert found.match.names == ("*.pdf",)
    assert found.approval == (Approve("never") if approval == "never" else Approve("when", approval))
    code = recipe_draft.code(answers)
    assert (code is not None) == (kind == "python")
    assert code is None or recipe_file.check_code(code.encode(), found.function) == ()


@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_answers_cannot_break_out_of_their_section(text: str) -> None:
    raw = recipe_draft.draft(Answers(id="a", purpose=text, safety=text)).encode("utf-8", "replace")
    found = recipe_file.read(raw)
    assert found.violations == ()
    assert found.recipe is not None
    assert found.recipe.purpose == text.encode("utf-8", "replace").decode()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_recipe_or_violations(raw: bytes) -> None:
    for data in (raw, KEEP.encode() + raw):
        found = recipe_file.read(data)
        assert (found.recipe is None) == bool(found.violations)


def test_the_example_in_the_documentation_is_right() -> None:
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert read(examples[0]).id == "stamp"
    cost = read(KEEP + examples[1]).cost
    assert cost is not None and cost.reserve == 0.05
    assert read(KEEP + examples[2]).approval.mode == "when"


def test_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    table = text.split("## Keys")[1].split("##")[0]
    found = re.findall(r"^\| `([a-z_]+)` \| (?:required|`.*?`)? ?\|", table, re.MULTILINE)
    assert set(found) == set(Recipe.__struct_fields__) - {"version", "sha256", "code_sha256"} | {"schema"}
