"""Every check of the product taken out: a named test must then fail.

The checks are found in the product's own text (``tests/support/checks.py``), so that a new one cannot be left out: each
stands in a table here, with the test that fails without it, with the check that holds in its place, or with the reason
why nothing is harmed.  Conditions that refuse by choosing another way are listed by hand, with what they become.  The
tests are collected once, in a process of their own, and each is run in forks of it: as things are, and spoiled.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.support import mutated
from tests.support.checks import checks
from tests.support.mutated import Change

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and runs tests that need Linux"),
    pytest.mark.timeout(600),  # the first test waits for all of it
]
NOTICED_BY = {
    "engine/test_costs.py::test_over_the_limit_nothing_begins_until_it_is_raised": (
        "engine/starting.py _start: over is not None",
    ),
    "core/test_step.py::test_without_a_recipe_there_is_nothing_to_ask_about": ("core/step.py step: case Reask()",),
    "core/test_step.py::test_what_would_say_nothing_new_is_refused": (
        "core/step.py _if_legal: to not in TRANSITIONS[task.state]",
        "core/step.py _route: task.state is State.PARKED",
        "core/step.py _route: task.state is State.BLOCKED",
    ),
    "core/test_step.py::test_an_approval_is_for_exactly_what_was_asked": (
        "core/step.py _answer: event.digest != task.digest",
    ),
    "core/test_step.py::test_it_happened_is_no_answer_to_what_was_never_started": (
        "core/step.py _answer: event.verdict == 'happened'",
    ),
    "core/test_step.py::test_what_comes_too_late_or_too_early_is_refused": (
        "core/step.py _expire: task.state is not State.WAITING or task.expires is None or n...",
        "core/step.py _ended: task.state is not State.STARTED",
    ),
    "core/test_step.py::test_nothing_starts_before_its_time": (
        "core/step.py _start: task.state not in STARTABLE or _too_early(task, now) or task...",
    ),
    "core/test_step.py::test_nothing_starts_without_the_approval_it_needs": (
        "core/step.py _start: event.needs_approval and task.approved is None",
    ),
    "core/test_step.py::test_f62_cancelling": (
        "core/step.py _cancel: task.terminal",
        "core/step.py _cancel: task.state is State.STARTED",
    ),
    "core/test_step.py::test_the_table_is_enforced_when_reading_back": (
        "core/replay.py apply: to is not State.RECEIVED",
        "core/replay.py apply: to not in TRANSITIONS[task.state]",
    ),
    "core/test_step.py::test_results_keep_a_completed_task_until_they_are_delivered": (
        "core/replay.py apply: task.state is not State.COMPLETED or not task.undelivered",
    ),
    "core/test_deliver_path.py::test_paths_that_are_refused": (
        "core/deliver_path.py render: wrong",
        "core/deliver_path.py _component: rendered in ('', '.', '..')",
        "core/deliver_path.py _value: key not in values",
        "core/deliver_path.py _value: any((char in separators for char in value))",
    ),
    "engine/test_names_off_record.py::test_the_files_of_a_lost_task_are_called_by_what_they_are": (
        "engine/engine.py _lost: task is not None and (not task.terminal)",
    ),
    "engine/test_lost_requests.py::test_a_folder_named_like_an_answer_is_foreign_and_holds_up_no_answer": (
        "engine/gestures.py look: is_folder and part.part in GESTURES",
    ),
    "engine/test_on_record.py::test_an_original_is_removed_and_not_taken_again": (
        "engine/on_record.py remove: known is None",
    ),
    "cli/test_config.py::test_adopting_a_copy_pauses_it": ("engine/opening.py open_log: adopt is None",),
    "engine/test_refusals.py::test_f51_tasks_without_a_log_are_refused": (
        "engine/opening.py _begin: orphaned or (suspicious and adopt is None)",
    ),
    "engine/test_refusals.py::test_f44_an_input_that_changed_after_the_yes_is_asked_about_again": (
        "engine/outcomes.py _over: report.result == 'damaged'",
        "engine/work.py _require_input: manifest_sha256(task_files.manifest(payload, kind)) != task....",
    ),
    "engine/test_engine.py::test_a_damaged_task_file_of_a_cut_off_run_does_not_end_the_daemon": (
        "engine/outcomes.py _damaged: always",
    ),
    "engine/test_refusals.py::test_an_input_that_is_gone_is_a_task_that_is_lost": ("engine/strays.py _repair: gone",),
    "engine/test_leftovers.py::test_more_results_than_are_listed_are_checked_as_a_whole": (
        "engine/work.py _on_record: always",
    ),
    "store/test_refusals.py::test_f52_an_input_that_is_not_the_one_on_record_is_not_prepared": (
        "store/attempts.py prepare: manifest_sha256(found) != sha256",
    ),
    "faults/test_audit_log_faults.py::test_f49_a_sync_that_fails_once_ends_it": (
        "store/audit_log.py _require_sound: self._broken",
    ),
    "store/test_audit_log.py::test_a_log_is_never_begun_over_another": ("store/audit_log.py _require_no_log: there",),
    "engine/test_formats.py::test_f66_what_a_newer_deskhand_wrote_is_refused_and_left_alone": (
        "store/audit_recovery.py examine: (version := head_version(folder)) is not None and version > ...",
        "store/audit_recovery.py _refuse_newer: newer is not None",
        "store/audit_replay.py _records: (newer := unknown(record)) is not None",
    ),
    "store/test_audit_recovery.py::test_f51_missing_swapped_and_repeated_lines_are_refused": (
        "store/audit_recovery.py examine: always",
        "store/audit_recovery.py _check_joints: opening is None or opening.type not in OPENING_TYPES or (ope...",
        "store/audit_recovery.py _check_to_head: segment.size < head.offset",
    ),
    "store/test_audit_recovery.py::test_f51_the_whole_log_deleted": (
        "store/audit_recovery.py examine: no_head == 'it is missing'",
        "store/audit_recovery.py examine: not segments",
    ),
    "store/test_audit_recovery.py::test_f51_a_deleted_file_is_refused_and_named": (
        "store/audit_recovery.py _index: always",
        "store/audit_recovery.py _check_joints: segment.fact('previous') != before.name",
    ),
    "store/test_audit_recovery.py::test_f51_a_closed_day_of_another_size_is_refused": (
        "store/audit_recovery.py _check_joints: segment.fact('bytes') != before.size",
    ),
    "store/test_audit_recovery.py::test_with_an_older_head_closed_days_are_read_again": (
        "store/audit_recovery.py _check_closed: walk.link.hash != vouched",
    ),
    "store/test_audit_recovery.py::test_a_head_in_the_middle_of_a_line_is_refused": (
        "store/audit_recovery.py _check_to_head: walk.after is None and (not walk.bad.endswith(b'\\n'))",
        "store/audit_recovery.py _check_to_head: walk.link.seq != head.seq",
    ),
    "store/test_audit_recovery.py::test_f51_a_flipped_bit_at_or_below_the_head_is_refused_with_its_line": (
        "store/audit_recovery.py _check_to_head: walk.bad is not None",
        "store/audit_recovery.py _check_to_head: walk.link != head.link",
        "store/audit_recovery.py _refuse_bad: always",
        "store/audit_recovery.py _refuse: always",
    ),
    "store/test_audit_recovery.py::test_without_a_head_only_an_incomplete_last_line_is_cut": (
        "store/audit_recovery.py _check_newest: walk.lines == 0 or (head is None and whole)",
    ),
    "store/test_audit_log.py::test_a_damaged_snapshot_is_not_used": ("store/audit_replay.py replay: always",),
    "store/test_audit_log.py::test_replay_checks_the_chain_of_what_it_reads": (
        "store/audit_replay.py _records: good < len(batch)",
    ),
    "store/test_claim.py::test_a_routing_folder_swapped_for_a_link_leads_nowhere": (
        "store/claim.py declined: error.errno in NOT_AS_SEEN",
    ),
    "store/test_refusals.py::test_f48_what_an_error_in_reading_a_drop_means_for_it": (
        "store/claim.py declined: error.errno in MAY_PASS",
        "store/claim.py declined: error.errno in (errno.EACCES, errno.EPERM)",
        "store/claim.py declined: error.errno == errno.ENAMETOOLONG",
        "store/claim.py declined: always",
    ),
    "store/test_claim.py::test_f24_a_link_swapped_in_is_not_followed": (
        "store/claim.py _claim: entry.kind is not seen.kind",
    ),
    "store/test_claim.py::test_f26_fifo_socket_and_device_do_not_block": ("store/claim.py _claim: case Kind.SPECIAL",),
    "store/test_refusals.py::test_f12_a_file_that_changed_since_it_was_seen_is_not_taken": (
        "store/claim.py _claim_file: observation(entry) != seen",
    ),
    "store/test_claim.py::test_f16_an_open_writer_postpones": ("store/claim.py _claim_file: held.writer",),
    "store/test_claim.py::test_a_writer_that_comes_during_the_claim_gets_the_file_back": (
        "store/claim.py _move_file: (now.st_dev, now.st_ino, now.st_nlink) != (entry.dev, entry....",
    ),
    "store/test_refusals.py::test_f12_a_folder_that_changed_since_it_was_seen_is_not_taken": (
        "store/claim.py _claim_folder: tree.seen != seen",
    ),
    "store/test_claim.py::test_a_folder_in_which_somebody_writes_waits": ("store/claim.py _claim_folder: writer",),
    "store/test_refusals.py::test_f18_a_folder_that_changes_while_it_is_copied_is_not_taken": (
        "store/claim.py _claim_folder: _survey(batch, folder, place.name, seen).seen != seen",
    ),
    "store/test_deliver.py::test_links_lead_neither_out_of_the_desk_nor_into_the_queue": (
        "store/deliver.py _check: inside and (not folder.is_relative_to(os.path.realpath(desk....",
    ),
    "store/test_deliver.py::test_nothing_is_delivered_into_the_queue_or_the_log": (
        "store/deliver.py _check: any((_same(ancestor, kept) for ancestor in (folder, *folder....",
    ),
    "store/test_deliver.py::test_what_is_not_on_record_is_not_delivered": (
        "store/deliver.py __init__: result.expected is not None and self._sha256 != result.expec...",
    ),
    "store/test_deliver.py::test_what_is_swapped_between_the_check_and_the_copy_is_not_delivered": (
        "store/deliver.py _copy: found != sha256 and self._result.expected is not None",
    ),
    "store/test_deliver.py::test_results_that_are_no_plain_files_are_refused": (
        "store/deliver.py _fingerprint: os.path.islink(os.path.join(where, name))",
        "store/deliver.py _hash: not stat.S_ISREG(path.lstat().st_mode)",
    ),
    "store/test_refusals.py::test_f33_a_description_that_is_too_long_is_refused_before_it_is_read": (
        "store/drop_file.py read: len(data) > DROP_FILE_MAX",
    ),
    "store/test_claim_dropped.py::test_f33_a_malformed_description_is_quarantined_under_a_new_id": (
        "store/drop_file.py read: not is_id(found.id) or found.id != folder",
        "store/drop_file.py read: found.retry_of is not None and (not is_id(found.retry_of))",
        "store/drop_file.py read: found.inbox not in ('drop', 'retry')",
        "store/drop_file.py read: found.origin is not None and (found.inbox != 'retry' or _ORI...",
        "store/drop_file.py read: problems",
        "store/drop_file.py read: original in ('', '.', '..') or '/' in original or '\\x00' in ...",
        "store/drop_file.py _no_duplicates: len(found) != len(pairs)",
    ),
    "store/test_refusals.py::test_f26_a_pipe_where_a_drop_belongs_is_declined": (
        "store/dropped.py take: entry.kind is Kind.SPECIAL",
    ),
    "store/test_claim_dropped.py::test_f33_what_the_command_never_makes_is_quarantined": (
        "store/dropped.py _open: set(names) != {DROP_FILE, PAYLOAD}",
    ),
    "store/test_refusals.py::test_f35_a_payload_of_somebody_else_is_not_believed": (
        "store/dropped.py _claimed: entry.uid != batch.uid",
    ),
    "store/test_claim_dropped.py::test_f33_an_id_on_record_is_not_used_twice": (
        "store/dropped.py _claimed: not free(key_of(about.id))",
    ),
    "store/test_refusals.py::test_f33_a_payload_that_is_not_only_ours_is_not_believed": (
        "store/dropped.py _claimed: not tree.movable or tree.odd is not None",
    ),
    "store/test_refusals.py::test_f33_an_id_that_is_used_already_is_not_believed": (
        "store/dropped.py _claimed: not free(key_of(about.id)) (2)",
    ),
    "store/test_mirror.py::test_f55_a_mirror_from_another_machine": (
        "store/mirror.py check: known.machine != self._machine",
    ),
    "store/test_mirror.py::test_f55_a_copied_desk_beside_its_original": (
        "store/mirror.py check: original is not None",
    ),
    "store/test_mirror.py::test_f55_a_desk_rolled_back_to_an_older_copy": (
        "store/mirror.py check: (reason := _behind(known, link, hash_at)) is not None",
    ),
    "store/test_mirror.py::test_f55_a_log_that_is_gone": (
        "store/mirror.py _check_no_log: always",
        "store/mirror.py _check_unknown: here",
    ),
    "store/test_mirror.py::test_f55_a_history_that_nothing_remembers": ("store/mirror.py _check_unknown: always",),
    "store/test_audit_log.py::test_f55_a_log_file_that_is_not_ours_any_more": (
        "store/open_segment.py require_ours: (status.st_dev, status.st_ino) != self._identity",
    ),
    "store/test_audit_log.py::test_f55_another_writer_is_noticed_before_the_next_write": (
        "store/open_segment.py require_ours: status.st_size != self.size",
    ),
    "store/test_recipes.py::test_nothing_runs_before_the_log_was_asked": (
        "store/recipes.py _check_recorded: pin not in self.current.pins",
    ),
    "store/test_recipes.py::test_a_version_recorded_twice_with_different_contents_is_damaged": (
        "store/recipes.py _check_recorded: len(others) > 1",
    ),
    "store/test_recipes.py::test_a_changed_file_never_runs": ("store/recipes.py _verified: sha256(data) != expected",),
    "store/test_requests.py::test_a_request_that_is_gone_with_its_copy_is_said_to_be_gone": (
        "store/requests.py asked: data is None",
    ),
    "store/test_refusals.py::test_a_kept_request_that_somebody_changed_is_not_shown_as_what_was_asked": (
        "store/requests.py asked: hashlib.sha256(data).hexdigest() != digest",
    ),
    "store/test_claim.py::test_a_source_that_was_replaced_is_not_removed": (
        "store/sources.py remove: not _same(folder, path, entry, source, sha256)",
    ),
    "store/test_copied_folder.py::test_another_folder_with_the_same_files_is_a_new_drop": (
        "store/sources.py _remove_folder: entry.ino != source.ino",
    ),
    "store/test_claim.py::test_a_copied_folder_keeps_what_came_later": (
        "store/sources.py _remove_folder: copied is None",
    ),
    "store/test_copied_folder.py::test_a_file_that_somebody_changed_makes_it_a_new_drop": (
        "store/sources.py _remove_folder: doomed is None",
    ),
    "store/test_claim.py::test_a_folder_with_a_foreign_hard_link_is_copied": (
        "store/sources.py _remove_folder: always",
    ),
    "store/test_refusals.py::test_a_description_that_is_not_the_one_on_record_is_not_believed": (
        "store/task_files.py read: hashlib.sha256(data).hexdigest() != sha256",
    ),
    "store/test_refusals.py::test_a_link_that_was_put_into_an_input_is_noticed": (
        "store/task_files.py manifest: odd is not None",
    ),
    "store/test_together.py::test_a_filesystem_that_does_not_report_is_never_synced_as_a_whole": (
        "store/together.py sync_everything: self._fd is None",
    ),
    "store/test_together.py::test_f49_a_failed_sync_is_never_tried_again": (
        "store/together.py sync_everything: self._failed",
    ),
    "engine/test_backing.py::test_what_does_not_read_back_gets_no_name": (
        "engine/archiving.py verify: strange or found.more_problems",
    ),
    "engine/test_drill.py::test_a_desk_that_knows_other_tasks_is_no_proof": ("engine/drill.py _open_beside: keys",),
    "engine/test_drill.py::test_a_desk_whose_finished_work_is_changed_is_no_proof": (
        "engine/drill.py _find_canary: manifest_sha256(task_files.manifest(place.folder / described...",
    ),
    "engine/test_drill.py::test_damage_is_done_and_has_to_be_found": ("engine/drill.py _damaged: always",),
    "store/test_archive_check.py::test_the_log_in_it": (
        "store/archive_check.py read_log: found is not None and found != head",
        "store/archive_check.py read_log: result.errors",
        "store/archive_check.py read_log: result.beyond_head or result.loose_bytes",
    ),
    "store/test_archive_check.py::test_facts_that_do_not_agree": (
        "store/archive_check.py read_log: (result.last_seq, result.head, result.log_id) != (said.seq, ...",
    ),
    "store/test_archive_check.py::test_a_file_that_is_not_the_one_in_the_manifest": (
        "store/archive_read.py blocks: name in self.manifest and digest.hexdigest() != self.manifes...",
    ),
    "store/test_archive_check.py::test_what_is_no_whole_desk_is_not_made_one": (
        "store/restore_folder.py unpack_beside: archive.facts.only is not None",
        "store/restore_folder.py _verified: always",
    ),
    "store/test_archive_read.py::test_f70_names_that_lead_elsewhere_or_are_twins": (
        "store/archive_read.py _read_index: (reason := entry_names.fault(entry.name)) is not None",
        "store/archive_read.py _read_index: (pair := entry_names.twins([entry.name for entry in entries]...",
        "store/archive_read.py _read_index: not name.startswith((DATA, AUDIT)) and name not in (FACTS_NA...",
    ),
    "store/test_archive_read.py::test_f70_a_bomb": (
        "store/archive_read.py _read_index: total > RATIO_FREE + RATIO * self.size",
    ),
    "store/test_archive_read.py::test_large_sizes_where_they_are": (
        "store/archive_read.py _read_index: name not in self.entries",
    ),
    "store/test_archive_read.py::test_f70_what_is_too_much_is_not_read": (
        "store/archive_read.py _read_index: end.entries > ENTRIES_MAX or end.size > INDEX_MAX",
        "store/archive_read.py _whole: entry.size > ABOUT_MAX",
    ),
    "store/test_archive_read.py::test_f70_entries_that_the_manifest_does_not_have": (
        "store/archive_read.py _check_manifest: always",
        "store/archive_read.py _check_manifest: always (2)",
    ),
    "store/test_archive_read.py::test_f70_a_manifest_that_is_odd": (
        "store/archive_read.py _check_manifest: hashlib.sha256(about[FACTS_NAME]).hexdigest() != self.manife...",
        "store/archive_read.py _manifest: lines.pop()",
        "store/archive_read.py _manifest: match is None or match[2] in found",
    ),
    "store/test_archive_read.py::test_f70_facts_that_are_not_so": (
        "store/archive_read.py _check_facts: len(counted) != facts.entries",
        "store/archive_read.py _check_facts: entry.mode not in allowed",
        "store/archive_read.py _check_facts: name not in self.entries",
    ),
    "store/test_archive_read.py::test_f70_an_entry_that_goes_on_behind_its_size": (
        "store/archive_read.py _check_facts: total != facts.bytes",
    ),
    "store/test_archive_read.py::test_f70_facts_that_lead_elsewhere": (
        "store/archive_read.py _check_facts: name not in self.entries or _MODE.match(mode) is None",
        "store/archive_read.py _real_paths: (reason := entry_names.path_fault(path)) is not None",
        "store/archive_read.py _real_paths: not name.startswith(DATA) or not path.startswith(DATA)",
        "store/archive_read.py _real_paths: not folder.startswith(DATA) or entry_names.fault(folder) is ...",
        "store/archive_read.py _real_paths: above in taken",
    ),
    "store/test_archive_read.py::test_f70_an_entry_with_another_length_than_it_says": (
        "store/archive_read.py _unpacked: done > entry.size",
        "store/archive_read.py _unpacked: done != entry.size or crc != entry.crc",
    ),
    "store/test_archive_read.py::test_f70_something_behind_the_end_of_what_is_packed": (
        "store/archive_read.py _inflated: not inflate.eof or inflate.unused_data",
    ),
    "store/test_archive_read.py::test_f70_two_names_for_one_file": (
        "store/archive_read.py _real_paths: len(set(paths)) != len(paths)",
    ),
    "store/test_archive_read.py::test_no_file_or_an_encrypted_one": (
        "store/archive_read.py open_archive: not stat.S_ISREG(os.fstat(fd).st_mode)",
    ),
    "store/test_audit_pack.py::test_a_file_that_is_not_what_was_closed_is_not_packed": (
        "store/audit_pack.py _pack: (found.bytes, found.sha256) != (one.bytes, one.sha256)",
    ),
    "store/test_audit_pack.py::test_what_does_not_unpack_to_the_same_bytes_gets_no_name": (
        "store/audit_pack.py _pack: not _same(path, partial, stop)",
    ),
    "store/test_audit_pack.py::test_the_newest_file_packed_by_hand_is_refused": (
        "store/audit_recovery.py _check_newest: segment.packed",
    ),
    "store/test_audit_pack.py::test_a_cut_file_is_not_read_for_ever": ("store/packed.py _next: not block",),
    "store/test_audit_pack.py::test_a_spoiled_packed_file_is_named_and_nothing_is_started": (
        "store/packed.py _next: not data and (self._inflate.unused_data or self._raw.read(1)...",
    ),
}
"""Test -> the checks without which it fails."""
NOTICED = {name: test for test, names in NOTICED_BY.items() for name in names}
HOLDS_FOR = {
    "core/step.py step: case Reask()": (
        "core/step.py _reask: task.pin is None",
        "engine/answers.py _asked_anew: task.pin is None",
    ),
    "core/step.py _answer: event.digest != task.digest": ("core/step.py _answer: task.state not in ASKING",),
    "core/replay.py apply: to not in TRANSITIONS[task.state]": ("core/replay.py apply: to is None",),
    "core/step.py _start: task.state not in STARTABLE or _too_early(task, now) or task...": (
        "engine/work.py _recipe: task.pin is None",
        "engine/work.py _python: pin is None",
    ),
    "store/attempts.py prepare: manifest_sha256(found) != sha256": (
        "store/attempts.py _copy_file: not stat.S_ISREG(found.st_mode)",
    ),
    "store/audit_recovery.py _check_joints: opening is None or opening.type not in OPENING_TYPES or (ope...": (
        "store/audit_log.py open: not isinstance(log_id, str)",
    ),
    "store/audit_recovery.py _check_joints: segment.fact('previous') != before.name": (
        "store/audit_recovery.py _check_joints: segment.opening is None or segment.opening.type != 'segment....",
    ),
    "store/audit_recovery.py _check_closed: walk.link.hash != vouched": (
        "store/audit_recovery.py _check_joints: (segment.fact('first_seq'), segment.fact('last_seq')) != (be...",
        "store/audit_recovery.py _check_closed: walk.bad is not None",
        "store/audit_recovery.py _check_newest: segment.start != link",
    ),
    "store/audit_recovery.py _refuse_bad: always": ("store/audit_recovery.py _refuse_bad: _chains(walk)",),
    "store/drop_file.py read: len(data) > DROP_FILE_MAX": (
        "store/dropped.py _description: entry.kind is not Kind.FILE or entry.size > DROP_FILE_MAX",
    ),
    "store/archive_read.py _inflated: not inflate.eof or inflate.unused_data": (
        "store/archive_read.py _inflated: inflate.eof",
    ),
}
"""Check that is noticed -> those without which it still refuses the same."""
HELD_BY = {name: holder for holder, names in HOLDS_FOR.items() for name in names}
TOGETHER = {
    "a file that changes while it is copied": (
        (
            "store/claim.py _copy_file: not _still(folder, entry)",
            "store/claim_copy.py copy_file: done != entry.size or entry_of(entry.name, os.fstat(fd)) != ...",
        ),
        "store/test_claim.py::test_f18_a_source_that_changes_while_it_is_copied_is_not_yet",
    ),
}
"""Two checks of the same thing, of which one is enough -> what fails without both."""
HARMLESS = {
    "it only says that a drop is left where it is": ("engine/intake.py _leftover: always",),
    "in a dry run nothing is started; this says so": ("engine/starting.py _start: self._settings.dry_run",),
    "without a daemon nothing looks at itself; this says so": ("engine/commands.py _health: self._look is None",),
    "what is refused is not taken either way; this says why": ("engine/waiting.py _judge: case Refuse(reason)",),
    "then it is copied, and a copy of what changes is refused": ("store/claim.py _move_folder: always",),
    "msgspec takes no NaN either; this says which word it was": ("store/drop_file.py _no_constant: always",),
    "what is no folder cannot be looked into, and is quarantined for that": (
        "store/dropped.py _claimed: entry.kind is not Kind.FOLDER",
    ),
    "asked for recipes with code only": ("store/recipes.py code: pin.code_sha256 is None",),
}
"""Why nothing is lost, doubled, run or hidden without a check -> the checks."""
PROTECTIONS = "faults/test_protections_matter.py::test_with_the_protection_all_is_well"
Text = tuple[str, str, str, str]
"""File, function, what it says, and what it says instead."""
CONDITIONS: dict[str, tuple[Text, str]] = {
    "a file with a second name is not renamed": (
        ("store/claim.py", "_ours", "entry.nlink == 1", "True"),
        "store/test_claim.py::test_f25_a_file_with_a_second_name_is_copied_and_the_other_name_untouched",
    ),
    "nothing is renamed out of a polled inbox": (
        ("store/claim.py", "_ours", "not place.copy_only", "True"),
        "store/test_claim.py::test_a_polled_inbox_is_copied_and_its_source_removed_only_when_told",
    ),
    "the lease is asked for again after the rename": (
        ("store/claim.py", "_quiet", "held.intact()", "True"),
        "store/test_claim.py::test_a_writer_that_comes_during_the_claim_gets_the_file_back",
    ),
    "a source is removed only if it is what was copied": (
        ("store/sources.py", "_same", "found == source or", "True or"),
        "store/test_claim.py::test_a_source_that_was_replaced_is_not_removed",
    ),
    "a folder that is copied is walked again": (
        ("store/claim.py", "_move_folder", "if calm and", "if"),
        "store/test_claim.py::test_a_folder_that_changes_during_the_claim_is_given_back",
    ),
    "a yes is for the bytes that were asked": (
        (
            "engine/gestures.py",
            "Gestures._yes",
            "data is not None and hashlib.sha256(data).hexdigest() == task.digest",
            "data is not None",
        ),
        "engine/test_refusals.py::test_f38_an_edited_request_is_no_yes",
    ),
    "a yes after the expiry is void": (
        ("core/step.py", "_answer", "now >= task.expires", "False"),
        "core/test_step.py::test_f39_after_the_expiry_a_yes_is_void",
    ),
    "a yes does not survive another question": (
        (
            "core/replay.py",
            "_changes",
            '"approved": None if to is State.WAITING else task.approved',
            '"approved": task.approved',
        ),
        "core/test_step.py::test_an_approval_does_not_survive_asking_again",
    ),
    "what was proved is proved again when the file is another": (
        ("store/recipes.py", "Recipes.get", "cached.identity == _identity(cached.paths)", "True"),
        "store/test_recipes.py::test_a_changed_file_never_runs",
    ),
    "a snapshot is the one on record": (
        ("store/audit_replay.py", "read_snapshot", "sha256(data).hexdigest() == digest", "True"),
        "store/test_audit_log.py::test_a_damaged_snapshot_is_not_used",
    ),
    "the log is looked at before each write": (
        ("store/open_segment.py", "OpenSegment.append", "self.require_ours()", "pass"),
        "store/test_audit_log.py::test_f55_another_writer_is_noticed_before_the_next_write",
    ),
    "the desk's folder is locked": (
        ("store/lock.py", "DeskLock._lock_both", "_flock(folder)", "pass"),
        "store/test_lock.py::test_f55_lock_file_gone_while_held",
    ),
    "a rename never replaces": (
        ("store/files.py", "Files.rename", "RENAME_NOREPLACE", "0"),
        "store/test_deliver.py::test_a_name_taken_at_the_last_moment_is_not_overwritten",
    ),
    "only the same bytes count as delivered": (
        ("store/deliver.py", "_Delivery._is_there", "_fingerprint(path) == (sha256, size)", "True"),
        "store/test_deliver.py::test_nothing_is_ever_overwritten",
    ),
    "a name that another result got is not given again": (
        ("store/deliver.py", "_Delivery.to", "if name in taken:", "if False:"),
        "store/test_deliver.py::test_two_results_that_want_one_name_both_arrive",
    ),
    "what is no task of the log is set aside": (
        ("engine/strays.py", "Strays._counted", "return key in self._ledger.ended", "return True"),
        "faults/test_records_matter.py::test_with_the_record_all_is_well[foreign.found]",
    ),
    "what may have run elsewhere is asked about": (
        ("engine/starting.py", "Starting._may_have_run", "return ADOPTED", "return None"),
        "faults/test_records_matter.py::test_with_the_record_all_is_well[desk.adopted]",
    ),
    "an older copy of the desk is refused": (
        ("store/mirror.py", "_behind", "if link.seq < known.seq:", "if False:"),
        f"{PROTECTIONS}[mirror of the head checked]",
    ),
    "an attempt that was cut off is not simply made again": (
        ("engine/outcomes.py", "Outcomes._over", "recipe.idempotent or recipe.kind", "True or recipe.kind"),
        f"{PROTECTIONS}[a run that was cut off is asked about]",
    ),
    "nothing expires by a clock that nobody confirmed": (
        ("engine/engine.py", "Engine._expire", "if not self.ledger.book.clock_unconfirmed:", "if True:"),
        "faults/test_records_matter.py::test_with_the_record_all_is_well[log.clock_step]",
    ),
}
"""What holds -> the text that holds it and what that becomes, and the test that fails then."""


AS_IT_IS = "nothing is changed"


def changes() -> list[Change]:
    """Everything that is tried, and all the tests once as things are."""
    found = [Change(name, (test,), checks=(name,)) for name, test in NOTICED.items()]
    found += [Change(name, (test,), checks=both) for name, (both, test) in TOGETHER.items()]
    found += [Change(name, (test,), text=(text,)) for name, (text, test) in CONDITIONS.items()]
    return [Change(AS_IT_IS, sorted({test for change in found for test in change.tests})), *found]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What was noticed; empty: nothing was."""
    return mutated.notice(changes(), tmp_path_factory.mktemp("checks"))


def test_every_check_is_judged() -> None:
    apart = [*HARMLESS.values(), *(both for both, _ in TOGETHER.values())]
    judged = [*NOTICED, *HELD_BY, *(name for names in apart for name in names)]
    assert set(judged) == checks().keys()
    assert len(judged) == len(set(judged))
    assert set(HELD_BY.values()) <= NOTICED.keys()


def test_with_all_checks_nothing_is_noticed(said: dict[str, str]) -> None:
    assert not said[AS_IT_IS]


@pytest.mark.parametrize("name", [*NOTICED, *TOGETHER, *CONDITIONS])
def test_without_the_check_it_is_noticed(said: dict[str, str], name: str) -> None:
    if "_claimed: entry.uid" in name and os.geteuid() != 0:
        pytest.skip("only root can make files of others")
    assert said[name], f"{name} was taken out, and nothing was noticed"
    assert "LookupError" not in said[name]
    print(said[name])
