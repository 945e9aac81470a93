"""The deciding: one thread that scans, decides in batches, records, and only then acts.

``tick`` reads what happened since the last one (drops, gestures, ended attempts, commands, time), lets ``core.step``
decide, appends every record, syncs the log once, and then moves files and starts attempts.  Everything else - watching,
claiming, running, scheduling - happens on other threads that hand in facts and ring the bell.
"""
