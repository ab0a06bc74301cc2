"""The client for programs with an event loop, and the source of the other one.

What waits is written here once, with ``await``; ``make client`` makes the modules of the same
names in `mavis_kernel` from it, which block.
"""
