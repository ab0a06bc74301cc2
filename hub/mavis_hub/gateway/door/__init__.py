"""The front door: an SSH server, through which people reach devices with their own clients.

*Connection*: of one client, as one person, to one device. *Channel*: what runs in it: a shell, a
command, SFTP, a forwarded port; each is a session, recorded by itself. The door logs in to the
device with the key of the access service, and passes on what either side says. `ports` is what it
asks of the rest of Mavis.
"""

from mavis_hub.gateway.door.door import Door, Limits

__all__ = ["Door", "Limits"]
