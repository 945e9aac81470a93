"""Celery on its filesystem broker or on Redis: ``produce KIND`` or ``consume POOL CONCURRENCY PREFETCH``.

Results are off, and so are gossip, mingling, heartbeats and events of the worker.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery
from work import produce, run

FOLDER = Path(os.environ["BENCH_FOLDER"])
VISIBILITY = 30
"""Seconds until Redis hands out again what a dead worker had taken.  The default is an hour; much less than this and a
busy worker's own tasks are handed out twice."""
POLL = 0.01
"""Seconds between two looks at an empty folder; the default is 1."""


def settings() -> dict[str, Any]:
    """The broker that the benchmark names."""
    if os.environ["BENCH_STORAGE"] == "redis":
        options: dict[str, Any] = {"visibility_timeout": VISIBILITY}
        return {"broker_url": f"redis+socket://{FOLDER}/redis.sock", "broker_transport_options": options}
    folders = {f"data_folder_{way}": str(FOLDER / "messages") for way in ("in", "out")}
    for name in ("messages", "control"):
        (FOLDER / name).mkdir(exist_ok=True)
    options = {"polling_interval": POLL, **folders, "control_folder": str(FOLDER / "control")}
    return {"broker_url": "filesystem://", "broker_transport_options": options}


app = Celery("bench", set_as_current=True)
app.conf.update(
    **settings(),
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)


@app.task(name="work")
def work(name: str, payload: str, kind: str) -> None:
    """One task."""
    run(name, kind)


def main() -> None:
    """Produce or consume."""
    match sys.argv[1:]:
        case ["produce", kind]:
            produce(lambda name, payload: work.delay(name, payload, kind))
        case ["consume", pool, concurrency, prefetch]:
            app.conf.worker_prefetch_multiplier = int(prefetch)
            quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
            app.worker_main(["worker", f"--pool={pool}", f"--concurrency={concurrency}", *quiet])
        case other:
            raise SystemExit(f"unknown order {other}")


if __name__ == "__main__":
    main()
