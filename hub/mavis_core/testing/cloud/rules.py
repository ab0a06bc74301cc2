"""The usual ways in which a call goes wrong, as rules of `FakeCloud.rules`."""

from __future__ import annotations

from collections.abc import Callable

from mavis_core.contract import CommandResult
from mavis_core.errors import CloudError, CloudUnreachable
from mavis_core.testing.cloud.state import Call, Rule

__all__ = [
    "broken",
    "command_ends",
    "during",
    "invisible",
    "lose_reply",
    "refuse",
    "throttle",
    "vanishing",
]


def refuse(action: str, error: CloudError, *, region: str | None = None, times: int = 1) -> Rule:
    """Let the next calls fail with `error` and have no effect."""

    def fail(_: Call) -> None:
        raise error

    return Rule(action, region, before=fail, times=times)


def lose_reply(action: str, *, region: str | None = None, times: int = 1) -> Rule:
    """Let the next calls have their effect, and the caller not hear of it."""

    def fail(call: Call) -> None:
        raise CloudUnreachable(f"The answer to {call.action} in {call.region} was lost")

    return Rule(action, region, after=fail, times=times)


def during(
    action: str, act: Callable[[Call], None], *, region: str | None = None, times: int = 1
) -> Rule:
    """Let `act` happen between the call's arrival and its effect: a change, a delay, a kill."""
    return Rule(action, region, before=act, times=times)


def throttle(action: str, *, wait_s: float = 1.0, times: int = 1) -> Rule:
    """Let the next call be refused `times` times and tried again; ``on_wait`` is told."""
    return Rule(action, wait_s=wait_s, times=times)


def invisible(action: str, *, looks: int = 1, region: str | None = None, times: int = 1) -> Rule:
    """Let `looks` calls not see what the next call makes, as clouds do in the first seconds."""

    def hide(call: Call) -> None:
        for made in call.made:
            call.cloud.hide(made, looks)

    return Rule(action, region, after=hide, times=times)


def vanishing(action: str, *, region: str | None = None, times: int = 1) -> Rule:
    """Let what the next call makes disappear right after the answer."""

    def remove(call: Call) -> None:
        for made in call.made:
            call.cloud.vanish(made)

    return Rule(action, region, after=remove, times=times)


def broken(
    action: str, message: str = "it broke", *, region: str | None = None, times: int = 1
) -> Rule:
    """Let what the next call makes be given up: an error, or an instance that is impaired."""

    def give_up(call: Call) -> None:
        cloud = call.cloud
        for made in call.made:
            if made in cloud.snapshots or made in cloud.volumes or made in cloud.instances:
                cloud.fail(made, message)

    return Rule(action, region, after=give_up, times=times)


def command_ends(result: CommandResult, *, region: str | None = None, times: int = 1) -> Rule:
    """Let the next command that is sent end so, whatever its script says."""

    def end(call: Call) -> None:
        for made in call.made:
            call.cloud.commands[made].result = result

    return Rule("commands.send", region, after=end, times=times)
