"""What the measurements share.  The desks they use are the tests' own: a real daemon on a throw-away desk."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:  # a script is started by its path, and knows only its own folder
    sys.path.insert(0, ROOT)
