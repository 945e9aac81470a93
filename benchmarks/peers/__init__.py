"""The contenders of ``side_by_side.py``: deskhand, its peers, a script, and the limit of the design.

One file per contender behind :class:`peers.contender.Contender`.  What runs in a consumer or producer of its own is in
``programs/`` and imports nothing of the product: the peers have an environment of their own (``make bench-peers``).
One part of the measurement per file (rounds, syncs, resting, starts, kills); ``comparison`` makes the table.
"""
