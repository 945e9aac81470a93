"""deskhand and its peers on the same disk in the same minutes: throughput, latency, rest, start, durability, kill -9.

Rounds are interleaved (A B C A B C ...), medians are shown, and throughput as a ratio to huey's on SQLite, so that a
machine that is busy with other things moves all figures, not their relation.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from peers import kills, resting, starts, syncs
from peers.comparison import Comparison
from peers.contender import Contender
from peers.roster import MAKERS, label
from peers.rounds import Times, measure

from support import report
from support.loop import journaled

KINDS = ("nothing", "true")
PARTS = ("speed", "syncs", "rest", "start", "kill")
Maker = Callable[[], Contender]
Value = TypeVar("Value")


def main() -> None:
    """Measure and report."""
    options = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started it in the background
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as stack:
        if options.loop:
            options.disk = stack.enter_context(journaled(options.loop_size))
        if options.disk:
            tempfile.tempdir = str(options.disk)
        comparison = Comparison(tasks=options.tasks)
        makers = taking_part(options, comparison)
        try:
            run(makers, options, comparison)
        except KeyboardInterrupt:
            comparison.trouble.append("it was interrupted, the rest was not measured")
        present(comparison, options)
        sys.exit(1 if comparison.trouble else 0)


def present(comparison: Comparison, options: Namespace) -> None:
    """Two tables, or one JSON object."""
    speed, behaviour, remarks = comparison.speed(), comparison.behaviour(), comparison.remarks(options)
    if options.json:
        found = {"machine": report.machine(), "speed": speed, "behaviour": behaviour, "remarks": remarks}
        print(json.dumps(found, indent=2))
        return
    if speed:
        report.show("side by side", speed, options, remarks)
    if behaviour:
        report.show("behaviour", behaviour, options, () if speed else remarks)


def arguments() -> Namespace:
    """The options."""
    parser = report.arguments("deskhand and its peers side by side.")
    parser.add_argument("--disk", type=Path, help="a folder on the disk to use (default: the temporary folder)")
    parser.add_argument("--loop", action="store_true", help="make a journaled ext4 on a loop device instead (root)")
    parser.add_argument("--loop-size", type=int, default=6, metavar="GIB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--samples", type=int, default=100, help="latencies per round")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look at rest")
    parser.add_argument("--backlogs", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="WORD", help="contenders with one of these in the name"
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    return parser.parse_args()


def taking_part(options: Namespace, comparison: Comparison) -> list[Maker]:
    """Who is wanted and installed."""
    found = []
    for maker in MAKERS:
        contender = maker()
        if options.only and not any(word in label(contender) for word in options.only):
            continue
        reason = contender.missing()
        if reason is None:
            found.append(maker)
        else:
            comparison.missing[contender.name] = reason
    return found


def run(makers: list[Maker], options: Namespace, comparison: Comparison) -> None:
    """All parts, each for all contenders."""
    if "speed" in options.parts:
        for number in range(options.rounds):
            turned = number % len(makers)  # nobody always comes after the same one
            for kind in KINDS:
                for maker in makers[turned:] + makers[:turned]:
                    with turn(maker, kind, "speed", comparison) as contender:
                        speed(contender, options, comparison)
        makers = [maker for maker in makers if comparison.is_best(maker())]
    for maker in makers if "syncs" in options.parts and syncs.available() else ():
        with turn(maker, "nothing", "syncs", comparison, trace=True) as contender:
            comparison.syncs[label(contender)] = tell(contender, "syncs", syncs.per_task(contender, 200))
    if "rest" in options.parts:
        rest(makers, options, comparison)
    for maker in makers * options.kills if "kill" in options.parts else ():
        with turn(maker, "line", "kill", comparison) as contender:
            comparison.add_kill(contender, tell(contender, "kill", kills.kill_and_restart(contender, options.tasks)))
    for waiting in options.backlogs if "start" in options.parts else ():
        for maker in makers:
            with turn(maker, "nothing", "start", comparison) as contender:
                start = tell(contender, f"start {waiting}", starts.cold(contender, waiting))
                comparison.starts.setdefault(waiting, {})[label(contender)] = start


def speed(contender: Contender, options: Namespace, comparison: Comparison) -> None:
    """One contender's turn in a round."""
    times = comparison.times.setdefault((label(contender), contender.kind), Times())
    measure(contender, times, options.tasks, options.samples)
    live, backlog = times.live[-1], times.backlog[-1] - times.first[-1]
    tell(contender, contender.kind, f"live {options.tasks / live:.0f}/s, backlog {options.tasks / backlog:.0f}/s")


def rest(makers: list[Maker], options: Namespace, comparison: Comparison) -> None:
    """All of them at once."""
    with ExitStack() as stack:
        contenders = [stack.enter_context(fresh(maker, "nothing")) for maker in makers]
        for contender, found in zip(contenders, resting.watch(contenders, options.seconds), strict=True):
            comparison.rest[label(contender)] = tell(contender, "rest", found)


@contextmanager
def turn(maker: Maker, kind: str, what: str, comparison: Comparison, *, trace: bool = False) -> Iterator[Contender]:
    """A contender in an empty folder; when it fails that is a remark, and the others go on."""
    try:
        with fresh(maker, kind, trace=trace) as contender:
            yield contender
    except (AssertionError, OSError, RuntimeError) as error:
        comparison.trouble.append(tell(contender, f"{what} went wrong:", f"{label(contender)}, {what}: {error}"))


@contextmanager
def fresh(maker: Maker, kind: str, *, trace: bool = False) -> Iterator[Contender]:
    """A contender in an empty folder, which is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="deskhand-side-")).resolve()
    contender = maker()
    contender.trace = trace
    try:
        contender.prepare(folder, kind)
        yield contender
    finally:
        contender.close()
        shutil.rmtree(folder)


def tell(contender: Contender, what: str, value: Value) -> Value:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {label(contender)}: {what} {value}", file=sys.stderr, flush=True)
    return value


if __name__ == "__main__":
    main()
