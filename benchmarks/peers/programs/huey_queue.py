"""huey on SQLite, on files or on Redis: ``produce KIND`` or ``consume WORKERS WORKER_TYPE``.

Results are off, the periodic scheduler is off; what the storage is comes from ``BENCH_STORAGE`` and ``BENCH_FOLDER``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from huey import FileHuey, Huey, RedisHuey, SqliteHuey
from huey.consumer import Consumer
from work import produce, run


def storage() -> Huey:
    """The queue that the benchmark names."""
    folder = Path(os.environ["BENCH_FOLDER"])
    match os.environ["BENCH_STORAGE"]:
        case "sqlite":
            synced = not os.environ.get("BENCH_FILLING")
            return SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=synced, results=False)
        case "files":
            return FileHuey("bench", path=str(folder / "huey"), results=False)
        case "redis":
            return RedisHuey("bench", url=f"unix://{folder}/redis.sock", results=False)
        case other:
            raise SystemExit(f"unknown storage {other!r}")


huey = storage()


@huey.task()
def work(name: str, payload: str, kind: str) -> None:
    """One task."""
    run(name, kind)


def main() -> None:
    """Produce or consume."""
    match sys.argv[1:]:
        case ["produce", kind]:
            produce(lambda name, payload: work(name, payload, kind))
        case ["consume", workers, worker_type]:
            Consumer(
                huey,
                workers=int(workers),
                worker_type=worker_type,
                periodic=False,
                initial_delay=0.001,
                backoff=1.15,
                max_delay=0.01,
            ).run()
        case other:
            raise SystemExit(f"unknown order {other}")


if __name__ == "__main__":
    main()
