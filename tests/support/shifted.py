"""A daemon in whose process the clocks show what a test wants: set, or gone on while the machine slept.

A small library that is loaded before the C library's own adds two numbers, which can change at any moment, to what the
wall clock and the clock that counts time asleep show.  The clock that threads wait by stays as it is, as in a suspend.
Needs a C compiler.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.support.fault_desk import FaultBench

COMPILER = shutil.which("cc")
SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long long *shift;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SHIFT_FILE");
    real = dlsym(RTLD_NEXT, "clock_gettime");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *found = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
        if (found != MAP_FAILED) shift = found;
    }
}

int clock_gettime(clockid_t id, struct timespec *now) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, now);
    if (code == 0 && shift && (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME)) {
        long long seconds = shift[id == CLOCK_REALTIME ? 0 : 1];
        now->tv_sec += seconds;
    }
    return code;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
"""
PROGRAM = """
import sys
from deskhand.engine import clockwork
clockwork.LONGEST_SLEEP = 0.25  # instead of a minute
sys.argv = ["deskhand", "run"]
from deskhand.cli import main
main()
"""


class ShiftedBench(FaultBench):
    """A bench whose commands and daemon live by :meth:`set` and :meth:`sleep`."""

    def __init__(self, folder: Path, config: str = "", zone: str = "UTC") -> None:
        super().__init__(folder, config)
        library = folder / "shift.so"
        assert COMPILER is not None
        source = folder / "shift.c"
        source.write_text(SOURCE)
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self._wall = self._asleep = 0
        self._file = folder / "shift"
        self._file.write_bytes(bytes(4096))
        self.environment |= {"LD_PRELOAD": str(library), "SHIFT_FILE": str(self._file), "TZ": zone}

    def begin(self) -> None:
        """Start the daemon; it looks at the clocks four times a second instead of once a minute."""
        self.start(sys.executable, "-c", PROGRAM)

    def set(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._wall += int(seconds)
        self._show()

    def sleep(self, seconds: float) -> None:
        """The machine sleeps: both clocks go on."""
        self._asleep += int(seconds)
        self.set(seconds)

    def _show(self) -> None:
        with self._file.open("r+b") as file:
            file.write(struct.pack("<qq", self._wall, self._asleep))

    def now(self) -> float:
        """What the wall clock shows in there."""
        return time.time() + self._wall

    def at(self, seconds: float) -> str:
        """A time from now, as `--not-before` takes it."""
        return datetime.fromtimestamp(self.now() + seconds, UTC).isoformat(timespec="seconds")
