"""Desks with a past, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from support import desks
from support.seed import seed
from tests.support.desk import Bench


def with_pasts(pasts: Iterable[tuple[int, int]], most: int) -> Iterator[tuple[int, int, Bench]]:
    """A throw-away desk for each number of finished and of waiting tasks that is not above *most*; no daemon runs."""
    for finished, waiting in pasts:
        if max(finished, waiting) <= most:
            with desks.throw_away() as bench:
                seed(bench.desk, finished=finished, waiting=waiting, done_by=desks.NOTHING)
                yield finished, waiting, bench
