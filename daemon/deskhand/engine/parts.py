"""The pieces of an open desk, as ``engine.assemble`` puts them together."""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.core.clock import Clock
from deskhand.core.log import Log
from deskhand.core.settings import Settings
from deskhand.engine.answers import Answers
from deskhand.engine.bell import Notice
from deskhand.engine.budget import Budget
from deskhand.engine.dispatcher import Dispatcher
from deskhand.engine.effects import Effects
from deskhand.engine.forgetting import Forgetting
from deskhand.engine.gestures import Gestures
from deskhand.engine.intake import Intake
from deskhand.engine.ledger import Ledger
from deskhand.engine.outcomes import Outcomes
from deskhand.engine.packing import Packing
from deskhand.engine.placement import Placement
from deskhand.engine.reception import Reception
from deskhand.engine.runs import Runs
from deskhand.engine.starting import Starting
from deskhand.engine.strays import Strays
from deskhand.engine.watcher import Watcher
from deskhand.store.queue_folders import QueueFolders
from deskhand.store.recipes import Recipes


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a tick works with."""

    settings: Settings
    clock: Clock
    log: Log
    ledger: Ledger
    folders: QueueFolders
    placement: Placement
    recipes: Recipes
    intake: Intake
    watcher: Watcher | None
    notice: Notice
    reception: Reception
    gestures: Gestures
    answers: Answers
    strays: Strays
    outcomes: Outcomes
    dispatcher: Dispatcher
    starting: Starting
    budget: Budget
    runs: Runs
    effects: Effects
    packing: Packing
    forgetting: Forgetting
