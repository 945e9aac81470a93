"""Everything that was measured, and the table of it."""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from peers.contender import Contender
from peers.kills import Aftermath
from peers.resting import Rest
from peers.roster import BASE, label
from peers.rounds import Times
from peers.starts import Start
from support import report

KINDS = {"nothing": "no-op", "true": "`true`"}


@dataclass
class Comparison:
    """Keys are :func:`peers.roster.label`; what was not measured is not there, and its cell says so."""

    times: dict[tuple[str, str], Times] = field(default_factory=dict)
    syncs: dict[str, dict[str, float]] = field(default_factory=dict)
    rest: dict[str, Rest] = field(default_factory=dict)
    kills: dict[str, Aftermath] = field(default_factory=dict)
    starts: dict[int, dict[str, Start]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Name -> why it did not take part."""
    trouble: list[str] = field(default_factory=list)
    """What went wrong with a contender; its figure of that time is not there."""
    tasks: int = 0

    def add_kill(self, contender: Contender, result: Aftermath) -> None:
        """One more."""
        key = label(contender)
        self.kills[key] = self.kills[key] + result if key in self.kills else result

    # -- figures -----------------------------------------------------------------------------------------------

    def live(self, key: str, kind: str) -> float | None:
        """Tasks per second."""
        times = self.times.get((key, kind))
        return self.tasks / statistics.median(times.live) if times and times.live else None

    def backlog(self, key: str, kind: str) -> float | None:
        """Tasks per second, start-up left out; None when it cannot be told from the noise of two starts."""
        times = self.times.get((key, kind))
        if not times or not times.backlog or min(times.backlog) <= max(times.first):
            return None
        return (self.tasks - 1) / (statistics.median(times.backlog) - statistics.median(times.first))

    def best(self, name: str) -> str:
        """The setting of a contender with the best throughput, all four figures weighing the same."""
        keys = self._settings(name)
        return max(keys, key=lambda key: statistics.geometric_mean(self._speeds(key) or [1e-9]))

    def is_best(self, contender: Contender) -> bool:
        """Whether this is its best setting; the other ones are only in the remarks."""
        return not self._settings(contender.name) or label(contender) == self.best(contender.name)

    def _settings(self, name: str) -> list[str]:
        keys = dict.fromkeys(key for key, _ in self.times)
        return [key for key in keys if key == name or key.startswith(f"{name} (")]

    def _speeds(self, key: str) -> list[float]:
        found = [figure(key, kind) for figure in (self.live, self.backlog) for kind in KINDS]
        return [speed for speed in found if speed]

    # -- the table ---------------------------------------------------------------------------------------------

    def speed(self) -> list[report.Row]:
        """Throughput as ratios, latency and processor time, one row per contender."""
        return self._table(dict.fromkeys(key for key, _ in self.times), self._speed)

    def behaviour(self) -> list[report.Row]:
        """What is synced, what rest costs, what a kill does, how a heap is started on; one row per contender."""
        keys = [*self.syncs, *self.rest, *self.kills, *(key for starts in self.starts.values() for key in starts)]
        return self._table(keys, self._behaviour)

    def _table(self, keys: Iterable[str], row: Callable[[str], report.Row]) -> list[report.Row]:
        """The best setting of each; columns for which nothing was measured are left out."""
        names: dict[str, str] = {}
        for key in keys:
            name = key.partition(" (")[0]
            names.setdefault(name, self.best(name) if self._settings(name) else key)
        rows = [row(key) for key in names.values()]
        return [{head: row[head] for head in row if any(one[head] != "-" for one in rows)} for row in rows]

    def _speed(self, key: str) -> report.Row:
        row: dict[str, float | int | str] = {"contender": key}
        figures: dict[str, Callable[[str, str], float | None]] = {"live": self.live, "backlog": self.backlog}
        for kind, shown in KINDS.items():
            for name, figure in figures.items():
                row[f"{shown}, {name}"] = self._ratio(key, kind, figure)
        for kind, shown in KINDS.items():
            row[f"{shown} p50 / p99 ms"] = self._latency(key, kind)
        times = self.times.get((key, "nothing"))
        processor = times.processor if times else []
        row["no-op CPU ms"] = f"{statistics.median(processor) * 1000:.2f}" if processor else "-"
        return row

    def _behaviour(self, key: str) -> report.Row:
        row: dict[str, float | int | str] = {"contender": key, "syncs per task": self._synced(key)}
        kill = self.kills.get(key)
        fate = "-" if kill is None else f"{kill.lost} / {kill.doubled} / {kill.asked} of {kill.tasks:,}"
        row["killed: lost / twice / asked"] = fate
        rest = self.rest.get(key)
        row["idle % of a core"] = "-" if rest is None else f"{rest.core:.2f}"
        row["idle MiB (processes)"] = "-" if rest is None else f"{rest.memory:.0f} ({rest.processes})"
        for waiting, starts in self.starts.items():
            start = starts.get(key)
            row[f"first of {waiting:,} s, then /s"] = "-" if start is None else f"{start.first:.1f}, {start.rate:.0f}"
        return row

    def _synced(self, key: str) -> str:
        calls = self.syncs.get(key)
        if calls is None:
            return "-"
        return ", ".join(f"{number:g} {name}" for name, number in calls.items()) or "**none**"

    def _ratio(self, key: str, kind: str, figure: Callable[[str, str], float | None]) -> str:
        mine = figure(key, kind)
        base = max((speed for one in self._settings(BASE) if (speed := figure(one, kind))), default=None)
        if mine is None:
            return "-"
        return f"{mine:,.0f}/s" if base is None else f"**{mine / base:.2f}** ({mine:,.0f}/s)"

    def _latency(self, key: str, kind: str) -> str:
        times = self.times.get((key, kind))
        if times is None or not times.latency:
            return "-"
        ms = [sample * 1000 for sample in times.latency]
        return f"{statistics.median(ms):.1f} / {report.percentile(ms, 0.99):.1f}"

    def remarks(self, options: Namespace) -> list[str]:
        """What stands below the table."""
        counts = {key: len(times.live) for (key, _), times in self.times.items()}
        rounds = max(counts.values(), default=0)
        what = f"{options.tasks:,} tasks of 1 KiB each, medians of {rounds} interleaved rounds"
        what += "".join(f" ({count} of {key})" for key, count in counts.items() if count < rounds)
        found = [f"{what}; ratios are to the best figure of any setting of {BASE}."] if rounds else []
        others = [
            f"{key} {self._figures(key)}"
            for name in dict.fromkeys(key.partition(" (")[0] for key, _ in self.times)
            for key in self._settings(name)
            if len(self._settings(name)) > 1
        ]
        if others:
            found.append(f"Settings tried, live / backlog per second, no-op and `true`: {'; '.join(others)}.")
        found += [f"Not measured: {name} ({reason})." for name, reason in self.missing.items()]
        return found + [f"Went wrong: {what}" for what in self.trouble]

    def _figures(self, key: str) -> str:
        shown = []
        for kind in KINDS:
            both = [figure(key, kind) for figure in (self.live, self.backlog)]
            shown.append(" / ".join("-" if speed is None else f"{speed:,.0f}" for speed in both))
        return " and ".join(shown)
