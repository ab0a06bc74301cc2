"""SSM: which instances take commands, and ``AWS-RunShellScript`` on them.

Every instance that runs has an agent. Looser than AWS: it needs no instance profile.
"""

from __future__ import annotations

import time
import uuid
from functools import partial
from typing import Any

from cloud.overlay import instances
from cloud.overlay.context import Action, Ask, Call, Reply
from cloud.overlay.refusals import Refusal
from cloud.overlay.selecting import Selection
from cloud.overlay.shell import Outcome, Script
from cloud.overlay.store import Store
from cloud.overlay.things import Command, Instance, Invocation
from cloud.overlay.wire import iso

_DOCUMENT = "AWS-RunShellScript"
_PLUGIN = "aws:runShellScript"
_OUTPUT_MOST, _ERROR_MOST = 24_000, 8_000
_DEFAULT_S = 3600
_OPEN = ("Pending", "InProgress")
_RUNNING = "CASE WHEN turns <= {now} THEN later ELSE sooner END = 'running'"
_FILTERS = {
    "InstanceIds": "id",
    "PingStatus": f"CASE WHEN {_RUNNING} THEN 'Online' ELSE 'ConnectionLost' END",
    "PlatformTypes": "'Linux'",
    "ResourceType": "'EC2Instance'",
}


def describe_information(call: Call, ask: Ask) -> Reply:
    """Show what runs and what has run; what is terminated is forgotten."""
    selection = Selection(call, call.store.table(Instance), _FILTERS, "InstanceIds")
    asked = [(each["Key"], each["Values"]) for each in ask.get("Filters", ())]
    asked += [
        (each["key"], each["valueSet"]) for each in ask.get("InstanceInformationFilterList", ())
    ]
    for name, values in asked:
        if name not in _FILTERS and not name.startswith("tag:"):
            raise Refusal("InvalidFilterKey", f"The filter {name} is not valid")
        selection.filters([{"Name": name, "Values": values}])
    selection.here()
    selection.where("later <> 'terminated' AND NOT (sooner = 'pending' AND turns > ?)", call.now)
    found, token = selection.page(ask)
    return {"InstanceInformationList": [_agent(call, one) for one in found], "NextToken": token}


def send_command(call: Call, ask: Ask) -> Reply:
    if ask.get("DocumentName") != _DOCUMENT:
        raise Refusal("InvalidDocument", f"Document {ask.get('DocumentName')} does not exist.")
    parameters: dict[str, Any] = dict(ask.get("Parameters") or {})
    if not parameters.get("commands"):
        raise Refusal("InvalidParameters", "The parameter commands is missing")
    command = Command(
        id=str(uuid.uuid4()),
        **call.origin,
        document=_DOCUMENT,
        comment=ask.get("Comment", ""),
        parameters=parameters,
        timeout=ask.get("TimeoutSeconds", _DEFAULT_S),
        instances=tuple(_targets(call, ask)),
    )
    call.store.table(Command).insert(call, command)
    for one in command.instances:
        _invoke(call, command, one)
    return {"Command": _command(call, command)}


def get_invocation(call: Call, ask: Ask) -> Reply:
    found = _invocation(call, ask["CommandId"], ask["InstanceId"])
    if ask.get("PluginName") not in (None, _PLUGIN):
        raise Refusal("InvalidPluginName", "There is no such plugin")
    began = found.began or None
    return {
        "CommandId": found.command,
        "InstanceId": found.instance,
        "Comment": "",
        "DocumentName": _DOCUMENT,
        "DocumentVersion": "$DEFAULT",
        "PluginName": _PLUGIN,
        "ResponseCode": found.code,
        "ExecutionStartDateTime": iso(began) if began else "",
        "ExecutionElapsedTime": f"PT{found.ended - found.began:.3f}S" if found.ended else "",
        "ExecutionEndDateTime": iso(found.ended) if found.ended else "",
        "Status": found.status,
        "StatusDetails": _details(found),
        "StandardOutputContent": found.output[:_OUTPUT_MOST],
        "StandardOutputUrl": "",
        "StandardErrorContent": found.error[:_ERROR_MOST],
        "StandardErrorUrl": "",
    }


def list_invocations(call: Call, ask: Ask) -> Reply:
    if ask.get("Filters"):
        raise Refusal("InvalidFilterKey", "The simulator lists without filters")
    columns = {"command": "command", "instance": "instance"}
    selection = Selection(call, call.store.table(Invocation), columns)
    for name, word in (("CommandId", "command"), ("InstanceId", "instance")):
        if ask.get(name):
            selection.filters([{"Name": word, "Values": [ask[name]]}])
    selection.here()
    found, token = selection.page(ask)
    with_output = bool(ask.get("Details"))
    return {
        "CommandInvocations": [_listed(each, with_output) for each in found],
        "NextToken": token,
    }


def list_commands(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Command), {"id": "id"}, "id")
    if ask.get("CommandId"):
        selection.filters([{"Name": "id", "Values": [ask["CommandId"]]}])
    selection.here()
    found, token = selection.page(ask)
    return {"Commands": [_command(call, each) for each in found], "NextToken": token}


def cancel_command(call: Call, ask: Ask) -> Reply:
    command = call.store.table(Command).get(call, ask["CommandId"])
    if command is None or command.account != call.account:
        raise Refusal("InvalidCommandId", "There is no such command")
    for one in ask.get("InstanceIds") or command.instances:
        found = _invocation(call, command.id, one)
        if found.status in _OPEN:
            call.store.table(Invocation).change(found, status="Cancelled", ended=call.now)
            call.after.append(partial(call.shells.cancel, found.id))
    return {}


def end_interrupted(store: Store) -> None:
    """Tell of commands that ran when the server ended: they are failed."""
    store.run(
        "UPDATE invocation SET status = 'Failed', ended = ? WHERE status IN (?, ?)",
        *(time.time(), *_OPEN),
    )


def _invoke(call: Call, command: Command, one: str) -> None:
    made = Invocation(
        id=f"{command.id}:{one}",
        **call.origin,
        command=command.id,
        instance=one,
        status="Failed" if call.fate.broken else "InProgress",
        began=call.now,
    )
    call.store.table(Invocation).insert(call, made)
    if call.fate.broken:
        return
    lines = command.parameters["commands"]
    limit = command.parameters.get("executionTimeout") or [_DEFAULT_S]
    script = Script(made.id, one, "\n".join(lines), float(limit[0]))
    store = call.store

    def ended(outcome: Outcome) -> None:
        with store.transaction():
            (now,) = store.table(Invocation).made(made.id) or (made,)
            if now.status in _OPEN:
                _end(store, now, outcome)

    call.after.append(partial(call.shells.begin, script, ended))


def _end(store: Store, invocation: Invocation, outcome: Outcome) -> None:
    store.table(Invocation).change(
        invocation,
        status=outcome.status,
        code=outcome.code if outcome.status in ("Success", "Failed") else -1,
        ended=time.time(),
        output=outcome.output,
        error=outcome.error,
    )


def _targets(call: Call, ask: Ask) -> list[str]:
    """Return the instances of a command; those that are named must all run."""
    selection = Selection(call, call.store.table(Instance), {"InstanceIds": "id"}, "InstanceIds")
    wanted = list(ask.get("InstanceIds", ()))
    if len(set(wanted)) < len(wanted):
        raise Refusal("DuplicateInstanceId", "An instance is named twice")
    for each in ask.get("Targets", ()):
        name = {"instanceids": "InstanceIds"}.get(each["Key"].lower(), each["Key"])
        selection.filters([{"Name": name, "Values": each["Values"]}])
    if wanted:
        selection.filters([{"Name": "InstanceIds", "Values": wanted}])
    elif not ask.get("Targets"):
        raise Refusal("InvalidInstanceId", "The request names no instances")
    selection.here()
    selection.where(_RUNNING.format(now=call.now))
    found = [each.id for each in selection.all()]
    missing = [one for one in wanted if one not in found]
    if missing:
        raise Refusal(
            "InvalidInstanceId",
            f"Instances [[{', '.join(missing)}]] not in a valid state for account {call.account}",
        )
    return wanted or found


def _invocation(call: Call, command: str, instance: str) -> Invocation:
    found = call.store.table(Invocation).get(call, f"{command}:{instance}")
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise Refusal("InvocationDoesNotExist", "There is no such invocation")
    return found


def _agent(call: Call, one: Instance) -> Reply:
    online = instances.state(call, one) == "running"
    return {
        "InstanceId": one.id,
        "PingStatus": "Online" if online else "ConnectionLost",
        "LastPingDateTime": call.now if online else one.turns,
        "AgentVersion": "3.3.0.0",
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": "Debian GNU/Linux",
        "PlatformVersion": "12",
        "ResourceType": "EC2Instance",
        "IPAddress": one.ip,
        "ComputerName": f"ip-{one.ip.replace('.', '-')}",
    }


def _command(call: Call, command: Command) -> Reply:
    found = call.store.table(Invocation).find(call.now, "command = ?", command.id)
    states = [each.status for each in found]
    open_ones = [state for state in states if state in _OPEN]
    wrong = [state for state in states if state not in (*_OPEN, "Success")]
    status = "InProgress" if open_ones else wrong[0] if wrong else "Success"
    return {
        "CommandId": command.id,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "Parameters": command.parameters,
        "InstanceIds": list(command.instances),
        "Targets": [],
        "RequestedDateTime": command.born,
        "ExpiresAfter": command.born + command.timeout,
        "Status": status,
        "StatusDetails": status,
        "TimeoutSeconds": command.timeout,
        "TargetCount": len(states),
        "CompletedCount": len(states) - len(open_ones),
        "ErrorCount": len(wrong),
    }


def _details(found: Invocation) -> str:
    return "ExecutionTimedOut" if found.status == "TimedOut" else found.status


def _listed(found: Invocation, with_output: bool) -> Reply:
    shown = {
        "CommandId": found.command,
        "InstanceId": found.instance,
        "DocumentName": _DOCUMENT,
        "RequestedDateTime": found.born,
        "Status": found.status,
        "StatusDetails": _details(found),
        "CommandPlugins": [],
    }
    if with_output:
        plugin = {
            "Name": _PLUGIN,
            "Status": found.status,
            "StatusDetails": _details(found),
            "ResponseCode": found.code,
            "ResponseStartDateTime": found.began,
            "ResponseFinishDateTime": found.ended or None,
            "Output": (found.output + found.error)[:2500],
        }
        shown["CommandPlugins"] = [plugin]
    return shown


ACTIONS: dict[str, Action] = {
    "DescribeInstanceInformation": describe_information,
    "SendCommand": send_command,
    "GetCommandInvocation": get_invocation,
    "ListCommandInvocations": list_invocations,
    "ListCommands": list_commands,
    "CancelCommand": cancel_command,
}
