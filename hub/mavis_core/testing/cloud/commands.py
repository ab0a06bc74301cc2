"""Commands inside the instances of the in-memory cloud: plain callables of a test."""

from __future__ import annotations

from collections.abc import Sequence

from mavis_core.contract import CommandResult
from mavis_core.errors import CloudVanished
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.instances import groups_of
from mavis_core.testing.cloud.things import FakeCommand, FakeInstance

__all__ = ["FakeCommands"]


class FakeCommands:
    """Fulfils `mavis_core.contract.Commands`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def reachable(self, region: str, instance_ids: Sequence[str]) -> frozenset[str]:
        def effect() -> frozenset[str]:
            return frozenset(one for one in instance_ids if self._answering(region, one))

        arguments = {"instance_ids": tuple(instance_ids)}
        return self._door.call("commands.reachable", region, arguments, effect)

    def _answering(self, region: str, instance_id: str) -> FakeInstance | None:
        """Return an instance whose agent answers, or None."""
        cloud = self._door.cloud
        one = cloud.instances.get(instance_id)
        if one is None or not self._door.here(region, one) or not cloud.shows(instance_id):
            return None
        isolated = any(group in cloud.groups for group in groups_of(one))
        answers = one.agent and one.state == "running" and (cloud.isolated_agents or not isolated)
        return one if answers else None

    def send(
        self, region: str, instance_id: str, script: str, *, timeout_s: int, comment: str
    ) -> str:
        cloud = self._door.cloud

        def effect() -> str:
            instance = self._answering(region, instance_id)
            if instance is None:
                raise CloudVanished(f"No agent answers in instance {instance_id} in {region}")
            made = FakeCommand(cloud.new_id("cmd"), instance_id, script, timeout_s, comment)
            if instance.runs is not None:
                made.result = instance.runs(made)
            cloud.commands[made.id] = made
            return made.id

        arguments = {"instance_id": instance_id, "script": script, "timeout_s": timeout_s}
        return self._door.call("commands.send", region, arguments | {"comment": comment}, effect)

    def result(self, region: str, instance_id: str, command_id: str) -> CommandResult:
        cloud = self._door.cloud

        def effect() -> CommandResult:
            found = cloud.commands.get(command_id)
            if found is None or found.instance_id != instance_id or not cloud.shows(command_id):
                raise CloudVanished(f"Gone in {region}: command {command_id} on {instance_id}")
            return found.result

        arguments = {"instance_id": instance_id, "command_id": command_id}
        return self._door.call("commands.result", region, arguments, effect)
