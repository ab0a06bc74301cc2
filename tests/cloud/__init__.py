"""The AWS of the tests and of the try-out: moto in server mode behind faults and a log.

*Simulator*: the server process. *Oracle*: its log of every call, which no fault falsifies.
*Fault*: what goes wrong with the next calls of one action. *Witness*: a client of its own that
counts what is there. *World*: what `seed` makes.
"""
