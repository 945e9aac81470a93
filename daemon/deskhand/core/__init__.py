"""What deskhand decides, without touching anything: no disk, no clock, no threads.

Everything here is a pure function of its arguments or a frozen value.  Time is an argument (seconds since the epoch,
or nanoseconds of a monotonic clock where the name says so), randomness is an argument, bytes are an argument.
"""
