"""The fault matrix of protection: every call to the cloud, times everything that may go wrong.

*Scenario*: a world that is made once, and one Run in it (with those that follow it). *Clean run*:
the scenario without a fault; the calls that the simulator saw then are one side of the matrix, so
a call that somebody adds later is in it by itself. *Fault*: the other side. *Case*: one call of
one scenario meeting one fault. *Lane*: a simulator with a folder, in which cases run one after the
other. *Attempt*: a process that takes up what is due; kill -9 ends it, and the next one goes on.
*Aftermath*: a day later, reconciliation and retention have looked. *Judge*: asks the cloud, by
plain boto3 and by the simulator's own log, whether what Mavis says of it is true.
"""
