"""The table of what can be asked of the in-memory cloud."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ACTIONS"]

# Every action, with the group of calls that it belongs to
ACTIONS: Mapping[str, str] = {
    "connect": "read",
    "inventory.discover": "read",
    "power.start": "write",
    "power.stop": "write",
    "tags.put": "write",
    "snapshots.create": "snapshot",
    "snapshots.find": "read",
    "snapshots.describe": "read",
    "snapshots.all": "read",
    "snapshots.delete": "delete",
    "copies.share": "write",
    "copies.unshare": "write",
    "copies.copy": "copy",
    "locks.lock": "write",
    "locks.unlock": "write",
    "locks.locks": "read",
    "volumes.create": "launch",
    "volumes.find": "read",
    "volumes.describe": "read",
    "volumes.attach": "write",
    "volumes.detach": "write",
    "volumes.delete": "delete",
    "instances.launch": "launch",
    "instances.clean": "delete",
    "instances.find": "read",
    "instances.describe": "read",
    "instances.terminate": "delete",
    "networks.isolate": "write",
    "networks.find": "read",
    "networks.remove": "delete",
    "commands.reachable": "command",
    "commands.send": "command",
    "commands.result": "command",
    "blocks.layout": "block",
    "blocks.blocks": "block",
    "blocks.changed": "block",
    "blocks.read": "block",
}
