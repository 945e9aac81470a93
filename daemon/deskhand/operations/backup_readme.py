"""``README.txt`` of a backup: how anybody gets the desk back by hand, without deskhand at first."""

from __future__ import annotations

_COMMON = """\
A backup of the deskhand desk "{desk}", made {created} (UTC) by deskhand {version}.

What is here
  data/              {data}
  audit/             its audit log, up to record {seq}: put it where the desk has audit_logs/
  MANIFEST.sha256    the hash of every file but itself; to check:  sha256sum -c MANIFEST.sha256
  backup.json        head of the log, counts, permissions, times, empty folders, links, and what is not here

Is it whole?
  sha256sum --quiet -c MANIFEST.sha256     (in the folder that you unpacked it to; nothing printed = whole)
  deskhand backup verify FILE              (more: the log's chain, and every task against the log)
"""
_DESK = """
Getting the desk back by hand
  1. Unpack everything into a new, empty folder:      unzip FILE -d new
  2. Make a desk of it:                               mv new/audit new/data/audit_logs
     The desk is now new/data; move it where you want it to be.
  3. Files marked in backup.json under "modes" may need their permissions (octal) back, "links" are symbolic links
     that were not followed, "folders" are empty folders, and "escaped" has the real names (base64) of files whose
     names a zip file cannot hold everywhere.
  4. Tell deskhand that it goes on from here:          deskhand --desk new/data init --adopt
     It starts paused.  Look around, then:             deskhand --desk new/data resume
  `deskhand backup restore` does all of this, and checks more.

What to know
  - What was dropped after record {seq} is not here.  What ran after it may run again; tasks that must not be repeated
    blindly are put to a person first (in doubt).
  - Requests that a person had renamed and deskhand had not read yet stand here unanswered: they are asked again.
{salt}{full}"""
_SALT_OUT = """\
  - queue/.salt, the desk's secret, is not here.  A new one is made: a drop that waits for another one by a `key:` that
    came before the backup has to be dropped again.
"""
_SALT_IN = "  - queue/.salt, the desk's secret, is here: keep the unpacked files to yourself.\n"
_NOT_FULL = """\
  - This is no full backup: what was finished long ago and filed away in queue/completed/YYYY-MM-DD/ is not here.
"""
_HISTORY = """
No desk can be made of this: it holds what happened, and none of what was dropped.
"""


def readme(desk: str, created: str, version: str, seq: int, *, full: bool, history: bool, salt: bool) -> str:
    """The file's text.  *salt*: the desk's secret is in the backup."""
    data = "deskhand's notes about what happened" if history else "deskhand.yaml, vault/, queue/, watch_inbox/ ..."
    text = _COMMON.format(desk=desk, created=created, version=version, seq=seq, data=data)
    if history:
        return text + _HISTORY
    more = {"salt": _SALT_IN if salt else _SALT_OUT, "full": "" if full else _NOT_FULL}
    return text + _DESK.format(seq=seq, **more)
