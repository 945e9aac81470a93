"""The documentation is true: its commands run, its links lead somewhere, every verb and setting is in it.

A fenced block tagged ``sh`` is a script; in one tagged ``console`` the lines that begin with ``$ `` are commands and
the others what they print.  A block after ``<!-- test: skip REASON -->`` is left out; those are counted and printed.
All blocks of a page run in one shell session in an empty folder, in order, as a reader would; what they leave running
is ended with it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from deskhand.cli.verbs import ROOT as ROOT_VERBS
from deskhand.cli.verbs import Entry
from deskhand.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "service").glob("*.md")])
SESSION_TIMEOUT = 100
_FENCE = re.compile(
    r"^(?:<!-- test: skip (?P<reason>[^>]+?) -->\n+)?^```(?P<tag>sh|console)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block of commands."""

    line: int
    script: str
    skip: str | None


def blocks(text: str) -> list[Block]:
    """The blocks of a Markdown text that hold commands."""
    found = []
    for match in _FENCE.finditer(text):
        script = match["body"] if match["tag"] == "sh" else _commands(match["body"])
        found.append(Block(text[: match.start("tag")].count("\n") + 1, script, match["reason"]))
    return [block for block in found if block.script.strip()]


def _commands(body: str) -> str:
    """The commands of a console block; a command that ends with a backslash goes on in the next line."""
    lines: list[str] = []
    for line in body.splitlines():
        continues = bool(lines) and lines[-1].endswith("\\") and line.startswith("> ")
        if line.startswith("$ ") or continues:
            lines.append(line[2:])
    return "".join(f"{line}\n" for line in lines)


def session(page: str, found: list[Block]) -> str:
    """One bash script of the blocks that are not skipped; on failure it says which block it was in."""
    parts = ["set -euo pipefail", "trap 'echo \"failed in $block\" >&2' ERR"]
    for block in found:
        if block.skip is None:
            parts += [f"block={shlex.quote(f'{page}:{block.line}')}", block.script.rstrip("\n")]
    return "\n".join(parts) + "\n"


def run_session(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a session in *folder* with an own home and `deskhand` on PATH; end everything it leaves running."""
    home = folder / "home"
    home.mkdir()
    here = folder / "here"
    here.mkdir()
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
    output = folder / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=here, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(SESSION_TIMEOUT)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # nothing was left running
            process.wait()
    return subprocess.CompletedProcess(script, code, output.read_text(errors="replace"))


@pytest.mark.acceptance
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page.read_text())], ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = blocks(page.read_text())
    skipped = [block for block in found if block.skip]
    with capsys.disabled():
        for block in skipped:
            print(f"\n{page.name}:{block.line} is not run: {block.skip}", end="")
    done = run_session(session(page.name, found), tmp_path)
    assert done.returncode == 0, done.stdout


def test_blocks_are_found_and_run(tmp_path: Path) -> None:
    page = (
        "# Page\n\n```sh\nmkdir a\ncd a\n```\n\n"
        "```console\n$ pwd | tail -c 2 \\\n> > where\n/somewhere/a\n$ echo two\n```\n\n"
        "<!-- test: skip needs a printer -->\n```sh\nexit 9\n```\n\n```yaml\n$ not: this\n```\n"
    )
    found = blocks(page)
    assert [(block.line, block.skip) for block in found] == [(3, None), (8, None), (16, "needs a printer")]
    done = run_session(session("page.md", found), tmp_path)
    assert (done.returncode, done.stdout) == (0, "two\n")
    assert (tmp_path / "here" / "a" / "where").read_text() == "a\n"


def test_a_failing_command_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    page = "```sh\nsleep 600 & echo $! > pid\n```\n\n```sh\nls there-is-no-such-file\necho never\n```\n"
    done = run_session(session("page.md", blocks(page)), tmp_path)
    assert done.returncode != 0
    assert "failed in page.md:5" in done.stdout and "never" not in done.stdout
    pid = int((tmp_path / "here" / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        _wait_gone(pid)


def _wait_gone(pid: int) -> None:
    """Raises ProcessLookupError as soon as *pid* is gone or only waits to be collected."""
    for _ in range(1000):
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            raise ProcessLookupError(pid)
        os.sched_yield()


# -- links -----------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get where it is shown."""
    titles = re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "", text)
    dead = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            dead.append(link)
    assert dead == []


# -- completeness ----------------------------------------------------------------------------------------------------


def keys(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Every key of ``deskhand.yaml``, dotted; keys of an inbox are under ``inboxes``."""
    for field in msgspec.structs.fields(kind):
        inner = [
            part for part in (field.type, *get_args(field.type)) if isinstance(part, type) and part is not type(None)
        ]
        nested = [part for part in inner if issubclass(part, msgspec.Struct)]
        yield f"{prefix}{field.encode_name}"
        for part in nested:
            yield from keys(part, f"{prefix}{field.encode_name}.")


def test_every_setting_is_documented() -> None:
    page = ROOT / "docs" / "configuration.md"
    text = page.read_text()
    missing = [key for key in keys(Settings) if f"`{key}`" not in text and f"`{key.rpartition('.')[2]}`" not in text]
    assert missing == []


def test_every_verb_is_documented() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    names = list(verbs(ROOT_VERBS))
    assert len(names) > 20
    assert [verb for verb in names if not re.search(rf"\bdeskhand {verb}\b", text)] == []


def verbs(table: Mapping[str, Entry], prefix: str = "") -> Iterator[str]:
    """Every verb as it is typed: `task show`."""
    for name, entry in table.items():
        yield from verbs(entry.verbs, f"{prefix}{name} ")
        if entry.module:
            yield f"{prefix}{name}"
