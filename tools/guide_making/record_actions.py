"""Every action that a record can be about, and when one is written.

A test compares this table with the code.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ACTIONS"]

_CHANGE = "audit"
_CLOUD = "operation"

_RUNS = {
    "backup.run": "a backup plan takes its machines, in a slot or because somebody asked",
    "catalogue.rebuild": "the catalogue is compared with the clouds, and what it lacks is written",
    "copies.run": "copies that wait are made in other regions and accounts",
    "inventory.discover": "the machines of environments are looked at",
    "ledger.reconcile": "what Runs that have ended left open is found out",
    "recovery_point.copy": "one recovery point is copied",
    "recovery_point.create": "one recovery point is taken",
    "recovery_point.delete": "recovery points are deleted",
    "recovery_point.lock": "a recovery point is locked in the cloud",
    "recovery_point.unlock": "a lock is taken away",
    "recovery_point.verify": "it is proven that a recovery point restores",
    "resource.start": "a machine is started",
    "resource.stop": "a machine is stopped",
    "resource.tag": "tags are set",
    "restore.clear": "what a restore left behind is removed, and owed starts are made",
    "restore.forget": "the volumes that a restore in place has replaced are deleted after 24 hours",
    "restore.in_place": "the volumes of a machine are replaced",
    "restore.instance": "a machine is launched from a recovery point",
    "restore.undo": "the volumes from before a restore in place are put back",
    "restore.volumes": "volumes are made from a recovery point",
    "retention.apply": "recovery points that nobody keeps expire",
}
_SESSIONS = {
    "session.command": "something was run at a device, and the beginning of what came of it; what"
    " was typed at a shell is read from the screen, and says so",
    "session.transfer": "a file went to a device or from it: its path, size and SHA-256",
}
_CHANGES = {
    "access_service.create": "a way into a device is added",
    "access_service.remove": "a way into a device is removed",
    "device.create": "a device is added",
    "device.remove": "a device is removed; its sessions end, their recordings stay",
    "host_key.approve": "a host key that a device has shown is trusted from now on",
    "host_key.see": "a device shows a host key that nobody has approved",
    "person_certificate.issue": "a person may come to the door for SSH clients with a certificate",
    "person_certificate.revoke": "a certificate of a person lets nobody in any more",
    "person_key.add": "a person may come to the door for SSH clients with a key",
    "person_key.remove": "a key of a person lets nobody in any more",
    "recording.alarm": "something stands in the way of recordings: the object store does not take"
    " them, the spool is more than four fifths full, or some cannot be stored",
    "recording.alarm_end": "what stood in the way of recordings is over",
    "recording.erase": "recordings that are over their period are erased",
    "recording.read": "somebody replays a recording, or takes it as a file",
    "recording.search": "somebody looks for a text in the recordings of a project",
    "session.ask": "somebody asks for a session at a device",
    "session.end": "a session ends, or never began, and why",
    "session.end_ask": "somebody ends a session, their own or another person's",
    "session.open": "a session is open, and recorded",
    "session.watch": "somebody looks on in a session",
    "api.failed": "a call that would have changed something ended with an error of the appliance",
    "api.refused": "a call that would have changed something was refused",
    "backup_plan.change": "a plan is edited",
    "backup_plan.create": "a plan is written",
    "backup_plan.remove": "a plan is removed; its recovery points stay",
    "backup_plan.skip": "slots of a plan went by without a backup, and why",
    "dashboard.activate": "viewers of a dashboard see another version from now on",
    "dashboard.open": "somebody opens a dashboard",
    "dashboard.publish": "a version of a dashboard is published",
    "dashboard.unpublish": "a dashboard is shown to nobody any more",
    "environment.create": "an account is connected",
    "environment.remove": "an account is disconnected",
    "hub.login": "somebody logs in at the Hub, or is refused",
    "hub.logout": "somebody logs out at the Hub",
    "key.rotate": "somebody has a key of devices rotated",
    "key.rotate_end": "a rotation of a key has ended: everywhere, or not",
    "key.rotate_way": "a way into a device has the new value of a key, or could not be given it",
    "key.open": "the worker, or the gateway, opens a key of the vault, and what for",
    "key.remove": "a key is removed",
    "key.store": "a key is stored",
    "log.damage": "a part of the log's archive is not as it was archived, or not there",
    "login.allow": "a person allows a login by browser",
    "login.ask": "a login by browser is shown to a person",
    "login.deny": "a person refuses a login by browser",
    "login.give": "a login by browser is handed out",
    "login.guess": "somebody has entered too many wrong codes",
    "member.put": "somebody gets a role",
    "member.remove": "somebody loses a role",
    "project.create": "a project is made",
    "project.edit": "a project has another title, or is in production from now on or no more",
    "record.erase": "records whose period is over are to be erased, and were",
    "record.export": "somebody takes records as a file: in which form, how many, by which filters",
    "record.hold": "a legal hold on records is placed",
    "record.query": "somebody asks the records in SQL; its text, and how many rows it gave",
    "record.read": "somebody looks at the records of a project, or of all; once an hour",
    "record.release": "a legal hold on records is ended",
    "recovery_point.hold": "a legal hold is placed",
    "recovery_point.release": "a legal hold is ended",
    "run.cancel": "somebody ends a Run",
    "server.start": "somebody's notebook server starts, or may not",
    "server.stop": "somebody's notebook server ends: stopped, idle, or their last role was taken",
    "syslog.admit": "a client of syslog is let in by another authority's certificate",
    "syslog.issue": "a client of syslog gets a certificate",
    "syslog.local": "the log that the Unix sockets of syslog write to is named, or no more",
    "syslog.revoke": "a client of syslog loses its certificates",
    "run.claim": "Prefect has started a flow that belongs to no Run, and it was refused",
}
_CALLS = {
    "cloud.AttachVolume": "a volume is attached",
    "cloud.CopySnapshot": "a volume snapshot is copied",
    "cloud.CreateSecurityGroup": "a place without a way in or out is made",
    "cloud.CreateSnapshots": "all volumes of a machine are taken at one point in time",
    "cloud.CreateTags": "replaced volumes are marked for the undo",
    "cloud.CreateTags (released)": "volumes that are kept after all lose that mark",
    "cloud.CreateVolume": "a volume is made from a volume snapshot",
    "cloud.DeleteSecurityGroup": "the place of a verification is removed",
    "cloud.DeleteSnapshot": "a volume snapshot is deleted",
    "cloud.DeleteVolume": "a volume that a restore has made or replaced is deleted",
    "cloud.DeregisterImage": "the image that a launch needed is taken away",
    "cloud.DetachVolume": "a volume is detached",
    "cloud.FreezeInstance": "the script before a backup runs; its outcome is the thaw",
    "cloud.LockSnapshot": "a volume snapshot is locked",
    "cloud.RunInstances": "a machine is launched",
    "cloud.SendCommand": "the check of a verification runs on the restored machine",
    "cloud.ShareSnapshots": "volume snapshots are shared with an account; its outcome ends that",
    "cloud.StartInstances": "a restore starts a machine",
    "cloud.StartInstances (owed)": "a machine is started that the cloud would not start before",
    "cloud.StopInstances": "a restore stops a machine",
    "cloud.TerminateInstances": "a machine that a restore or a verification has made ends",
    "cloud.UnlockSnapshot": "a lock of a volume snapshot is taken away",
    "cloud.resource.start": "somebody starts a machine",
    "cloud.resource.stop": "somebody stops a machine",
    "cloud.resource.tag": "somebody sets tags",
}
_STEPS = {
    "step.begin": "a step of a Run begins, in one of its attempts",
    "step.end": "a step ends: done, failed, interrupted (the next attempt goes on) or cancelled",
    "step.log": "a step has logged a warning or an error; at most 50 lines",
    "step.wait": "a step waits, and what for; once for each thing",
}
_REPORTS = {
    "cell.run": "a kernel of Mavis says that a person has run a cell",
    "reported.syslog": "a client of syslog has sent a message",
    "reported.syslog.close": "a connection of such a client has ended, and how many messages came",
    "reported.syslog.open": "such a client has connected",
    "reported.syslog.unreadable": "such a client has sent what is no message; it is in quarantine",
    "reported.…": "somebody reports what they or another system saw, in words of their own",
}

ACTIONS: Mapping[str, tuple[str, str]] = {
    **{name: (_CHANGE, f"{text} (a Run)") for name, text in _RUNS.items()},
    **{name: (_CHANGE, text) for name, text in _CHANGES.items()},
    **{
        name: (_CLOUD, text) for name, text in {**_CALLS, **_STEPS, **_SESSIONS, **_REPORTS}.items()
    },
}
"""Kind and meaning by action."""
