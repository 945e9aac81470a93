"""What threads read together is known to msgspec before there are threads.

It learns a type at the first use; a second thread that uses it meanwhile follows a null pointer (msgspec 0.22), and the
daemon is gone.  The program below makes threads take turns so often that it happens in one of three to seven runs; each
run is a fork of a process that has imported what the daemon imports and has no threads yet.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

RUNS = 40
PROGRAM = """
import os, sys, threading
sys.setswitchinterval(0.0001)
import deskhand.engine.taking
from {module} import {kind}
import msgspec
together = threading.Barrier(4)
def read():
    together.wait()
    for _ in range(3):
        try:
            msgspec.json.decode({data!r}, type={kind})
        except msgspec.ValidationError:
            pass
def run():
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
codes = []
for _ in range({runs}):
    pid = os.fork()
    if pid == 0:
        run()
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(*codes)
"""
SOURCE = b'{"dev":1,"ino":2,"bytes":3,"mtime_ns":4,"ctime_ns":5}'
TASK = (
    b'{"schema":1,"id":"a","name":"n","received":1.0,"inbox":"m","kind":"file","files":[],"salt":"s","source":'
    + SOURCE
    + b',"input":"i","pin":{"id":"x","version":1,"sha256":"y"}}'
)
DROP = (
    b'{"retry_of":"x","by":{"kind":"person","via":"command"},"options":{"recipe":"x"},"schema":1,"id":"a","name":"n",'
    b'"inbox":"i"}'
)


@pytest.mark.parametrize(
    ("module", "kind", "data"),
    [("deskhand.core.task", "TaskFile", TASK), ("deskhand.store.drop_file", "DropFile", DROP)],
)
def test_threads_may_read_it_first(module: str, kind: str, data: bytes) -> None:
    program = PROGRAM.format(module=module, kind=kind, data=data, runs=RUNS)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0"] * RUNS, done.stderr
