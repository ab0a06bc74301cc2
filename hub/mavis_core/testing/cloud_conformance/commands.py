"""Promises of commands inside instances."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

import pytest

from mavis_core.contract import CommandResult, Commands, CommandState, Connection
from mavis_core.errors import CloudVanished
from mavis_core.testing.cloud_bench import Bench
from mavis_core.testing.cloud_conformance.promises import Promises, eventually

__all__ = ["CommandPromises"]

_GONE = "i-0123456789abcdef0"


class CommandPromises(Promises):
    """What `Commands` promises."""

    def test_agents_answer_in_instances_that_run(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        one = bench.launch(region, "web-1", (8,), {})
        other = bench.launch(region, "web-2", (8,), {})
        ids = [one.id, other.id, _GONE]
        eventually(lambda: connection.commands.reachable(region, ids) == {one.id, other.id})
        connection.power.stop(region, other.id)
        eventually(lambda: connection.commands.reachable(region, ids) == {one.id})
        assert connection.commands.reachable(region, []) == frozenset()

    @pytest.mark.parametrize(
        ("script", "state", "exit_code", "said"),
        [
            pytest.param("echo hello", CommandState.SUCCEEDED, 0, ["hello"], id="success"),
            pytest.param("echo no >&2; exit 3", CommandState.FAILED, 3, ["no"], id="failure"),
            pytest.param(
                "for n in 1 2; do\n  echo line $n\ndone\necho end >&2",
                CommandState.SUCCEEDED,
                0,
                ["line 1", "line 2", "end"],
                id="lines and both streams",
            ),
        ],
    )
    def test_a_script_runs_and_says_how_it_ended(
        self,
        connection: Connection,
        bench: Bench,
        region: str,
        script: str,
        state: CommandState,
        exit_code: int,
        said: list[str],
    ) -> None:
        instance_id = _instance(connection, bench, region)
        command = connection.commands.send(
            region, instance_id, script, timeout_s=30, comment="conformance"
        )
        result = _ended(connection.commands, region, instance_id, command)
        assert (result.state, result.exit_code) == (state, exit_code)
        for words in said:
            assert words in result.output

    def test_a_script_that_takes_too_long_is_ended(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        instance_id = _instance(connection, bench, region)
        command = connection.commands.send(
            region, instance_id, "echo begun; sleep 60", timeout_s=1, comment="conformance"
        )
        result = _ended(connection.commands, region, instance_id, command)
        assert (result.state, result.exit_code) == (CommandState.TIMED_OUT, None)

    def test_where_no_agent_answers_nothing_is_sent(
        self, connection: Connection, region: str
    ) -> None:
        with pytest.raises(CloudVanished, match=_GONE):
            connection.commands.send(region, _GONE, "true", timeout_s=30, comment="conformance")

    def test_a_command_that_nobody_sent_is_unknown(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        instance_id = _instance(connection, bench, region)
        unknown = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(CloudVanished, match=unknown):
            connection.commands.result(region, instance_id, unknown)


def _instance(connection: Connection, bench: Bench, region: str) -> str:
    """Return an instance whose agent answers."""
    made = bench.launch(region, "web-1", (8,), {}).id
    eventually(lambda: made in connection.commands.reachable(region, [made]))
    return made


def _ended(commands: Commands, region: str, instance_id: str, command: str) -> CommandResult:
    def look() -> CommandResult | None:
        try:
            result = commands.result(region, instance_id, command)
        except CloudVanished:  # it was sent just now
            return None
        return None if result.state is CommandState.RUNNING else result

    return eventually(look)
