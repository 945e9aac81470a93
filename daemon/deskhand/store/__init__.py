"""The disk.  Nothing outside this package writes a file of the desk, and only ``files`` renames, replaces or syncs."""
