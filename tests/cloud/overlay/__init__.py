"""The part of AWS that protection depends on, done right: it stands in front of moto.

It owns instances, volumes, snapshots, images, networks, tags (`ec2`), blocks (`ebs`), keys (`kms`)
and commands (`ssm`), all of them in one SQLite file, so that a simulator that is started again with
the same file shows the same cloud. Whatever it does not know goes to moto.

*Thing*: a row that has an id, an account and a region. *Ask*: an operation's input as botocore's
model of the service names it; the answer is a plain dictionary of its output shape. *Call*: who
asks, where, when, under which fate. States are never written by a clock of their own: a thing knows
when it will be ready or gone, and its state is read off the time.
"""

from cloud.overlay.cloud import Answer, Overlay, Request
from cloud.overlay.context import Fate, Settings

__all__ = ["Answer", "Fate", "Overlay", "Request", "Settings"]
