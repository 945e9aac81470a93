"""Every verb: where it is, what it does in one line, and under which heading the help lists it.

Only text: listing the verbs must not import them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """One verb, or a group of them."""

    summary: str
    """The first line of its help."""
    section: str = ""
    module: str = ""
    """In ``deskhand.cli``; the command in it has the name of the module.  Of a group: what its name does without a
    verb; empty when that is nothing but help."""
    verbs: Mapping[str, Entry] = {}
    """Of a group."""


DAILY, FLOW, RECIPES, OPERATE, TRUST, SET_UP = "Daily", "Flow", "Recipes", "Operate", "Trust", "Set up"

TASK: Mapping[str, Entry] = {
    "show": Entry("Show everything that is known about a task.", module="task_show"),
    "trace": Entry("Show every record of a task, with the time between them.", module="task_trace"),
    "log": Entry("Show what a task's attempts printed.", module="task_log"),
    "failure": Entry("Show why a task failed.", module="task_failure"),
    "retry": Entry("Look again at a task that is held up, or do a finished one anew.", module="task_retry"),
    "cancel": Entry("Stop a task and wait until it has stopped.", module="task_cancel"),
    "forget": Entry("Erase a finished task: its files, its names, its salt.", module="task_forget"),
}
RECIPE: Mapping[str, Entry] = {
    "new": Entry("Write a draft with every section filled in.", module="recipe_new"),
    "check": Entry("Check drafts: everything that is wrong, with file and line.", module="recipe_check"),
    "bless": Entry("Make a draft the next version that may run.", module="recipe_bless"),
    "list": Entry("List the recipes and whether they may run.", module="recipe_list"),
    "show": Entry("Show a recipe as it was blessed.", module="recipe_show"),
}
CHECKLIST: Mapping[str, Entry] = {
    "list": Entry("List the checklists, when they run next, and what waits for people.", module="checklist_list"),
    "run": Entry("Go through a checklist now.", module="checklist_run"),
    "sign": Entry("Answer yes to a question of a checklist that is open.", module="checklist_sign"),
    "history": Entry("Show how checklists went.", module="checklist_history"),
    "bless": Entry("Let a checklist be scheduled and its programs run.", module="checklist_bless"),
}
AUDIT: Mapping[str, Entry] = {
    "verify": Entry("Verify the audit log and name everything that is wrong.", module="audit_verify"),
    "show": Entry("Show records of the audit log.", module="audit_show"),
}
BACKUP: Mapping[str, Entry] = {
    "create": Entry("Make a backup, verify it, and take it to the second targets.", module="backup_create"),
    "list": Entry("List the backups and what is known about them.", module="backup_list"),
    "prune": Entry("Delete the backups that no rule keeps.", module="backup_prune"),
    "verify": Entry("Verify backups: every byte, the audit log in them, and the folders.", module="backup_verify"),
    "restore": Entry("Make a desk of a backup, or bring back one note.", module="backup_restore"),
    "drill": Entry("Prove that the backups can be restored.", module="backup_drill"),
}
CONFIG: Mapping[str, Entry] = {
    "show": Entry("Show every setting, its value, and where that comes from.", module="config_show"),
    "check": Entry("Check deskhand.yaml and name everything that is wrong.", module="config_check"),
    "set": Entry("Change one setting in deskhand.yaml.", module="config_set"),
    "paths": Entry("Show where everything of this desk is.", module="config_paths"),
}
COST: Mapping[str, Entry] = {
    "limits": Entry("Show or set what may be spent.", module="cost_limits"),
    "import": Entry("Compare a provider's bill (CSV) with the log, day by day.", module="cost_import"),
}
INCIDENT: Mapping[str, Entry] = {
    "open": Entry("Open an incident: a note to work through, with what happened filled in.", module="incident_open"),
    "close": Entry("Close an incident and complete its timeline.", module="incident_close"),
    "list": Entry("List incidents.", module="incident_list"),
}
HEALTH: Mapping[str, Entry] = {
    "incident": Entry("Open, close and list incidents.", verbs=INCIDENT),
}
ROOT: Mapping[str, Entry] = {
    "drop": Entry("Hand files or folders over to the desk.", DAILY, "drop"),
    "status": Entry("Show how the desk stands.", DAILY, "status"),
    "tasks": Entry("List tasks.", DAILY, "tasks"),
    "task": Entry("Look at one task, or act on it.", DAILY, verbs=TASK),
    "approvals": Entry("List what waits for an answer, oldest first.", DAILY, "approvals"),
    "approve": Entry("Say yes to what waits; without an ID, go through all of it.", DAILY, "approve"),
    "reject": Entry("Say no to what waits.", DAILY, "reject"),
    "run": Entry("Run the daemon in the foreground.", FLOW, "run"),
    "pause": Entry("Take nothing new in and start nothing new.", FLOW, "pause"),
    "resume": Entry("End a pause.", FLOW, "resume"),
    "recipe": Entry("Write, check, bless and read recipes.", RECIPES, verbs=RECIPE),
    "health": Entry("Look at how the desk is, and say what to do.", OPERATE, "health", HEALTH),
    "backup": Entry("Make, verify and restore backups.", OPERATE, verbs=BACKUP),
    "metrics": Entry("Show how well the desk works.", OPERATE, "metrics"),
    "cost": Entry("Show what runs cost.", OPERATE, "cost", COST),
    "report": Entry("Write a report about the desk.", OPERATE, "report"),
    "checklist": Entry("Go through checklists, sign them, and see how they went.", OPERATE, verbs=CHECKLIST),
    "cleanup": Entry("Remove what is no longer needed, and pack old days of the log.", OPERATE, "cleanup"),
    "audit": Entry("Verify and read the audit log.", TRUST, verbs=AUDIT),
    "init": Entry("Make a desk.", SET_UP, "init"),
    "config": Entry("Read and change the settings.", SET_UP, verbs=CONFIG),
    "doctor": Entry("Check that everything deskhand needs is there and works.", SET_UP, "doctor"),
    "demo": Entry("Show the whole product at work in a throw-away desk.", SET_UP, "demo"),
    "help": Entry("Show the help of a verb.", SET_UP, "help"),
}
SECTIONS = (DAILY, FLOW, RECIPES, OPERATE, TRUST, SET_UP)
"""Headings in the order in which the help shows them."""
