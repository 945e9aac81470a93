"""What people write themselves: a watchdog handler that moves files.  No durability, no log, no recovery."""

import os
import subprocess
import sys
import time
from pathlib import Path

from watchdog.events import FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

ROOT, KIND = Path(sys.argv[1]), sys.argv[2]
INBOX, DONE = ROOT / "inbox", ROOT / "done"
LINE = ["sh", "-c", 'echo "$1 0" >> "$2"', "sh"]
COMMANDS = {"true": lambda _: ["true"], "line": lambda name: [*LINE, name, str(ROOT / "marks")]}


def process(path: Path) -> None:
    """Do the work for one file and move it away."""
    if not path.exists() or path.is_dir():
        return
    path.read_bytes()
    if KIND != "nothing":
        subprocess.run(COMMANDS[KIND](path.name), check=True)
    os.rename(path, DONE / path.name)


class Handler(FileSystemEventHandler):
    def on_created(self, event: FileSystemEvent) -> None:
        process(Path(str(event.src_path)))

    def on_moved(self, event: FileMovedEvent) -> None:  # type: ignore[override]
        process(Path(str(event.dest_path)))


observer = Observer()
observer.schedule(Handler(), str(INBOX))
observer.start()
for waiting in sorted(INBOX.iterdir()):
    process(waiting)
while observer.is_alive():
    time.sleep(60)
