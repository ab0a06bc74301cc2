"""The SSH side of the gateway: from an `Endpoint` to what runs on a device, with paramiko.

*Target*: a connection to a device, logged in. *Stream*: one channel of it: a shell, a command, a
subsystem, or a connection to a port of the device. All of it blocks, and belongs into threads.
"""

from mavis_core.remote.ssh.connecting import connect, scan
from mavis_core.remote.ssh.credentials import check_credential, fingerprint, public_line
from mavis_core.remote.ssh.rotation import Step, rotate
from mavis_core.remote.ssh.target import BULK_WINDOW, TERMINAL_WINDOW, Exit, Stream, Target
from mavis_core.remote.ssh.wire import PIECE

__all__ = [
    "BULK_WINDOW",
    "PIECE",
    "TERMINAL_WINDOW",
    "Exit",
    "Step",
    "Stream",
    "Target",
    "check_credential",
    "connect",
    "fingerprint",
    "public_line",
    "rotate",
    "scan",
]
