"""The AWS of the tests and of the try-out: faults and a log, before our own cloud and moto.

*Simulator*: the server process. *Overlay*: the part of AWS that protection depends on, done right;
moto has the rest. *Oracle*: the log of every call, which no fault falsifies. *Fault*: what goes
wrong with which calls of an action, or with what they make. *Witness*: a client of its own that
counts what is there. *World*: what `seed` makes.
"""
