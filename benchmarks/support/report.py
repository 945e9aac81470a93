"""Figures as a table, as JSON, and as a block of ``docs/performance.md``."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"

Row = Mapping[str, float | int | str]


def arguments(what: str) -> ArgumentParser:
    """The options that every measurement has."""
    parser = ArgumentParser(description=what)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--write", action="store_true", help=f"also put the table into {PAGE.name}")
    return parser


def percentile(samples: Sequence[float], part: float) -> float:
    """The smallest sample that at least *part* of all do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * round(part * 1000) // 1000) - 1)]


def milliseconds(name: str, samples: Sequence[float]) -> Row:
    """A row for samples in seconds."""
    ms = [sample * 1000 for sample in samples]
    return {
        "what": name,
        "samples": len(ms),
        "p50 ms": round(statistics.median(ms), 1),
        "p90 ms": round(percentile(ms, 0.90), 1),
        "p99 ms": round(percentile(ms, 0.99), 1),
        "max ms": round(max(ms), 1),
    }


def machine() -> str:
    """What this was measured on, in one line."""
    model = platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        model = model if found is None else found[1].strip()
        virtual = "hypervisor" in Path("/proc/cpuinfo").read_text()
    except OSError:
        virtual = False
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({model}{', virtual machine' if virtual else ''}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().partition('-')[0]}, {filesystem(Path(tempfile.gettempdir()))}, "
        f"Python {platform.python_version()}; appending 700 bytes and fdatasync takes {sync_time():.2f} ms; "
        f"load {load:.1f} at the end"
    )


def sync_time() -> float:
    """Median milliseconds of a small append with fdatasync in the temporary folder: all durability costs this."""
    taken = []
    with tempfile.NamedTemporaryFile(prefix="deskhand-bench-") as file:
        for _ in range(200):
            started = time.perf_counter()
            file.write(b"x" * 700)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def filesystem(path: Path) -> str:
    """Type of the filesystem that *path* is on, and for ext4 whether it keeps a journal."""
    where, device, kind = "", "", "unknown filesystem"
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return kind
    for line in mounts:
        source, target, name, *_ = line.split()
        if path.resolve().is_relative_to(target) and len(target) >= len(where):
            where, device, kind = target, Path(source).name, name
    journal = Path("/sys/fs/ext4", device, "journal_task")
    if kind == "ext4" and journal.exists():
        kind += " without a journal" if journal.read_text().startswith("<") else " with a journal"
    return f"{kind} on a loop device" if device.startswith("loop") else kind


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    lines += ["| " + " | ".join(str(row.get(head, "")) for head in heads) + " |" for row in rows]
    return "\n".join(lines)


def show(name: str, rows: Sequence[Row], options: Namespace, remarks: Sequence[str] = ()) -> None:
    """Print the figures, and write them into the page when that is wanted; *remarks* are sentences below the table."""
    if options.json:
        found = {"measurement": name, "machine": machine(), "rows": list(rows), "remarks": list(remarks)}
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join([machine(), table(rows), *remarks]))
    if options.write:
        write(name, "\n\n".join([table(rows), *remarks, f"Measured on {machine()}."]))


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Replace the block *name* of the page; ends the program when the page has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = page.read_text()
    if begin not in old or end not in old:
        sys.exit(f"{page.name} has no block {name!r}")
    head, rest = old.split(begin, 1)
    tail = rest.split(end, 1)[1]
    page.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
